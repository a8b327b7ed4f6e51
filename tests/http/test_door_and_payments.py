"""Whoever waits for PayPal keeps nobody out."""

import asyncio

from msgspec.structs import replace

from orchestrion.engine.door import DoorLimits
from orchestrion.payments.calls import CallLimits
from tests.databases import Database
from tests.http.callers import ok
from tests.http.market import OPTIONS, selling
from tests.pretend_paypal import PretendPayPal

LIMITS = DoorLimits(list_max=1, create_max=1, claim_max=1, get_max=1)


async def test_a_payment_that_takes_long_turns_nobody_away(
    database: Database, pretend: PretendPayPal
) -> None:
    async with selling(database, pretend, replace(OPTIONS, door=LIMITS), CallLimits()) as buyer:
        purchase = await buyer.approved()
        pretend.behave("capture", "hold_before")
        verifying = asyncio.create_task(buyer.verify(purchase["purchaseId"]))
        await asyncio.to_thread(pretend.wait_until_held, "capture")
        buyer.service.clock.advance(LIMITS.patience_seconds)

        ok(await buyer.read("/v1/tasks"))
        ok(await buyer.create(), 201)

        pretend.release("capture")
        ok(await verifying)
