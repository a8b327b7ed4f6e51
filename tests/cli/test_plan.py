"""The plan of one's own account: shown, chosen, bought and verified."""

import json
from collections.abc import Iterator

import httpx2
import pytest

from tests.cli.callers import Caller, calling
from tests.cli.hints import next_command
from tests.cli.terminals import terminal
from tests.ports import free_port


@pytest.fixture(scope="module")
def buyer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    folder = tmp_path_factory.mktemp("sold")
    flags = ("--port", str(free_port()), "--plans", "hosted", "--payments", "pretend")
    with calling(folder, *flags) as buyer:
        yield buyer


def approve(checkout: dict[str, str]) -> None:
    """Press the button that a human presses."""
    with httpx2.Client(trust_env=False) as human:
        pay = httpx2.URL(checkout["checkoutUrl"]).join("/checkoutnow/pay")
        human.post(pay, data={"token": checkout["orderId"]})


def test_the_plan_is_shown(caller: Caller) -> None:
    assert caller.json("plan", "show")["plan"]["id"] == "free"
    assert "Self-hosted" in caller.sees("plan", "show")


def test_the_plans_are_listed(buyer: Caller) -> None:
    result = buyer.types("plan", "list")

    names = [json.loads(line)["id"] for line in result.stdout.splitlines()]
    assert names == ["free", "basic", "pro", "agency"]
    assert next_command(result.stderr) == ["plan", "upgrade", "basic"]
    assert len(buyer.json("plan", "list", "--json")["plans"]) == 4
    table = buyer.sees("plan", "list")
    assert table.split("\n")[2].split()[:3] == ["basic", "9.99", "10"]


def test_where_nothing_is_sold_the_list_says_so(caller: Caller) -> None:
    assert "sells no plans" in caller.types("plan", "list").stderr


def test_a_plan_is_bought_by_a_human_and_verified(buyer: Caller) -> None:
    started = buyer.types("plan", "upgrade", "basic")
    checkout = json.loads(started.stdout)
    verify = next_command(started.stderr)

    early = buyer.types(*verify)
    pending = buyer.types("plan", "upgrade", "pro")
    approve(checkout)
    paid = buyer.types(*verify)

    assert checkout["checkoutUrl"] in started.stderr
    assert verify == ["plan", "verify", checkout["purchaseId"]]
    assert early.exit_code == 1
    assert next_command(early.stderr) == verify
    assert pending.exit_code == 4
    assert next_command(pending.stderr) == verify
    assert checkout["checkoutUrl"] in pending.stderr
    assert json.loads(paid.stdout)["outcome"] == "activated"
    assert buyer.json("plan", "show")["plan"]["id"] == "basic"
    assert "already_confirmed" in buyer.sees(*verify)


def test_people_see_where_to_approve(buyer: Caller) -> None:
    with terminal("plan", "upgrade", "agency", variables=buyer.variables) as screen:
        assert screen.code() == 0

    assert "approve at" in screen.shown
    assert "59.99 USD" in screen.shown
