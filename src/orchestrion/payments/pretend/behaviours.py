"""How the pretend PayPal is told to misbehave, and what it holds back meanwhile."""

import asyncio
from collections import deque
from enum import StrEnum
from typing import Annotated, Final

import msgspec
from msgspec import Meta

TOLD_MAX: Final = 1_000


class Point(StrEnum):
    """The calls there are."""

    TOKEN = "token"  # noqa: S105 - the name of a call
    CREATE = "create"
    ORDER = "order"
    CAPTURE = "capture"
    VERIFY = "verify"


class What(StrEnum):
    """What may go wrong."""

    # Instead of acting.
    STATUS = "status"
    ISSUE = "issue"
    UNAUTHORIZED = "unauthorized"
    REDIRECT = "redirect"
    REPEAT = "repeat"
    HOLD_BEFORE = "hold_before"
    # In what is done.
    FORGET = "forget"
    WRONG_AMOUNT = "wrong_amount"
    WRONG_CURRENCY = "wrong_currency"
    WRONG_CUSTOM_ID = "wrong_custom_id"
    PENDING = "pending"
    CAPTURE_DECLINED = "capture_declined"
    # After it was done.
    HOLD = "hold"
    CUT = "cut"
    SLOW = "slow"
    MALFORMED = "malformed"
    EMPTY = "empty"
    HUGE = "huge"
    PACKED = "packed"
    STATUS_AFTER = "status_after"
    REDIRECT_AFTER = "redirect_after"
    WRONG_ORDER = "wrong_order"
    FOREIGN_LINK = "foreign_link"
    APPROVE_LINK = "approve_link"
    NO_LINK = "no_link"


_OF_CAPTURES: Final = frozenset(
    {
        *(What.WRONG_AMOUNT, What.WRONG_CURRENCY, What.WRONG_CUSTOM_ID),
        *(What.PENDING, What.CAPTURE_DECLINED),
    }
)
_OF_CREATION: Final = frozenset({What.FOREIGN_LINK, What.APPROVE_LINK, What.NO_LINK})
_OF_ANY: Final = frozenset(What) - _OF_CAPTURES - _OF_CREATION - {What.FORGET}


class Behaviour(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing to do wrong, at the next calls of one kind."""

    point: Point
    what: What
    times: Annotated[int, Meta(ge=1, le=1_000_000)] = 1
    status: Annotated[int, Meta(ge=400, le=599)] = 503
    issue: Annotated[str, Meta(max_length=127)] = "INSTRUMENT_DECLINED"
    # Where redirects and foreign links lead.
    location: Annotated[str, Meta(max_length=2_048)] = "https://elsewhere.example/"

    @property
    def possible(self) -> bool:
        """Tell whether this can go wrong there."""
        match self.point:
            case Point.CAPTURE:
                return self.what not in _OF_CREATION
            case Point.CREATE:
                return self.what not in _OF_CAPTURES
            case _:
                return self.what in _OF_ANY


class Behaviours:
    """What it was told and has not done yet, and the answers it holds."""

    def __init__(self) -> None:
        self._told: deque[Behaviour] = deque()
        self._held: dict[Point, list[asyncio.Event]] = {point: [] for point in Point}
        self._changed = asyncio.Condition()

    def tell(self, behaviour: Behaviour) -> bool:
        """Take note; False if that is too much or makes no sense."""
        if not behaviour.possible or len(self._told) >= TOLD_MAX:
            return False
        self._told.append(behaviour)
        return True

    def take(self, point: Point) -> Behaviour | None:
        """Give what to do wrong now."""
        for index, behaviour in enumerate(self._told):
            if behaviour.point is point:
                if behaviour.times == 1:
                    del self._told[index]
                else:
                    left = behaviour.times - 1
                    self._told[index] = msgspec.structs.replace(behaviour, times=left)
                return behaviour
        return None

    async def hold(self, point: Point) -> None:
        """Wait until released."""
        released = asyncio.Event()
        self._held[point].append(released)
        await self._tell_waiters()
        try:
            await released.wait()
        finally:
            self._held[point].remove(released)

    def held(self, point: Point) -> int:
        """Count the answers held at a point."""
        return sum(not released.is_set() for released in self._held[point])

    async def wait_until_held(self, point: Point, count: int) -> None:
        """Wait until as many answers are held at a point."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.held(point) >= count)

    def release(self, point: Point) -> int:
        """Let go of what is held at a point."""
        count = self.held(point)
        for released in self._held[point]:
            released.set()
        return count

    def reset(self) -> None:
        """Behave from now on."""
        self._told.clear()
        for point in Point:
            self.release(point)

    async def _tell_waiters(self) -> None:
        async with self._changed:
            self._changed.notify_all()
