"""Cycles and windows over whole histories: what is counted where, however long nobody came."""

from collections.abc import Mapping, Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from orchestrion.core import quota
from orchestrion.core.account import Account
from orchestrion.core.errors import ErrorCode
from orchestrion.core.instants import DAY, HOUR, Instant
from tests.factories import NOW, SMALL, an_account

FREE = SMALL.plans["free"]
CYCLE = 30 * DAY
NO_LEASES = quota.Leases(live=0, first_end=None)
WANTS = ("create", "claim")
COUNTERS: Mapping[str, str] = {
    "cycle_started_at": "tasks_in_cycle",
    "creates_window_at": "creates_in_window",
    "claims_window_at": "claims_in_window",
}


class Step(msgspec.Struct, frozen=True):
    """Somebody wants something, so long after the last."""

    after: int
    want: str


def gaps() -> st.SearchStrategy[int]:
    """Draw times between two requests: mostly short, and at the edges of hours and cycles."""
    edges = [end + by for end in (HOUR, CYCLE, 3 * CYCLE) for by in (-1, 0, 1)]
    return st.sampled_from([0, 0, 0, 1, *edges]) | st.integers(0, 2 * HOUR)


def histories() -> st.SearchStrategy[list[Step]]:
    return st.lists(st.builds(Step, gaps(), st.sampled_from(WANTS)), max_size=60)


class History:
    """An account that is asked for things, as decisions do it, and what came of each."""

    def __init__(self) -> None:
        self.now = NOW
        self.account = an_account(cycle_started_at=NOW, creates_window_at=NOW, claims_window_at=NOW)
        self.granted: dict[str, list[Instant]] = {want: [] for want in WANTS}
        self.refused: list[tuple[Instant, ErrorCode]] = []

    def run(self, steps: Sequence[Step]) -> None:
        for step in steps:
            self.take(step)

    def take(self, step: Step) -> ErrorCode | None:
        """Let the time pass and the account be asked; what is refused is not kept."""
        self.now = Instant(self.now + step.after)
        rolled = quota.rolled(self.account, self.now)
        if step.want == "create":
            refused = quota.may_create(rolled, SMALL, self.now)
        else:
            refused = quota.may_claim(rolled, SMALL, NO_LEASES, self.now)
        if refused is not None:
            self.refused.append((self.now, refused.code))
            return refused.code
        self.account = (quota.created if step.want == "create" else quota.claimed)(rolled)
        self.granted[step.want].append(self.now)
        return None

    def cycle(self, at: Instant) -> int:
        return (at - NOW) // CYCLE

    def created_in(self, cycle: int) -> int:
        return sum(self.cycle(at) == cycle for at in self.granted["create"])


def windows(granted: Sequence[Instant]) -> list[list[Instant]]:
    """Cut into hours: the first begins with the account, each other with what begins it."""
    began = NOW
    found: list[list[Instant]] = [[]]
    for at in granted:
        if at >= began + HOUR:
            began = at
            found.append([])
        found[-1].append(at)
    return found


def in_present_window(granted: Sequence[Instant], now: Instant) -> int:
    last = windows(granted)[-1]
    began = NOW if len(windows(granted)) == 1 else last[0]
    return len(last) if now < began + HOUR else 0


@given(steps=histories())
def test_no_cycle_and_no_hour_takes_more_than_the_plan_says(steps: list[Step]) -> None:
    history = History()
    history.run(steps)

    for cycle in {history.cycle(at) for at in history.granted["create"]}:
        assert history.created_in(cycle) <= FREE.tasks_per_cycle
    assert max(map(len, windows(history.granted["create"]))) <= FREE.creates_per_hour
    assert max(map(len, windows(history.granted["claim"]))) <= FREE.claims_per_hour


@given(steps=histories())
def test_nothing_is_refused_that_the_plan_allows(steps: list[Step]) -> None:
    history = History()
    for step in steps:
        code = history.take(step)

        if code is ErrorCode.QUOTA_EXCEEDED:
            assert history.created_in(history.cycle(history.now)) == FREE.tasks_per_cycle
        if code is ErrorCode.RATE_LIMITED:
            used = in_present_window(history.granted[step.want], history.now)
            limit = FREE.creates_per_hour if step.want == "create" else FREE.claims_per_hour
            assert used == limit
        assert code in (None, ErrorCode.QUOTA_EXCEEDED, ErrorCode.RATE_LIMITED)


