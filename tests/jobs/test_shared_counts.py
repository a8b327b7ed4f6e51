"""Several processes that count requests of the same keys learn from each other each second."""

import asyncio
from collections.abc import AsyncIterator, Iterable

import msgspec
import pytest

from orchestrion.api import limits
from orchestrion.api.limits import Limiter
from orchestrion.core.account import Principal, RequestCount
from orchestrion.core.faults import Unavailable, Unknown
from orchestrion.core.ids import KeyId
from orchestrion.core.operations import Allowance
from orchestrion.core.outcomes import Window
from orchestrion.core.plans import HOSTED, reads_per_hour
from orchestrion.engine.overload import QueueLimits
from orchestrion.engine.writer import Writer
from orchestrion.jobs.count_requests import count_requests
from tests.clocks import SettableClock
from tests.databases import Database, Databases
from tests.engine.engines import Engine, EngineOptions, running_engine
from tests.factories import ACCOUNT_ID, expect

HOUR_SECONDS = 3_600
assert HOSTED.limits is not None
READS = reads_per_hour(HOSTED.limits, "free")


class Replica:
    """One process that counts."""

    def __init__(self, writer: Writer, clock: SettableClock) -> None:
        self.writer = writer
        self.limiter = Limiter(HOSTED, clock)

    def read(self, times: int = 1, key: str = "key_1") -> int:
        """Let a key read; gives what is left to it here."""
        who = Principal(account_id=ACCOUNT_ID, key_id=KeyId(key), plan="free", plan_expires_at=None)
        for _ in range(times):
            window = self.limiter.admit_key(Allowance.READS, who)
        return expect(Window, window).remaining

    async def tell(self) -> None:
        """Run the job."""
        await count_requests(self.writer, self.limiter)


class Pair(msgspec.Struct, frozen=True):
    """Two replicas on one database."""

    engine: Engine
    one: Replica
    other: Replica

    def kept(self) -> int:
        """Read the counter that all share."""
        return self.engine.count("select sum(count) from request_counts")


@pytest.fixture
async def pair(database: Database) -> AsyncIterator[Pair]:
    """Run two replicas that share a clock, on a database that a test can break."""
    database.trouble.heal()
    async with running_engine(database, EngineOptions(catalogue=HOSTED)) as engine:
        replicas = (Replica(engine.writer, engine.clock) for _ in range(2))
        yield Pair(engine, *replicas)


async def test_a_key_that_is_new_to_a_replica_learns_the_others_count(pair: Pair) -> None:
    pair.one.read(10)
    await pair.one.tell()
    pair.other.read()

    await pair.other.tell()

    assert pair.kept() == 11
    assert pair.other.read() == READS - 12


async def test_counts_of_all_replicas_add_up_and_everybody_learns_them(pair: Pair) -> None:
    for _ in range(3):
        pair.one.read(5)
        await pair.one.tell()
        pair.other.read(7)
        await pair.other.tell()
    pair.one.read()
    await pair.one.tell()

    assert pair.kept() == 3 * (5 + 7) + 1
    assert pair.one.read() == pair.other.read() - 1 == READS - 38


async def test_replicas_that_tell_at_the_same_time_lose_nothing(pair: Pair) -> None:
    pair.one.read(5)
    pair.other.read(7)

    await asyncio.gather(pair.one.tell(), pair.other.tell())

    assert pair.kept() == 12


async def test_what_is_counted_during_the_telling_is_told_the_next_time(pair: Pair) -> None:
    pair.one.read(5)
    pair.engine.watched.go_on.clear()
    telling = asyncio.create_task(pair.one.tell())
    await pair.engine.watched.committed.wait()
    pair.one.read(2)
    pair.engine.watched.go_on.set()
    await telling

    assert pair.one.read() == READS - 8
    await pair.one.tell()
    assert pair.kept() == 8


async def test_a_key_used_up_elsewhere_is_refused_here_too(pair: Pair) -> None:
    pair.one.read(READS)
    await pair.one.tell()
    pair.other.read()
    await pair.other.tell()

    who = Principal(account_id=ACCOUNT_ID, key_id=KeyId("key_1"), plan="free", plan_expires_at=None)

    assert pair.other.limiter.exhausted(Allowance.READS, who) is not None


async def test_the_next_hour_starts_anew_for_everybody(pair: Pair) -> None:
    pair.one.read(5)
    await pair.one.tell()
    pair.other.read(2)
    await pair.other.tell()
    pair.engine.clock.advance(HOUR_SECONDS)
    pair.one.read(3)
    await pair.one.tell()
    pair.engine.clock.advance(1)
    pair.other.read(4)

    await pair.other.tell()

    assert pair.kept() == 7
    pair.engine.clock.advance(HOUR_SECONDS - 1.001)
    assert pair.other.read() == READS - 8
    # Both end their hour with the one that began it first.
    pair.engine.clock.advance(0.001)
    assert pair.other.read() == READS - 1


