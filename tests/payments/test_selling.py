"""Whoever takes the money is opened by what the operator chose, and let go of at the end."""

import asyncio
import os
import shlex
import sys
from pathlib import Path

import httpx2
import pytest
from msgspec.structs import replace

from orchestrion.core.faults import PaymentsUnavailable
from orchestrion.core.limits import CHECKOUT_START_SECONDS
from orchestrion.core.payment import NewOrder
from orchestrion.payments.calls import CallLimits, CallRecord
from orchestrion.payments.opening import PromptPayPal
from orchestrion.selling import open_payments, pretend_environment
from tests.clocks import SettableClock
from tests.pretend_paypal import PretendPayPal


async def test_nobody_takes_the_money_unless_someone_is_chosen() -> None:
    async with open_payments(None, SettableClock(), print) as selling:
        assert (selling.payments, selling.events, selling.pretend_url) == (None, False, "")


async def test_paypal_is_not_called_before_it_is_needed(
    pretend: PretendPayPal, new_order: NewOrder
) -> None:
    told: list[CallRecord] = []
    async with open_payments(pretend.options, SettableClock(), told.append) as selling:
        assert (pretend.count("token"), selling.events, selling.pretend_url) == (0, True, "")
        assert selling.payments is not None
        await selling.payments.create_order(new_order)

    assert [record.call for record in told] == ["token", "create"]


async def test_a_pretend_paypal_lives_as_long_as_it_is_needed(new_order: NewOrder) -> None:
    told: list[CallRecord] = []
    async with open_payments("pretend", SettableClock(), told.append) as selling:
        assert selling.payments is not None
        assert selling.events
        order = await selling.payments.create_order(new_order)
        assert order.checkout_url.startswith(selling.pretend_url)

    with pytest.raises(httpx2.ConnectError):
        httpx2.get(order.checkout_url, trust_env=False)


async def test_a_pretend_paypal_runs_nothing_of_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "msgspec.py").write_text("raise SystemExit('this ran')")
    monkeypatch.chdir(tmp_path)

    async with open_payments("pretend", SettableClock(), print) as selling:
        assert selling.pretend_url


async def test_a_pretend_paypal_is_told_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python, seen = tmp_path / "python", tmp_path / "seen"
    told = f"env > {shlex.quote(str(seen))}"
    python.write_text(f'#!/bin/sh\n{told}\nexec {shlex.quote(sys.executable)} "$@"\n')
    python.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(python))
    for name in ("ORCHESTRION_PAYPAL_SECRET", "ORCHESTRION_DATABASE", "PGPASSWORD", "OTHER"):
        monkeypatch.setenv(name, "hunter2")

    async with open_payments("pretend", SettableClock(), print):
        text = seen.read_text()

    assert "PATH=" in text
    assert "hunter2" not in text


def test_a_child_searches_no_folder_that_depends_on_where_it_runs() -> None:
    folders = os.pathsep.join(("/one", "", "src", "./two", "/three"))
    variables = {"PYTHONPATH": folders, "PATH": "/bin", "LANG": "C", "HOME": "/root", "KEY": "1"}

    assert pretend_environment(variables) == {
        "PYTHONPATH": os.pathsep.join(("/one", "/three")),
        "PATH": "/bin",
        "LANG": "C",
    }
    assert pretend_environment({"PYTHONPATH": "src"}) == {}


# --- how long it waits for an order


def test_an_order_is_opened_before_its_purchase_may_be_replaced() -> None:
    limits = CallLimits()

    assert limits.total_seconds < limits.opening_seconds < CHECKOUT_START_SECONDS


async def test_paypal_is_called_by_who_waits_only_so_long(pretend: PretendPayPal) -> None:
    async with open_payments(pretend.options, SettableClock(), print) as selling:
        assert isinstance(selling.payments, PromptPayPal)


@pytest.mark.parametrize("again", ["token", "create"])
async def test_an_order_takes_no_longer_however_often_paypal_is_asked(
    again: str, pretend: PretendPayPal, new_order: NewOrder
) -> None:
    """Each call is within its own bound: only all of them together are not."""
    told: list[CallRecord] = []
    limits = CallLimits(opening_seconds=2.0)
    options = replace(pretend.options, limits=limits)
    async with open_payments(options, SettableClock(), told.append) as selling:
        assert selling.payments is not None
        if again == "token":
            pretend.behave("token", "hold")
        else:
            pretend.behave("create", "unauthorized")
            pretend.behave("create", "hold")
        opening = asyncio.create_task(selling.payments.create_order(new_order))
        await asyncio.to_thread(pretend.wait_until_held, again)
        with pytest.raises(PaymentsUnavailable, match="timeout"):
            await opening
        pretend.release(again)

        assert (await selling.payments.create_order(new_order)).order_id

    if again == "create":
        unanswered = [(record.call, record.issue) for record in told if record.status == 0]
        assert unanswered == [("create", "given_up")]
