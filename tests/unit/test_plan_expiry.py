"""When a plan runs out, at any instant: what it allowed is `plan_expired`, the rest as before."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from orchestrion.core.account import Account
from orchestrion.core.decide import decide
from orchestrion.core.errors import ErrorCode
from orchestrion.core.instants import DAY, HOUR, Instant
from orchestrion.core.outcomes import Rejection
from orchestrion.core.plans import Plan
from orchestrion.core.quota import rolled
from orchestrion.core.renewal import Payment, activated
from orchestrion.core.task import Status
from tests.factories import NOW, SMALL, a_task, a_task_id, a_view, an_account, expect
from tests.unit import asks
from tests.unit.strategies import around

FREE, PRO = SMALL.plans["free"], SMALL.plans["pro"]
CYCLE = 30 * DAY
# The millisecond of an end and its neighbours, and far from it.
ENDS = around(NOW) | st.integers(NOW - 90 * DAY, NOW + 90 * DAY).map(Instant)


@st.composite
def accounts(draw: st.DrawFn) -> Account:
    """Draw an account whose paid plan ends around now, with counters around every limit."""
    return an_account(
        draw(st.sampled_from(["free", "pro"])),
        plan_expires_at=draw(st.none() | ENDS),
        cycle_started_at=draw(around(Instant(NOW - CYCLE)) | around(Instant(NOW - 3 * CYCLE))),
        tasks_in_cycle=draw(st.sampled_from([0, 9, 10, 11, 19, 20, 21])),
        creates_window_at=draw(around(Instant(NOW - HOUR))),
        creates_in_window=draw(st.sampled_from([0, 5, 6, 7, 8, 9, 10])),
        claims_window_at=draw(around(Instant(NOW - HOUR))),
        claims_in_window=draw(st.sampled_from([0, 4, 5, 6, 7, 8, 9])),
    )


def create_code(account: Account) -> ErrorCode | None:
    command = asks.create()
    outcome = decide(command, SMALL, a_view(command, accounts=[account]))
    return outcome.code if isinstance(outcome, Rejection) else None


def claim_code(account: Account, held: int) -> ErrorCode | None:
    command = asks.claim_next()
    leases = [a_task(Status.CLAIMED, id=a_task_id(number)) for number in range(held)]
    view = a_view(command, accounts=[account], tasks=[a_task(id=a_task_id(50)), *leases])
    outcome = decide(command, SMALL, view)
    return outcome.code if isinstance(outcome, Rejection) else None


def create_under(plan: Plan, account: Account) -> ErrorCode | None:
    """Say what a create comes to under a plan's limits, by the words of the catalogue."""
    used = rolled(account, NOW)
    if used.creates_in_window >= plan.creates_per_hour:
        return ErrorCode.RATE_LIMITED
    return ErrorCode.QUOTA_EXCEEDED if used.tasks_in_cycle >= plan.tasks_per_cycle else None


def claim_under(plan: Plan, account: Account, held: int) -> ErrorCode | None:
    if rolled(account, NOW).claims_in_window >= plan.claims_per_hour:
        return ErrorCode.RATE_LIMITED
    return ErrorCode.MAX_WORKERS_REACHED if held >= plan.max_workers else None


def expected(
    account: Account, under_free: ErrorCode | None, under_pro: ErrorCode | None
) -> ErrorCode | None:
    """What decisions say: plan_expired is what would have passed under the plan that ran out."""
    if account.plan == "free":
        return under_free
    if account.plan_expires_at is None or account.plan_expires_at > NOW:
        return under_pro
    ran_out = under_free is not None and under_pro is None
    return ErrorCode.PLAN_EXPIRED if ran_out else under_free


@given(account=accounts())
def test_a_create_is_refused_for_the_reason_that_holds(account: Account) -> None:
    codes = create_under(FREE, account), create_under(PRO, account)

    assert create_code(account) is expected(account, *codes)


@given(account=accounts(), held=st.integers(0, 5))
def test_a_claim_is_refused_for_the_reason_that_holds(account: Account, held: int) -> None:
    codes = claim_under(FREE, account, held), claim_under(PRO, account, held)

    assert claim_code(account, held) is expected(account, *codes)


@given(account=accounts(), held=st.integers(0, 3))
def test_whoever_pays_is_never_told_that_the_plan_ran_out(account: Account, held: int) -> None:
    payment = Payment(plan_id="pro", price_usd=PRO.price_usd)

    paid = activated(account, payment, SMALL, NOW)

    assert create_code(paid) is create_under(PRO, paid)
    assert claim_code(paid, held) is claim_under(PRO, paid, held)


@given(account=accounts())
def test_a_plan_that_runs_out_takes_neither_cycle_nor_counter_along(account: Account) -> None:
    ended = replace(account, plan="pro", plan_expires_at=NOW)
    running = replace(ended, plan_expires_at=Instant(NOW + 1))

    assert rolled(ended, NOW).tasks_in_cycle == rolled(running, NOW).tasks_in_cycle
    assert rolled(ended, NOW).cycle_started_at == rolled(running, NOW).cycle_started_at


def test_the_end_itself_is_no_part_of_the_plan() -> None:
    used = an_account("pro", tasks_in_cycle=10, plan_expires_at=NOW)

    assert create_code(used) is ErrorCode.PLAN_EXPIRED
    assert create_code(replace(used, plan_expires_at=Instant(NOW + 1))) is None
    assert create_code(replace(used, tasks_in_cycle=20)) is ErrorCode.QUOTA_EXCEEDED
    assert expect(Account, rolled(used, NOW)).tasks_in_cycle == 10
