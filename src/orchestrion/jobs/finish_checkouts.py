"""Settles purchases whose outcome is unknown, and gives up those that nobody paid."""

import asyncio
from typing import Final

from orchestrion.core.purchase import FIRST_UNSETTLED, Purchase, Unsettled
from orchestrion.engine.checkout import Checkout
from orchestrion.engine.ports import Reader

NAME: Final = "finish_checkouts"
EVERY_SECONDS: Final = 60.0
# Each is a call or two to whoever takes the money, who may be slow.
AT_ONCE_MAX: Final = 8
BATCHES_MAX: Final = 25


class FinishCheckouts:
    """Goes through what is due; begins where the last run ended, so that none is left out."""

    def __init__(self, checkout: Checkout, reader: Reader) -> None:
        self._checkout = checkout
        self._reader = reader
        self._after = FIRST_UNSETTLED

    async def run(self) -> None:
        """Settle a bounded number of purchases.

        Whatever breaks for one spares the others; the first fault is raised in the end.
        """
        faults: list[BaseException] = []
        for _ in range(BATCHES_MAX):
            found = await self._reader.unsettled_purchases(self._after, AT_ONCE_MAX)
            settled = await asyncio.gather(*map(self._settle, found), return_exceptions=True)
            faults += [one for one in settled if isinstance(one, BaseException)]
            if len(found) < AT_ONCE_MAX:
                self._after = FIRST_UNSETTLED
                break
            self._after = _place(found[-1])
        if faults:
            raise faults[0]

    async def _settle(self, purchase: Purchase) -> None:
        await self._checkout.settle(purchase)


def _place(purchase: Purchase) -> Unsettled:
    assert purchase.settle_at is not None, "it was due to be settled"
    return Unsettled(settle_at=purchase.settle_at, id=purchase.id)
