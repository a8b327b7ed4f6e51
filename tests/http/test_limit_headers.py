"""What `RateLimit` tells comes true: as many more as remain, no more, and again after the reset."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Final

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from orchestrion.core.account import RequestCount
from orchestrion.core.ids import AccountId, KeyId
from orchestrion.core.instants import SECOND, Instant
from orchestrion.core.plans import (
    HOSTED,
    Catalogue,
    RequestLimits,
    heartbeats_per_hour,
    mutations_per_hour,
)
from orchestrion.service import ServiceOptions
from tests.databases import KINDS, Databases
from tests.harness import Account, Harness, running
from tests.http.callers import Caller, Response, limit_left, limit_policy, ok, refused, visitor

HOUR: Final = 3_600
FEW: Final = 4
PLAN = replace(
    HOSTED.plans["free"],
    max_workers=1_000,
    tasks_per_cycle=1_000_000,
    creates_per_hour=FEW,
    claims_per_hour=FEW,
)
CATALOGUE = Catalogue(
    plans={"free": PLAN, "basic": replace(PLAN, creates_per_hour=1_000)},
    limits=RequestLimits(reads_per_hour=FEW, discovery_per_minute=FEW),
)
# Where a server starts anew the counters stand as they were saved: so many are left then.
LEFT: Final = 3


class Kind(msgspec.Struct, frozen=True):
    """A request that counts against one limit, and that limit."""

    name: str
    limit: int
    seconds: int
    ask: Callable[[Caller], Awaitable[Response]]


KINDS_OF_REQUESTS: Final[Mapping[str, Kind]] = {
    kind.name: kind
    for kind in (
        Kind("creates", FEW, HOUR, lambda caller: caller.create()),
        Kind("claims", FEW, HOUR, lambda caller: caller.claim_next()),
        Kind("reads", FEW, HOUR, lambda caller: caller.read("/v1/tasks?limit=1")),
        Kind(
            *("mutations", mutations_per_hour(PLAN), HOUR),
            lambda caller: caller.do("cancel", "tsk_unknown"),
        ),
        Kind(
            *("heartbeats", heartbeats_per_hour(PLAN), HOUR),
            lambda caller: caller.do("heartbeat", "tsk_unknown"),
        ),
        Kind("discovery", FEW, 60, lambda caller: caller.client.get("/v1/capabilities")),
        Kind("registrations", 10, HOUR, lambda caller: caller.client.post("/v1/keys/register")),
    )
}


class Guests:
    """A service, and one account after the other that calls it from an address of its own."""

    def __init__(self, service: Harness) -> None:
        self.service = service
        self._numbers = iter(range(1, 2**16))

    async def next(self, kind: Kind) -> Caller:
        """Register an account that has nothing used, or next to everything of a large limit."""
        number = next(self._numbers)
        client = visitor(self.service, f"198.18.{number // 256}.{number % 256}")
        registration = visitor(self.service, f"198.19.{number // 256}.{number % 256}")
        registered = (await registration.post("/v1/keys/register")).json()
        account = Account(registered["accountId"], registered["apiKey"])
        caller = Caller(self.service, account, client)
        if kind.name == "claims":
            await self._pending(caller)
        if kind.limit > FEW and kind.name != "registrations":
            self._use_up(caller, kind)
        return caller

    async def _pending(self, caller: Caller) -> None:
        database = self.service.database
        sql = "update accounts set plan = 'basic' where id = $1"
        assert database.execute(sql, caller.account.id) == 1
        items = [{"type": "report", "payload": {}}] * 100
        ok(await caller.send("POST", "/v1/tasks/batch", {"items": items}))

    def _use_up(self, caller: Caller, kind: Kind) -> None:
        keys = "select id from api_keys where account_id = $1"
        ((key_id,),) = self.service.database.fetch(keys, caller.account.id)
        used = RequestCount(
            account_id=AccountId(caller.account.id),
            key_id=KeyId(key_id),
            kind=kind.name,
            window_at=self.service.clock.now(),
            count=kind.limit - LEFT,
        )
        self.service.service.limiter.load([used])


class Told(msgspec.Struct, frozen=True):
    """What an answer said: how many are left, and when the limit resets at the latest."""

    left: int
    reset: int
    at: Instant

    @property
    def resets_at(self) -> int:
        return self.at + self.reset * SECOND

    def due(self, now: Instant) -> bool | None:
        """Tell whether a request now passes; None within the second that was rounded up."""
        if self.left or now >= self.resets_at:
            return True
        return False if now <= self.resets_at - SECOND else None


@pytest.fixture(scope="module", params=KINDS)
async def guests(databases: Databases, request: pytest.FixtureRequest) -> AsyncIterator[Guests]:
    with databases.fresh(request.param) as database:
        async with running(database, ServiceOptions(catalogue=CATALOGUE)) as service:
            yield Guests(service)


async def told(kind: Kind, caller: Caller) -> tuple[bool, Told]:
    """Ask, and read what the answer says of the limit."""
    response = await kind.ask(caller)
    name, left, reset = limit_left(response)
    assert name == kind.name
    assert limit_policy(response) == (name, kind.limit, kind.seconds)
    passed = response.status_code != 429
    if not passed:
        refused(response, 429, "rate_limited")
        assert (left, response.headers["retry-after"]) == (0, str(reset))
    return passed, Told(left, reset, caller.service.clock.now())


# Whole windows and milliseconds: mostly at once, some around the length of the window.
PAUSES: Final = st.lists(
    st.sampled_from(
        [*[(0, 0)] * 4, (0, 1), (0, 999), (1, -SECOND), (1, -1), (1, 0), (1, 1)],
    )
    | st.tuples(st.just(0), st.integers(0, HOUR * SECOND)),
    min_size=1,
    max_size=14,
)


@pytest.mark.parametrize("name", KINDS_OF_REQUESTS)
@settings(max_examples=40)
@given(pauses=PAUSES)
async def test_each_answer_foretells_the_next(
    pauses: list[tuple[int, int]], name: str, guests: Guests
) -> None:
    kind = KINDS_OF_REQUESTS[name]
    caller = await guests.next(kind)
    clock = guests.service.clock
    _, last = await told(kind, caller)

    for windows, more in pauses:
        clock.set(Instant(clock.now() + windows * kind.seconds * SECOND + more))
        due = last.due(clock.now())

        passed, now = await told(kind, caller)

        assert due in (None, passed)
        assert 1 <= now.reset <= kind.seconds
        if clock.now() <= last.resets_at - SECOND:
            # Still the same window: it ends when it was said to, and each request takes one.
            assert now.left == max(0, last.left - 1)
            assert abs(last.resets_at - now.resets_at) < SECOND
        if clock.now() >= last.resets_at:
            assert (now.left, now.reset) == (kind.limit - 1, kind.seconds)
        last = now


@pytest.mark.parametrize("name", KINDS_OF_REQUESTS)
@pytest.mark.parametrize("late", [0, 1, 500, 999])
async def test_what_remains_passes_and_the_next_is_refused_until_the_reset(
    late: int, name: str, guests: Guests
) -> None:
    kind = KINDS_OF_REQUESTS[name]
    caller = await guests.next(kind)
    clock = guests.service.clock
    _, first = await told(kind, caller)
    # Not on the second of the window's beginning.
    clock.set(Instant(clock.now() + late))

    answers = [await told(kind, caller) for _ in range(first.left + 1)]

    assert [passed for passed, _ in answers] == [True] * first.left + [False]
    assert [one.left for _, one in answers] == [*range(first.left - 1, -1, -1), 0]
    asked_at, reset = clock.now(), answers[-1][1].reset
    clock.set(Instant(asked_at + (reset - 1) * SECOND))
    assert (await told(kind, caller))[0] is False
    clock.set(Instant(asked_at + reset * SECOND))
    assert (await told(kind, caller))[0] is True


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
async def test_a_request_for_several_gets_what_remains(count: int, guests: Guests) -> None:
    creating = await guests.next(KINDS_OF_REQUESTS["creates"])
    claiming = await guests.next(KINDS_OF_REQUESTS["claims"])
    items = [{"type": "report", "payload": {}}] * count

    created = await creating.send("POST", "/v1/tasks/batch", {"items": items})
    claimed = await claiming.claim_next(max_tasks=count)

    statuses = [item["status"] for item in created.json()["items"]]
    assert statuses == [201] * min(count, FEW) + [429] * (count - FEW)
    assert len(ok(claimed)["tasks"]) == min(count, FEW)
    for answer in (created, claimed):
        assert limit_left(answer)[1] == max(0, FEW - count)
    refused_next = [await creating.create(), await claiming.claim_next()]
    assert [one.status_code != 429 for one in refused_next] == [count < FEW] * 2
