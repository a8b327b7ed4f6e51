import asyncio
import hashlib
import json
import time
from datetime import datetime

import pytest

from orchestrion.core.plans import SELF_HOSTED
from orchestrion.databases import open_backend
from orchestrion.store.address import DatabaseOptions, read_address
from tests.cli.operators import Operator, assert_refused

REQUIRE, LET_GO = "--require-lease-token", "--no-require-lease-token"
HOSTED = ("--plans", "hosted")
UNKNOWN_ACCOUNT = "acct_00000000000000000000000000"


def requires_token(operator: Operator, key: str) -> bool:
    """Ask as a server does when somebody shows the key."""
    return asyncio.run(_requires_token(operator, key))


async def _requires_token(operator: Operator, key: str) -> bool:
    options = DatabaseOptions(address=read_address(operator.url))
    backend = await open_backend(options, SELF_HOSTED)
    principal = await backend.reader.principal(hashlib.sha256(key.encode()).digest())
    await backend.close()
    assert principal is not None
    return principal.require_lease_token


def test_an_account_can_be_made_to_require_lease_tokens_and_let_go(operator: Operator) -> None:
    mine, other = operator.creates_key(), operator.creates_key()
    assert not requires_token(operator, mine["key"])

    result = operator.types("accounts", "set", mine["account_id"], REQUIRE)

    assert result.exit_code == 0, result.output
    assert result.stdout == mine["account_id"] + "\n"
    assert "must send the lease_token" in result.stderr
    assert requires_token(operator, mine["key"])
    assert not requires_token(operator, other["key"])

    # Said again it stays so.
    assert operator.types("accounts", "set", mine["account_id"], REQUIRE).exit_code == 0
    assert requires_token(operator, mine["key"])

    result = operator.types("accounts", "set", mine["account_id"], LET_GO)

    assert result.exit_code == 0, result.output
    assert "need not send" in result.stderr
    assert not requires_token(operator, mine["key"])


def test_an_unknown_account_is_refused(operator: Operator) -> None:
    operator.creates_key()

    result = operator.types("accounts", "set", UNKNOWN_ACCOUNT, REQUIRE)

    assert_refused(result)
    assert UNKNOWN_ACCOUNT in result.stderr


@pytest.mark.parametrize("arguments", [("set",), ("set", UNKNOWN_ACCOUNT), ("set", REQUIRE)])
def test_an_account_and_what_to_set_must_be_named(
    arguments: tuple[str, ...], operator: Operator
) -> None:
    assert operator.types("accounts", *arguments).exit_code == 2


def shown(operator: Operator, account_id: str, *flags: str) -> dict[str, object]:
    result = operator.types("accounts", "show", account_id, "--json", *HOSTED, *flags)
    assert result.exit_code == 0, result.output
    return dict(json.loads(result.stdout))


def given(operator: Operator, *arguments: str) -> dict[str, object]:
    result = operator.types("accounts", "set-plan", *arguments, "--json", *HOSTED)
    assert result.exit_code == 0, result.output
    return dict(json.loads(result.stdout))


def test_an_account_is_shown_with_its_plan_and_what_it_used(operator: Operator) -> None:
    account_id = operator.creates_key("--email", "ops@example.com")["account_id"]

    found = shown(operator, account_id)

    assert (found["account_id"], found["email"]) == (account_id, "ops@example.com")
    assert (found["plan"], found["given_plan"], found["plan_expires_at"]) == ("free", "free", None)
    assert (found["tasks_in_cycle"], found["tasks_per_cycle"]) == (0, 200)
    result = operator.types("accounts", "show", account_id, *HOSTED)
    assert json.loads(result.stdout) == found


def test_a_plan_is_given_until_a_day_and_for_good(operator: Operator) -> None:
    mine, other = (operator.creates_key()["account_id"] for _ in range(2))

    until = given(operator, mine, "pro", "--until", "2099-01-31T01:00:00+01:00")
    assert (until["plan"], until["plan_expires_at"]) == ("pro", "2099-01-31T00:00:00.000Z")
    assert until["tasks_per_cycle"] == 25_000
    assert shown(operator, mine) == until

    for_good = given(operator, mine, "agency")
    assert (for_good["plan"], for_good["plan_expires_at"]) == ("agency", None)
    assert shown(operator, other)["plan"] == "free"


def test_a_plan_is_given_for_some_days(operator: Operator) -> None:
    account_id = operator.creates_key()["account_id"]

    before = time.time()
    ends = str(given(operator, account_id, "basic", "--days", "30")["plan_expires_at"])

    left = datetime.fromisoformat(ends).timestamp() - before
    assert 30 * 86_400 - 1 <= left <= 30 * 86_400 + 60


def test_a_plan_that_ran_out_is_shown_beside_the_one_in_force(operator: Operator) -> None:
    account_id = operator.creates_key()["account_id"]

    past = ("pro", "--until", "2020-01-01T00:00:00Z", *HOSTED)
    said = operator.types("accounts", "set-plan", account_id, *past).stderr

    assert "is over already" in said
    found = shown(operator, account_id)
    assert (found["plan"], found["given_plan"]) == ("free", "pro")
    assert found["tasks_per_cycle"] == 200


def test_the_same_plan_again_goes_on_with_the_cycle(operator: Operator) -> None:
    account_id = operator.creates_key()["account_id"]
    first = given(operator, account_id, "pro", "--days", "30")

    second = given(operator, account_id, "pro", "--days", "60")

    assert second["cycle_started_at"] == first["cycle_started_at"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("gold",),
        ("pro", "--until", "tomorrow"),
        ("pro", "--until", "2099-01-31"),
        ("pro", "--until", "2099-01-31T00:00:00Z", "--days", "3"),
    ],
)
def test_a_plan_that_cannot_be_given_is_refused(
    arguments: tuple[str, ...], operator: Operator
) -> None:
    account_id = operator.creates_key()["account_id"]

    result = operator.types("accounts", "set-plan", account_id, *arguments, *HOSTED)

    assert_refused(result)
    assert shown(operator, account_id)["plan"] == "free"


def test_the_plan_must_be_of_the_servers_catalogue(operator: Operator) -> None:
    account_id = operator.creates_key()["account_id"]

    result = operator.types("accounts", "set-plan", account_id, "pro")

    assert_refused(result)
    assert "the catalogue has free" in result.stderr


@pytest.mark.parametrize("arguments", [("show",), ("set-plan", "pro")])
def test_an_unknown_account_has_no_plan(arguments: tuple[str, ...], operator: Operator) -> None:
    operator.creates_key()
    verb, *more = arguments

    result = operator.types("accounts", verb, UNKNOWN_ACCOUNT, *more, *HOSTED)

    assert_refused(result)
    assert UNKNOWN_ACCOUNT in result.stderr
