"""Time never runs backwards, whatever the wall clock does, and always runs on."""

from concurrent.futures import ThreadPoolExecutor

from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrion.core.instants import HOUR, SECOND, Instant
from orchestrion.engine.clock import COMPARE_SECONDS, SLEW, SteadyClock

PATIENTLY = settings(deadline=None, derandomize=True, database=None)
START_SECONDS = 1_800_000_000.0
NO_MARK = Instant(0)
START = Instant(int(START_SECONDS * SECOND))

spans = st.floats(min_value=0, max_value=100_000, allow_nan=False)
leaps = st.floats(min_value=-1_000_000_000, max_value=1_000_000_000, allow_nan=False)
marks = st.integers(min_value=0, max_value=4_000_000_000_000).map(Instant)


class Machine:
    """A machine's two clocks: the monotonic one runs, the wall is also set by hand."""

    def __init__(self) -> None:
        self.monotonic_seconds = 1_000.0
        self.wall_seconds = START_SECONDS

    def pass_time(self, seconds: float, leap: float = 0.0) -> None:
        """Let both clocks run, and then set the wall clock."""
        self.monotonic_seconds += seconds
        self.wall_seconds += seconds + leap

    def clock(self, mark: Instant = NO_MARK) -> SteadyClock:
        """Start a service on this machine."""
        return SteadyClock(mark, lambda: self.wall_seconds, lambda: self.monotonic_seconds)


@PATIENTLY
@given(marks, st.lists(st.tuples(spans, leaps)))
def test_time_never_runs_backwards(mark: Instant, steps: list[tuple[float, float]]) -> None:
    machine = Machine()
    clock = machine.clock(mark)
    before = clock.now()

    for seconds, leap in steps:
        machine.pass_time(seconds, leap)
        now = clock.now()
        assert now >= before
        before = now


@PATIENTLY
@given(marks, st.lists(st.tuples(spans, leaps), min_size=1))
def test_leases_always_run_out(mark: Instant, steps: list[tuple[float, float]]) -> None:
    """Nothing the wall clock does may freeze time: it goes on at nearly full speed."""
    machine = Machine()
    clock = machine.clock(mark)

    for seconds, leap in steps:
        before = clock.now()
        machine.pass_time(seconds, leap)
        assert clock.now() - before >= (1 - SLEW) * seconds * SECOND - 2


@PATIENTLY
@given(marks, st.lists(st.tuples(spans, leaps)))
def test_time_follows_the_wall_forwards(mark: Instant, steps: list[tuple[float, float]]) -> None:
    """At the latest a comparison after the wall clock moved."""
    machine = Machine()
    clock = machine.clock(mark)

    for seconds, leap in steps:
        machine.pass_time(seconds + 2 * COMPARE_SECONDS, leap)
        assert clock.now() >= int(machine.wall_seconds * SECOND) - 1


@PATIENTLY
@given(marks)
def test_time_starts_no_earlier_than_a_former_run_stopped(mark: Instant) -> None:
    assert Machine().clock(mark).now() >= max(mark, START)


def test_leases_run_on_while_the_wall_is_set_ahead_and_back() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.pass_time(1, leap=3_600)
    ahead = clock.now()
    machine.pass_time(1, leap=-3_600)
    lease_ends = Instant(clock.now() + 60 * SECOND)

    for _ in range(64):
        machine.pass_time(1)

    assert ahead >= START + HOUR
    assert clock.now() >= lease_ends


def test_time_that_is_ahead_meets_the_wall_again_and_stays() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.pass_time(1, leap=-100)

    for _ in range(int(100 / SLEW) + 1):
        machine.pass_time(1)
        clock.now()

    assert abs(clock.now() - machine.wall_seconds * SECOND) <= 1
    machine.pass_time(10)
    assert abs(clock.now() - machine.wall_seconds * SECOND) <= 1


def test_spans_are_measured_by_the_monotonic_clock() -> None:
    machine = Machine()
    clock = machine.clock()
    began = clock.monotonic()

    machine.pass_time(2.5, leap=-1_000)

    assert clock.monotonic() - began == 2.5


def test_threads_may_ask_for_the_time_at_once() -> None:
    clock = SteadyClock(NO_MARK)

    def ask(_: int) -> list[Instant]:
        return [clock.now() for _ in range(1_000)]

    with ThreadPoolExecutor(max_workers=4) as threads:
        seen = list(threads.map(ask, range(4)))

    assert all(instants == sorted(instants) for instants in seen)