async def test_what_was_counted_in_an_hour_that_ended_is_not_carried_over(pair: Pair) -> None:
    pair.one.read(5)
    pair.engine.clock.advance(HOUR_SECONDS)
    pair.other.read(2)
    await pair.other.tell()

    await pair.one.tell()

    assert pair.kept() == 2
    assert pair.one.read() == READS - 3


async def test_a_telling_answered_in_the_next_hour_disturbs_nothing(pair: Pair) -> None:
    pair.one.read(5)
    pair.engine.watched.go_on.clear()
    telling = asyncio.create_task(pair.one.tell())
    await pair.engine.watched.committed.wait()
    pair.engine.clock.advance(HOUR_SECONDS)
    pair.one.read(2)
    pair.engine.watched.go_on.set()
    await telling

    assert pair.one.read() == READS - 3


async def test_what_was_surely_not_saved_is_told_again(pair: Pair) -> None:
    pair.one.read(5)
    pair.engine.database.trouble.full = True
    with pytest.raises(Unavailable):
        await pair.one.tell()
    pair.engine.database.trouble.full = False
    pair.one.read(2)

    await pair.one.tell()

    assert pair.kept() == 7
    assert pair.one.read() == READS - 8


async def test_what_was_not_saved_within_its_hour_is_let_go(pair: Pair) -> None:
    pair.one.read(5)
    counts = pair.one.limiter.unsaved()
    pair.engine.clock.advance(HOUR_SECONDS)

    pair.one.limiter.put_back(counts)

    assert pair.one.limiter.unsaved() == ()


async def test_what_may_have_been_saved_is_never_told_twice(pair: Pair) -> None:
    def lose_the_answer() -> None:
        pair.engine.watched.after_commit = lambda: None
        message = "the answer was lost"
        raise Unknown(message)

    pair.one.read(5)
    pair.engine.watched.after_commit = lose_the_answer
    with pytest.raises(Unknown):
        await pair.one.tell()
    pair.one.read(2)

    await pair.one.tell()

    assert pair.kept() == 7


async def test_counters_that_are_turned_away_are_told_again(database: Database) -> None:
    options = EngineOptions(catalogue=HOSTED, queue=QueueLimits(create_share=0.0))
    async with running_engine(database, options) as engine:
        replica = Replica(engine.writer, engine.clock)
        replica.read(5)

        with pytest.raises(Unavailable):
            await replica.tell()

        assert [one.count for one in replica.limiter.unsaved()] == [5]


async def test_a_key_that_was_forgotten_here_is_told_and_adopted_no_more(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys beyond the limit push the oldest out; the database still knows what was told of it."""
    monkeypatch.setattr(limits, "KEYS_MAX", 1)
    pair.one.read(5, "key_old")
    counts = pair.one.limiter.unsaved()
    pair.one.read(2, "key_new")

    pair.one.limiter.put_back(counts)
    pair.one.limiter.adopt(counts)
    await pair.one.tell()

    assert pair.kept() == 2


async def test_a_key_pushed_out_untold_is_skipped(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "KEYS_MAX", 1)
    pair.one.read(5, "key_old")
    pair.one.read(2, "key_new")

    assert names(pair.one.limiter.unsaved()) == {"key_new"}


async def test_many_keys_are_told_in_bounded_batches(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "UNSAVED_MAX", 10)
    for number in range(25):
        pair.one.read(1, f"key_{number}")

    await pair.one.tell()

    assert pair.engine.store.commits == 3
    assert pair.kept() == 25
    assert pair.one.limiter.unsaved() == ()


async def test_servers_that_begin_a_counter_at_the_same_time_lose_nothing(
    databases: Databases,
) -> None:
    """What is not there yet cannot be locked like what is."""
    options = EngineOptions(catalogue=HOSTED)
    with databases.postgres.lent() as database:
        async with (
            running_engine(database, options) as here,
            running_engine(database, options) as there,
        ):
            one, other = (Replica(engine.writer, engine.clock) for engine in (here, there))
            for number in range(20):
                one.read(3, f"key_{number}")
                other.read(4, f"key_{number}")
                await asyncio.gather(one.tell(), other.tell())

            assert here.count("select min(count) from request_counts") == 7
            assert here.count("select sum(count) from request_counts") == 20 * 7


def names(counts: Iterable[RequestCount]) -> set[str]:
    return {one.key_id for one in counts}
