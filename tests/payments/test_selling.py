"""Whoever takes the money is opened by what the operator chose, and let go of at the end."""

import httpx2
import pytest

from orchestrion.core.payment import NewOrder
from orchestrion.payments.calls import CallRecord
from orchestrion.selling import open_payments
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
