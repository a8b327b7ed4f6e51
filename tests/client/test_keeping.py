"""One thread keeps many leases: in time, together, through trouble, until they are lost."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from orchestrion.client.contract import AgentContract
from orchestrion.client.errors import APIError, ConnectionFailed, Refusal, error_of
from orchestrion.client.keeping import BATCH_MAX, Keeper, Kept, spread
from orchestrion.client.task import Claimed, Held, Task

PATIENCE_SECONDS = 10
KEEPER = "orchestrion-keeper"
NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)


class Time:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Server:
    """Stands for the far end of the connection: says to each heartbeat what a test wants."""

    def __init__(self, clock: Time) -> None:
        self.clock = clock
        self.beats: list[tuple[float, list[str]]] = []
        self.says: Callable[[Held], Task | APIError] = confirmed
        self.away = False

    def send(self, leases: Sequence[Held]) -> Sequence[Task | APIError]:
        self.beats.append((self.clock.now, [held.task.id for held in leases]))
        if self.away:
            raise ConnectionFailed("no answer")
        return [self.says(held) for held in leases]

    @property
    def times(self) -> list[float]:
        return [at for at, _ in self.beats]


def held(name: str = "tsk_1", lease_seconds: int = 300) -> Held:
    ends = NOW + timedelta(seconds=lease_seconds)
    task = Task(id=name, lease_duration_seconds=lease_seconds, lease_expires_at=ends)
    return Held(task=task, lease_token=f"lse_{name}")


def confirmed(lease: Held, *, cancel: bool = False) -> Task:
    seconds = lease.task.lease_duration_seconds
    contract = AgentContract(
        lease_expires_in_seconds=seconds,
        recommended_heartbeat_interval_seconds=seconds // 3,
        cancel_requested=cancel,
    )
    return Task(id=lease.task.id, lease_duration_seconds=seconds, contract=contract)


def refused(status: int, code: str, retry_after: float | None = None) -> APIError:
    refusal = Refusal(
        code=code, status=status, message="No.", contract=AgentContract(), retry_after=retry_after
    )
    return error_of(refusal)


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
def server(clock: Time) -> Server:
    return Server(clock)


@pytest.fixture
def keeper(server: Server, clock: Time) -> Iterator[Keeper]:
    keeper = Keeper(server.send, clock=clock)
    yield keeper
    keeper.close()


def until(seen: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not seen():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def until_beats(kept: Kept, beats: int) -> None:
    until(lambda: kept.beats == beats)


def until_tried(server: Server, tries: int) -> None:
    until(lambda: len(server.beats) >= tries)


def pass_time(keeper: Keeper, clock: Time, seconds: float) -> None:
    clock.now += seconds
    keeper.wake()


def test_a_heartbeat_goes_out_within_a_tenth_of_the_interval(
    keeper: Keeper, server: Server, clock: Time
) -> None:
    kept = keeper.hold(held())
    assert 90 <= kept.due_at - clock.now <= 110

    for beats in (1, 2, 3):
        due = kept.due_at
        pass_time(keeper, clock, due - clock.now)
        until_beats(kept, beats)
        assert 90 <= kept.due_at - clock.now <= 110

    assert len(server.beats) == 3


def test_a_heartbeat_renews_what_remains(keeper: Keeper, clock: Time) -> None:
    kept = keeper.hold(held())
    pass_time(keeper, clock, 80)
    before = kept.remaining
    pass_time(keeper, clock, 30)
    until(lambda: kept.beats)

    assert before == 220
    assert kept.remaining == 300
    assert kept.silent_seconds == 0


def test_many_leases_go_in_few_requests(keeper: Keeper, server: Server, clock: Time) -> None:
    kept = [keeper.hold(held(f"tsk_{at}")) for at in range(250)]
    pass_time(keeper, clock, 110)
    until(lambda: all(each.beats == 1 for each in kept))

    assert [len(names) for _, names in server.beats] == [BATCH_MAX, BATCH_MAX, 50]


def test_a_lease_is_renewed_at_its_own_pace(keeper: Keeper, clock: Time) -> None:
    slow = keeper.hold(held("slow", 3600))
    quick = keeper.hold(held("quick", 30))
    for beats in (1, 2, 3):
        pass_time(keeper, clock, 11)
        until_beats(quick, beats)

    assert slow.beats == 0


def test_what_was_dropped_is_renewed_no_more(keeper: Keeper, server: Server, clock: Time) -> None:
    gone = keeper.hold(held("gone"))
    stays = keeper.hold(held("stays"))
    keeper.drop(gone)
    keeper.drop(gone)
    pass_time(keeper, clock, 110)
    until(lambda: stays.beats)

    assert [names for _, names in server.beats] == [["stays"]]


@pytest.mark.parametrize(
    ("status", "code"),
    [(409, "lease_expired"), (409, "invalid_transition"), (404, "task_not_found")],
)
def test_a_lost_lease_is_told_once(
    keeper: Keeper, server: Server, clock: Time, status: int, code: str
) -> None:
    told: list[Kept] = []
    server.says = lambda _: refused(status, code)
    kept = keeper.hold(held(), on_lost=told.append)
    pass_time(keeper, clock, 110)
    until(lambda: told)
    pass_time(keeper, clock, 110)

    assert told == [kept]
    assert kept.lost
    assert kept.remaining == 0
    assert kept.silent_seconds == 220
    assert len(server.beats) == 1


def test_a_lease_that_was_finished_meanwhile_is_not_lost(
    keeper: Keeper, server: Server, clock: Time
) -> None:
    told: list[Kept] = []
    sent, answer = threading.Event(), threading.Event()

    def says(_: Held) -> Task | APIError:
        sent.set()
        answer.wait(PATIENCE_SECONDS)
        return refused(409, "invalid_transition")

    server.says = says
    kept = keeper.hold(held(), on_lost=told.append)
    pass_time(keeper, clock, 110)
    assert sent.wait(PATIENCE_SECONDS)
    keeper.drop(kept)
    answer.set()
    other = keeper.hold(held("other"))
    server.says = confirmed
    pass_time(keeper, clock, 110)
    until(lambda: other.beats)

    assert not told
    assert not kept.lost


def test_a_request_to_cancel_stays_known(keeper: Keeper, server: Server, clock: Time) -> None:
    server.says = lambda lease: confirmed(lease, cancel=True)
    kept = keeper.hold(held())
    pass_time(keeper, clock, 110)
    until(lambda: kept.beats == 1)
    server.says = confirmed
    pass_time(keeper, clock, 110)
    until(lambda: kept.beats == 2)

    assert kept.cancel_requested


def test_while_the_server_is_away_heartbeats_follow_sooner_until_the_lease_is_over(
    keeper: Keeper, server: Server, clock: Time
) -> None:
    told: list[Kept] = []
    server.away = True
    kept = keeper.hold(held(lease_seconds=30), on_lost=told.append)
    pass_time(keeper, clock, 11)
    until(lambda: keeper.pulse.failed == 1)
    tries = 1
    while not kept.lost:
        assert kept.due_at - clock.now <= 5
        pass_time(keeper, clock, max(0.25, kept.due_at - clock.now))
        tries += 1
        until_tried(server, tries)
        until(lambda: kept.lost or kept.due_at > clock.now)

    assert tries > 5
    assert told == [kept]
    assert clock.now >= 1030


def test_a_server_that_comes_back_finds_the_lease_kept(
    keeper: Keeper, server: Server, clock: Time
) -> None:
    server.away = True
    kept = keeper.hold(held(lease_seconds=30))
    pass_time(keeper, clock, 11)
    until(lambda: kept.failures == 1)
    server.away = False
    pass_time(keeper, clock, 5)
    until(lambda: kept.beats == 1)

    assert not kept.lost
    assert kept.remaining == 30


def test_a_limit_is_waited_for_but_not_past_the_lease(
    keeper: Keeper, server: Server, clock: Time
) -> None:
    server.says = lambda _: refused(429, "rate_limited", 10)
    patient = keeper.hold(held("patient"))
    pass_time(keeper, clock, 110)
    until(lambda: patient.failures == 1)
    assert patient.due_at - clock.now == 10

    keeper.drop(patient)
    server.says = lambda _: refused(429, "rate_limited", 3600)
    urgent = keeper.hold(held("urgent", 30))
    pass_time(keeper, clock, 11)
    until(lambda: urgent.failures == 1)
    assert urgent.due_at - clock.now <= urgent.remaining / 2


def test_a_fault_in_the_sender_does_not_end_the_thread(
    keeper: Keeper, server: Server, clock: Time
) -> None:
    def broken(_: Held) -> Task | APIError:
        raise RuntimeError("a bug")

    server.says = broken
    kept = keeper.hold(held())
    pass_time(keeper, clock, 110)
    until(lambda: kept.failures == 1)
    server.says = confirmed
    pass_time(keeper, clock, 10)
    until(lambda: kept.beats == 1)


def test_the_leases_of_one_claim_end_each_in_its_time(keeper: Keeper, clock: Time) -> None:
    """A repeated claim shows leases of which a part has passed."""
    claimed = Claimed(
        leases=(held("first", 30), held("second", 300)),
        contract=AgentContract(lease_expires_in_seconds=12),
    )
    first, second = keeper.hold_all(claimed)

    assert (first.remaining, second.remaining) == (12, 282)
    assert first.due_at - clock.now == 6
    assert 90 <= second.due_at - clock.now <= 110


def test_nothing_is_renewed_after_the_end(server: Server, clock: Time) -> None:
    keeper = Keeper(server.send, clock=clock)
    keeper.hold(held())
    keeper.close()
    pass_time(keeper, clock, 110)
    keeper.close()

    assert not server.beats
    until(lambda: KEEPER not in {each.name for each in threading.enumerate()})


def test_no_thread_runs_before_the_first_lease(server: Server, clock: Time) -> None:
    before = keepers()
    keeper = Keeper(server.send, clock=clock)
    try:
        assert keepers() == before
        keeper.hold(held())
        assert len(keepers() - before) == 1
    finally:
        keeper.close()


def keepers() -> set[threading.Thread]:
    return {each for each in threading.enumerate() if each.name == KEEPER}


def test_intervals_vary_within_a_tenth() -> None:
    drawn = [spread() for _ in range(500)]

    assert min(drawn) >= 0.9
    assert max(drawn) <= 1.1
    assert max(drawn) - min(drawn) > 0.1


def test_a_short_lease_is_not_kept_waiting_by_a_long_one(server: Server) -> None:
    keeper = Keeper(server.send)
    try:
        keeper.hold(held("long", 3600))
        until(lambda: keeper.waits)
        short = keeper.hold(held("short", 3))
        until(lambda: short.beats)
    finally:
        keeper.close()

    assert [names for _, names in server.beats] == [["short"]]
