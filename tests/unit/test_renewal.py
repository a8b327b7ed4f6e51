"""What a payment makes of a plan, at any instant: nothing paid is lost, nothing counts twice."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrion.core.account import Account
from orchestrion.core.instants import DAY, Instant
from orchestrion.core.limits import PLAN_DAYS_AHEAD_MAX
from orchestrion.core.plans import HOSTED, Catalogue
from orchestrion.core.renewal import BILLING_PERIOD, Payment, activated, set_to
from tests.factories import NOW, a_plan, an_account

PAID = ("basic", "pro", "agency")
INSTANTS = st.integers(NOW - 400 * DAY, NOW + 400 * DAY).map(Instant)
PRICES = st.decimals("0.01", 10_000, places=2)


@st.composite
def accounts(draw: st.DrawFn) -> Account:
    """Draw an account on any plan that ends at any time, or has ended, or never does."""
    return an_account(
        draw(st.sampled_from(["free", *PAID])),
        plan_expires_at=draw(st.none() | INSTANTS),
        cycle_started_at=draw(INSTANTS),
        tasks_in_cycle=draw(st.integers(0, 300)),
        creates_in_window=draw(st.integers(0, 9)),
        claims_in_window=draw(st.integers(0, 9)),
    )


def on(plan: str, ends: Instant) -> Account:
    return an_account(plan, plan_expires_at=ends, tasks_in_cycle=7)


def paying(plan_id: str, catalogue: Catalogue = HOSTED) -> Payment:
    return Payment(plan_id=plan_id, price_usd=catalogue.plans[plan_id].price_usd)


def priced(old: Decimal, new: Decimal) -> Catalogue:
    return Catalogue(
        plans={
            "free": a_plan(),
            "basic": a_plan(price_usd=old),
            "pro": a_plan(price_usd=new),
        }
    )


def expiry(account: Account) -> Instant:
    assert account.plan_expires_at is not None
    return account.plan_expires_at


@given(account=accounts(), plan_id=st.sampled_from(PAID), now=INSTANTS)
def test_a_payment_gives_the_plan_for_thirty_days_at_least(
    account: Account, plan_id: str, now: Instant
) -> None:
    paid = activated(account, paying(plan_id), HOSTED, now)

    assert HOSTED.plan_id(paid, now) == plan_id
    assert paid.plan_expires_at is None or paid.plan_expires_at >= now + 30 * DAY
    # Hourly windows have nothing to do with it.
    assert paid.creates_in_window == account.creates_in_window
    assert paid.claims_in_window == account.claims_in_window


@given(plan_id=st.sampled_from(PAID), left=st.integers(1, 400 * DAY), now=INSTANTS)
def test_a_renewal_prolongs_by_thirty_days_and_the_cycle_goes_on(
    plan_id: str, left: int, now: Instant
) -> None:
    before = on(plan_id, Instant(now + left))

    paid = activated(before, paying(plan_id), HOSTED, now)

    assert expiry(paid) == expiry(before) + 30 * DAY
    assert (paid.cycle_started_at, paid.tasks_in_cycle) == (before.cycle_started_at, 7)


@given(
    plan_id=st.sampled_from(PAID),
    former=st.sampled_from(PAID),
    ago=st.integers(0, 400 * DAY),
    now=INSTANTS,
)
def test_after_a_plan_ran_out_thirty_days_begin_now_and_for_another_plan_so_does_a_cycle(
    plan_id: str, former: str, ago: int, now: Instant
) -> None:
    before = on(former, Instant(now - ago))

    paid = activated(before, paying(plan_id), HOSTED, now)

    kept = (before.cycle_started_at, 7)
    assert (paid.plan, expiry(paid)) == (plan_id, now + 30 * DAY)
    assert (paid.cycle_started_at, paid.tasks_in_cycle) == (kept if plan_id == former else (now, 0))


@given(plan_id=st.sampled_from(PAID), now=INSTANTS)
def test_from_free_thirty_days_begin_now_and_so_does_a_cycle(plan_id: str, now: Instant) -> None:
    paid = activated(an_account(tasks_in_cycle=7), paying(plan_id), HOSTED, now)

    assert (paid.plan, expiry(paid)) == (plan_id, now + 30 * DAY)
    assert (paid.cycle_started_at, paid.tasks_in_cycle) == (now, 0)


@given(old=PRICES, new=PRICES, left=st.integers(1, 60 * DAY), now=INSTANTS)
def test_a_switch_keeps_the_worth_of_what_was_left_to_the_millisecond(
    old: Decimal, new: Decimal, left: int, now: Instant
) -> None:
    catalogue = priced(old, new)

    paid = activated(on("basic", Instant(now + left)), paying("pro", catalogue), catalogue, now)

    credit = expiry(paid) - now - 30 * DAY
    last = now + PLAN_DAYS_AHEAD_MAX * DAY
    if expiry(paid) < last:
        # Worth in cents x milliseconds: the next millisecond would be worth more than was left.
        worth = left * int(old * 100)
        assert credit * int(new * 100) <= worth < (credit + 1) * int(new * 100)
    assert (paid.cycle_started_at, paid.tasks_in_cycle) == (now, 0)


@given(
    account=accounts(),
    plan_id=st.sampled_from(PAID),
    now=INSTANTS,
    more=st.integers(0, 60 * DAY),
)
def test_to_pay_later_never_ends_earlier(
    account: Account, plan_id: str, now: Instant, more: int
) -> None:
    first = activated(account, paying(plan_id), HOSTED, now).plan_expires_at
    then = activated(account, paying(plan_id), HOSTED, Instant(now + more)).plan_expires_at

    dearer = HOSTED.plans[HOSTED.plan_id(account, now)].price_usd > paying(plan_id).price_usd
    if first is not None and then is not None and not dearer:
        assert first <= then


@given(payments=st.lists(st.tuples(st.sampled_from(PAID), st.integers(0, 20 * DAY)), max_size=8))
def test_switching_to_and_fro_makes_no_time_out_of_nothing(
    payments: list[tuple[str, int]],
) -> None:
    """Counted in dollars, what is left never exceeds what was paid."""
    account, now, spent = an_account(), NOW, Decimal(0)
    for plan_id, pause in payments:
        now = Instant(now + pause)
        account = activated(account, paying(plan_id), HOSTED, now)
        spent += paying(plan_id).price_usd

        worth = (expiry(account) - now) * paying(plan_id).price_usd / BILLING_PERIOD
        assert worth <= spent + Decimal("1e-9")


def test_the_worked_example() -> None:
    """Ten days at 24.99 are worth a little more than twenty-five at 9.99."""
    paid = activated(on("pro", Instant(NOW + 10 * DAY)), paying("basic"), HOSTED, NOW)

    assert expiry(paid) == NOW + 30 * DAY + 10 * DAY * 2499 // 999


def test_a_plan_given_without_an_end_keeps_having_none() -> None:
    given_one = an_account("pro")

    assert activated(given_one, paying("pro"), HOSTED, NOW) == given_one
    assert expiry(activated(given_one, paying("basic"), HOSTED, NOW)) == NOW + 30 * DAY


def test_a_plan_that_left_the_catalogue_is_worth_nothing_more() -> None:
    catalogue = Catalogue(plans={one: HOSTED.plans[one] for one in ("free", "pro")})

    paid = activated(on("agency", Instant(NOW + 20 * DAY)), paying("pro"), catalogue, NOW)

    assert expiry(paid) == NOW + 30 * DAY


def test_no_plan_is_paid_for_beyond_a_century_and_no_payment_shortens_one() -> None:
    last = Instant(NOW + PLAN_DAYS_AHEAD_MAX * DAY)
    cheap = priced(Decimal(10_000), Decimal("0.01"))

    switched = activated(on("basic", Instant(NOW + 30 * DAY)), paying("pro", cheap), cheap, NOW)
    renewed = activated(on("pro", last), paying("pro"), HOSTED, NOW)
    beyond = activated(on("pro", Instant(last + DAY)), paying("pro"), HOSTED, NOW)

    assert (expiry(switched), expiry(renewed), expiry(beyond)) == (last, last, last + DAY)


@pytest.mark.parametrize("plan", ["free", *PAID])
def test_an_operator_sets_what_is_asked(plan: str) -> None:
    changed = set_to(on("pro", NOW), plan, Instant(NOW + 1), NOW)

    assert (changed.plan, changed.plan_expires_at) == (plan, NOW + 1)
    assert changed.tasks_in_cycle == (7 if plan == "pro" else 0)
