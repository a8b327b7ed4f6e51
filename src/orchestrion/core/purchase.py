"""The purchase: one attempt of an account to buy a plan, with what can be read off it."""

from decimal import Decimal
from enum import StrEnum

import msgspec

from orchestrion.core.ids import AccountId, PurchaseId
from orchestrion.core.instants import SECOND, Instant
from orchestrion.core.limits import (
    CAPTURE_SETTLE_SECONDS,
    CHECKOUT_LAST_LOOKS_SECONDS,
    CHECKOUT_START_SECONDS,
    ORDER_UNSEEN_SECONDS,
)


class Stage(StrEnum):
    """Where a purchase stands in its life."""

    # The order may exist or not: nobody was given its address.
    STARTED = "started"
    OPEN = "open"
    CONFIRMED = "confirmed"
    FAILED = "failed"
    EXPIRED = "expired"


STARTED, OPEN, CONFIRMED, FAILED, EXPIRED = Stage


# Positional like Task: built from rows.
class Purchase(msgspec.Struct, frozen=True):
    """A purchase as stored. While `capture_begun_at` is set, the money may have been taken."""

    account_id: AccountId
    id: PurchaseId
    plan_id: str
    price_usd: Decimal
    stage: Stage
    order_id: str | None
    checkout_url: str | None
    created_at: Instant
    expires_at: Instant
    # Which capture of this purchase is the present one, or will be the next.
    captures: int
    capture_begun_at: Instant | None
    capture_id: str | None
    confirmed_at: Instant | None
    updated_at: Instant

    @property
    def capture_request(self) -> str:
        """What the present capture is known by to whoever takes the money."""
        return f"{self.id}-capture-{self.captures}"

    @property
    def settle_at(self) -> Instant | None:
        """When the job may look at it, should nobody else have settled it; None once settled."""
        if self.stage is STARTED:
            return Instant(self.created_at + CHECKOUT_START_SECONDS * SECOND)
        if self.stage is not OPEN:
            return None
        if self.capture_begun_at is None:
            return Instant(self.expires_at - CHECKOUT_LAST_LOOKS_SECONDS * SECOND)
        return Instant(self.capture_begun_at + CAPTURE_SETTLE_SECONDS * SECOND)

    def overdue(self, now: Instant) -> bool:
        """Tell whether nobody can be expected to pay it any more."""
        if self.stage is STARTED:
            return self.created_at + CHECKOUT_START_SECONDS * SECOND <= now
        return self.capture_begun_at is None and self.expires_at <= now

    def unseen(self, now: Instant) -> bool:
        """Tell whether its order is so new that it may not be found yet."""
        return now < self.created_at + ORDER_UNSEEN_SECONDS * SECOND

    def pending(self, now: Instant) -> bool:
        """Tell whether it keeps the account from another checkout."""
        return self.stage in (STARTED, OPEN) and not self.overdue(now)


class Unsettled(msgspec.Struct, frozen=True, kw_only=True):
    """A place in the order in which purchases are to be settled."""

    settle_at: Instant
    id: PurchaseId


FIRST_UNSETTLED = Unsettled(settle_at=Instant(0), id=PurchaseId(""))