@given(steps=histories())
def test_the_counters_are_what_was_granted(steps: list[Step]) -> None:
    history = History()
    history.run(steps)
    rolled = quota.rolled(history.account, history.now)

    cycle = history.cycle(history.now)
    assert rolled.cycle_started_at == NOW + cycle * CYCLE
    assert rolled.tasks_in_cycle == history.created_in(cycle)
    creates, claims = history.granted["create"], history.granted["claim"]
    assert rolled.creates_in_window == in_present_window(creates, history.now)
    assert rolled.claims_in_window == in_present_window(claims, history.now)


@given(steps=histories())
def test_windows_and_cycles_never_begin_in_the_future_nor_go_back(steps: list[Step]) -> None:
    history = History()
    for step in steps:
        before = history.account
        history.take(step)
        rolled = quota.rolled(history.account, history.now)

        for began in began_at(rolled):
            assert began <= history.now
        assert rolled.cycle_started_at > history.now - CYCLE
        assert min(rolled.creates_window_at, rolled.claims_window_at) > history.now - HOUR
        pairs = zip(began_at(before), began_at(history.account), strict=True)
        assert all(earlier <= later for earlier, later in pairs)


@given(steps=histories(), looks=st.lists(gaps(), max_size=8))
def test_a_cycle_is_the_same_however_often_it_was_looked_at(
    steps: list[Step], looks: list[int]
) -> None:
    history = History()
    history.run(steps)
    looked, now = history.account, history.now
    for after in looks:
        now = Instant(now + after)
        looked = quota.rolled(looked, now)

    at_once = quota.rolled(history.account, now)

    assert looked.cycle_started_at == at_once.cycle_started_at
    assert looked.tasks_in_cycle == at_once.tasks_in_cycle
    assert quota.rolled(at_once, now) == at_once


@given(steps=histories())
def test_creates_and_claims_take_nothing_from_each_other(steps: list[Step]) -> None:
    both, creates = History(), History()
    both.run(steps)
    for step in steps:
        if step.want == "create":
            creates.take(step)
        else:
            creates.now = Instant(creates.now + step.after)

    assert both.granted["create"] == creates.granted["create"]


@given(steps=histories())
def test_what_remains_is_how_many_more_are_granted(steps: list[Step]) -> None:
    history = History()
    history.run(steps)
    rolled = quota.rolled(history.account, history.now)
    window = quota.claims(rolled, FREE, history.now)

    codes = [history.take(Step(0, "claim")) for _ in range(window.remaining + 1)]

    assert codes == [None] * window.remaining + [ErrorCode.RATE_LIMITED]
    rolled = quota.rolled(history.account, history.now)
    told = quota.claims(rolled, FREE, history.now).reset_seconds * 1_000
    history.now = Instant(history.now + told - 1_000)
    assert history.take(Step(0, "claim")) is ErrorCode.RATE_LIMITED
    assert history.take(Step(1_000, "claim")) is None


@pytest.mark.parametrize("late", [-1, 0, 1])
@pytest.mark.parametrize("began", COUNTERS)
def test_each_ends_to_the_millisecond_and_alone(began: str, late: int) -> None:
    length = CYCLE if began == "cycle_started_at" else HOUR
    in_use = {**dict.fromkeys(COUNTERS, NOW - 10), **dict.fromkeys(COUNTERS.values(), 3)}
    used = replace(an_account(), **{**in_use, began: NOW - length - late})

    rolled = quota.rolled(used, NOW)

    over = late >= 0
    kept = Instant(NOW - late) if began == "cycle_started_at" else NOW
    changes = {began: kept, COUNTERS[began]: 0} if over else {}
    assert rolled == replace(used, **changes)


def began_at(account: Account) -> tuple[Instant, Instant, Instant]:
    return account.cycle_started_at, account.creates_window_at, account.claims_window_at
