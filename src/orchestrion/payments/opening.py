"""PayPal for one who waits only so long for an order; must not decide what becomes of it then."""

import asyncio
from collections.abc import Callable

from orchestrion.core.clock import Clock
from orchestrion.core.faults import PaymentsUnavailable
from orchestrion.core.payment import NewOrder, OpenedOrder
from orchestrion.payments.calls import CallRecord
from orchestrion.payments.paypal import PayPal, PayPalOptions


class PromptPayPal(PayPal):
    """PayPal, whose orders are opened within `opening_seconds` or not at all."""

    def __init__(
        self, options: PayPalOptions, clock: Clock, told: Callable[[CallRecord], None]
    ) -> None:
        super().__init__(options, clock, told)
        self._opening_seconds = options.limits.opening_seconds

    async def create_order(self, order: NewOrder) -> OpenedOrder:
        """Open an order for a purchase; asked again, the same order."""
        try:
            async with asyncio.timeout(self._opening_seconds):
                return await super().create_order(order)
        except TimeoutError as error:
            raise PaymentsUnavailable("PayPal, create: timeout of the whole") from error
