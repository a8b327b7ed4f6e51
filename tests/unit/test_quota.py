"""Limits are exact: at the last allowed request, at the first refused one, and past it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from orchestrion.core import quota
from orchestrion.core.account import Account
from orchestrion.core.decide import decide
from orchestrion.core.errors import ErrorCode
from orchestrion.core.instants import DAY, HOUR, SECOND, Instant
from orchestrion.core.outcomes import Again, Changed, Held, NoTask, Outcome, Rejection, WorkersInUse
from orchestrion.core.task import Status, Task
from tests.factories import (
    ACCOUNT_ID,
    NOW,
    SMALL,
    a_task,
    a_task_id,
    a_view,
    ago,
    an_account,
    expect,
    later,
)
from tests.unit import asks
from tests.unit.world import World

FREE = SMALL.plans["free"]
LAPSED_AT = ago(60)


def used(plan: str = "free", **changes: object) -> Account:
    windows = {"creates_window_at": ago(600), "claims_window_at": ago(600)}
    return an_account(plan, **{**windows, **changes})


def lapsed(**changes: object) -> Account:
    return used("pro", plan_expires_at=LAPSED_AT, **changes)


def created(account: Account) -> Outcome:
    command = asks.create()
    return decide(command, SMALL, a_view(command, accounts=[account]))


def claimed(account: Account, *held: Task) -> Outcome:
    command = asks.claim_next()
    pending = a_task(id=a_task_id(50))
    return decide(command, SMALL, a_view(command, accounts=[account], tasks=[pending, *held]))


def code_of(outcome: Outcome) -> ErrorCode | None:
    return outcome.code if isinstance(outcome, Rejection) else None


def leases(count: int, **changes: object) -> list[Task]:
    return [
        a_task(Status.CLAIMED, **{"id": a_task_id(number), **changes}) for number in range(count)
    ]


@pytest.mark.parametrize(
    ("count", "code"), [(9, None), (10, ErrorCode.QUOTA_EXCEEDED), (11, ErrorCode.QUOTA_EXCEEDED)]
)
def test_the_monthly_quota_is_exact(count: int, code: ErrorCode | None) -> None:
    assert code_of(created(used(tasks_in_cycle=count))) is code


@pytest.mark.parametrize(
    ("count", "code"), [(5, None), (6, ErrorCode.RATE_LIMITED), (7, ErrorCode.RATE_LIMITED)]
)
def test_the_creates_window_is_exact(count: int, code: ErrorCode | None) -> None:
    assert code_of(created(used(creates_in_window=count))) is code


@pytest.mark.parametrize(
    ("count", "code"), [(4, None), (5, ErrorCode.RATE_LIMITED), (6, ErrorCode.RATE_LIMITED)]
)
def test_the_claims_window_is_exact(count: int, code: ErrorCode | None) -> None:
    assert code_of(claimed(used(claims_in_window=count))) is code


@pytest.mark.parametrize(
    ("count", "code"),
    [(1, None), (2, ErrorCode.MAX_WORKERS_REACHED), (3, ErrorCode.MAX_WORKERS_REACHED)],
)
def test_the_worker_limit_is_exact(count: int, code: ErrorCode | None) -> None:
    assert code_of(claimed(used(), *leases(count))) is code


def test_overdue_leases_occupy_no_worker() -> None:
    overdue = leases(2, lease_expires_at=NOW, priority=-1)

    assert isinstance(claimed(used(), *overdue), Held)


def test_a_window_is_told_before_the_quota() -> None:
    outcome = created(used(creates_in_window=6, tasks_in_cycle=10))

    assert code_of(outcome) is ErrorCode.RATE_LIMITED


def test_a_window_is_told_before_the_workers() -> None:
    outcome = claimed(used(claims_in_window=5), *leases(2))

    assert code_of(outcome) is ErrorCode.RATE_LIMITED


def test_a_worker_limit_is_told_before_the_state_of_the_task() -> None:
    done = a_task(Status.COMPLETED, id=a_task_id(9))
    command = asks.claim_task(done.id)
    view = a_view(command, accounts=[used()], tasks=[done, *leases(2)])

    assert code_of(decide(command, SMALL, view)) is ErrorCode.MAX_WORKERS_REACHED


@pytest.mark.parametrize(
    ("began_seconds_ago", "wait"), [(0, 3_600), (0.001, 3_600), (600, 3_000), (3_599.999, 1)]
)
def test_a_used_up_window_tells_the_real_seconds_until_the_next(
    began_seconds_ago: float, wait: int
) -> None:
    account = used(creates_in_window=6, creates_window_at=ago(began_seconds_ago))

    refused = expect(Rejection, created(account))

    assert refused.wait_seconds == wait
    assert refused.window is not None
    assert (refused.window.name, refused.window.remaining) == ("creates", 0)
    assert refused.window.reset_seconds == wait


@pytest.mark.parametrize(
    ("lease_ends_in", "wait"), [(0.001, 1), (1, 1), (1.5, 2), (30, 30), (31, 30), (3_600, 30)]
)
def test_a_full_house_tells_the_earliest_end_of_a_lease_but_at_most_thirty_seconds(
    lease_ends_in: float, wait: int
) -> None:
    first, second = leases(2, lease_expires_at=later(4_000))
    first = replace(first, lease_expires_at=later(lease_ends_in))

    refused = expect(Rejection, claimed(used(), first, second))

    assert refused.wait_seconds == wait
    assert refused.workers == WorkersInUse(plan="free", workers_in_use=2, workers_limit=2)


def test_an_unknown_end_of_leases_counts_as_thirty_seconds() -> None:
    full = quota.Leases(live=2, first_end=None)

    refused = quota.may_claim(used(), SMALL, full, NOW)

    assert refused is not None
    assert refused.wait_seconds == 30


def test_a_batch_creates_exactly_what_the_quota_leaves() -> None:
    world = World(accounts=[used(tasks_in_cycle=7)], catalogue=SMALL)

    outcomes = world.submit(*(asks.create(number) for number in range(5)))

    assert [type(outcome) for outcome in outcomes] == [Changed] * 3 + [Rejection] * 2
    assert world.accounts[ACCOUNT_ID].tasks_in_cycle == 10
    assert len(world.tasks) == 3


def test_a_batch_claims_exactly_what_the_worker_limit_leaves() -> None:
    tasks = [a_task(id=a_task_id(number)) for number in range(5)]
    world = World([*tasks, *leases(1, id=a_task_id(9))], accounts=[used()], catalogue=SMALL)

    outcomes = world.submit(*(asks.claim_next(number) for number in range(3)))

    assert [type(outcome) for outcome in outcomes] == [Held, Rejection, Rejection]
    assert world.accounts[ACCOUNT_ID].claims_in_window == 1


def test_a_lease_that_ends_within_the_batch_makes_room_for_the_next_claim() -> None:
    held = leases(2)
    world = World([a_task(id=a_task_id(9)), *held], accounts=[used()], catalogue=SMALL)

    outcomes = world.submit(
        asks.claim_next(1), asks.complete(held[0].id), asks.claim_next(2), asks.claim_next(3)
    )

    kinds = [type(outcome) for outcome in outcomes]
    assert kinds == [Rejection, Changed, Held, Rejection]


@given(
    limit_used=st.integers(0, 12),
    window_used=st.integers(0, 8),
    wanted=st.integers(1, 12),
)
def test_creates_never_pass_a_limit_whatever_was_used(
    limit_used: int, window_used: int, wanted: int
) -> None:
    account = used(tasks_in_cycle=limit_used, creates_in_window=window_used)
    world = World(accounts=[account], catalogue=SMALL)

    outcomes = world.submit(*(asks.create(number) for number in range(wanted)))

    room = max(0, min(FREE.tasks_per_cycle - limit_used, FREE.creates_per_hour - window_used))
    assert sum(isinstance(outcome, Changed) for outcome in outcomes) == min(wanted, room)


@given(held=st.integers(0, 3), window_used=st.integers(0, 6), wanted=st.integers(1, 6))
def test_claims_never_pass_a_limit_whatever_was_used(
    held: int, window_used: int, wanted: int
) -> None:
    pending = [a_task(id=a_task_id(20 + number)) for number in range(6)]
    world = World(
        [*pending, *leases(held)],
        accounts=[used(claims_in_window=window_used)],
        catalogue=SMALL,
    )

    outcomes = world.submit(*(asks.claim_next(number) for number in range(wanted)))

    room = max(0, min(FREE.max_workers - held, FREE.claims_per_hour - window_used))
    assert sum(isinstance(outcome, Held) for outcome in outcomes) == min(wanted, room)
    assert not any(isinstance(outcome, NoTask | Again) for outcome in outcomes)


def test_windows_begin_anew_an_hour_after_they_began() -> None:
    for seconds, code in ((3_599.999, ErrorCode.RATE_LIMITED), (3_600, None), (9_999, None)):
        account = used(creates_in_window=6, creates_window_at=ago(seconds))

        assert code_of(created(account)) is code

    rolled = quota.rolled(
        used(creates_in_window=6, claims_in_window=5, claims_window_at=ago(3_600)), NOW
    )
    assert (rolled.creates_in_window, rolled.creates_window_at) == (6, ago(600))
    assert (rolled.claims_in_window, rolled.claims_window_at) == (0, NOW)


@pytest.mark.parametrize(
    ("days", "cycles", "count"),
    [(29.99, 0, 10), (30, 1, 0), (59.9, 1, 0), (60, 2, 0), (400, 13, 0)],
)
def test_cycles_roll_by_whole_cycles_from_where_they_began(
    days: float, cycles: int, count: int
) -> None:
    began = Instant(NOW - round(days * DAY))

    rolled = quota.rolled(used(cycle_started_at=began, tasks_in_cycle=10), NOW)

    assert rolled.cycle_started_at == began + cycles * 30 * DAY
    assert rolled.tasks_in_cycle == count


def test_a_clock_that_went_back_rolls_nothing() -> None:
    account = used(
        cycle_started_at=later(60),
        tasks_in_cycle=10,
        creates_window_at=later(60),
        creates_in_window=6,
    )

    assert quota.rolled(account, NOW) == account


@given(age=st.integers(0, 400 * DAY), count=st.integers(0, 10))
def test_a_rolled_cycle_contains_now(age: int, count: int) -> None:
    account = used(cycle_started_at=NOW - age, tasks_in_cycle=count)

    rolled = quota.rolled(account, NOW)

    assert 0 <= NOW - rolled.cycle_started_at < 30 * DAY
    assert quota.rolled(rolled, NOW) == rolled


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"tasks_in_cycle": 9}, None),
        ({"tasks_in_cycle": 10}, ErrorCode.PLAN_EXPIRED),
        ({"tasks_in_cycle": 19}, ErrorCode.PLAN_EXPIRED),
        ({"tasks_in_cycle": 20}, ErrorCode.QUOTA_EXCEEDED),
        ({"creates_in_window": 6}, ErrorCode.PLAN_EXPIRED),
        ({"creates_in_window": 8}, ErrorCode.PLAN_EXPIRED),
        ({"creates_in_window": 9}, ErrorCode.RATE_LIMITED),
        ({"creates_in_window": 6, "tasks_in_cycle": 20}, ErrorCode.RATE_LIMITED),
    ],
)
def test_a_create_that_the_lapsed_plan_allowed_tells_that_it_ran_out(
    changes: dict[str, object], code: ErrorCode | None
) -> None:
    assert code_of(created(lapsed(**changes))) is code


@pytest.mark.parametrize(
    ("held", "in_window", "code"),
    [
        (1, 4, None),
        (2, 4, ErrorCode.PLAN_EXPIRED),
        (3, 4, ErrorCode.PLAN_EXPIRED),
        (4, 4, ErrorCode.MAX_WORKERS_REACHED),
        (1, 5, ErrorCode.PLAN_EXPIRED),
        (2, 7, ErrorCode.PLAN_EXPIRED),
        (1, 8, ErrorCode.RATE_LIMITED),
    ],
)
def test_a_claim_that_the_lapsed_plan_allowed_tells_that_it_ran_out(
    held: int, in_window: int, code: ErrorCode | None
) -> None:
    assert code_of(claimed(lapsed(claims_in_window=in_window), *leases(held))) is code


@pytest.mark.parametrize(
    ("expires_at", "code"),
    [(later(0.001), None), (NOW, ErrorCode.PLAN_EXPIRED), (ago(1), ErrorCode.PLAN_EXPIRED)],
)
def test_a_plan_holds_until_the_very_moment_it_ends(
    expires_at: Instant, code: ErrorCode | None
) -> None:
    account = used("pro", plan_expires_at=expires_at, tasks_in_cycle=10)

    assert code_of(created(account)) is code


def test_a_plan_that_left_the_catalogue_counts_as_free_and_not_as_lapsed() -> None:
    account = used("agency", plan_expires_at=ago(1), tasks_in_cycle=10)

    assert code_of(created(account)) is ErrorCode.QUOTA_EXCEEDED


def test_a_refusal_by_a_lapsed_plan_names_the_free_plan_in_force() -> None:
    refused = expect(Rejection, claimed(lapsed(), *leases(4)))

    assert refused.workers == WorkersInUse(plan="free", workers_in_use=4, workers_limit=2)


@given(now=st.integers(NOW, NOW + 2 * HOUR), count=st.integers(0, 20))
def test_what_remains_is_never_negative_and_the_reset_never_zero(now: int, count: int) -> None:
    account = used(creates_in_window=count, creates_window_at=NOW)
    rolled = quota.rolled(account, Instant(now))

    window = quota.creates(rolled, FREE, Instant(now))

    assert 0 <= window.remaining <= window.limit
    assert 1 <= window.reset_seconds <= HOUR // SECOND
