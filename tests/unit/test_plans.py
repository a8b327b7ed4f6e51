from decimal import Decimal

import pytest

from orchestrion.core.instants import DAY
from orchestrion.core.plan_file import PlanFileError, catalogue_from_toml
from orchestrion.core.plans import (
    HOSTED,
    SELF_HOSTED,
    Catalogue,
    LeaseBounds,
    RequestLimits,
    heartbeats_per_hour,
    mutations_per_hour,
    reads_per_hour,
    waiters_per_account,
)
from tests.factories import NOW, SMALL, a_plan, ago, an_account, later

FILE = """
[plans.free]
name = "Starter"
price_usd = 0
max_workers = 3
tasks_per_cycle = 100
claims_per_hour = 60
creates_per_hour = 60
retention_days = 5
"""
PRO = FILE.replace("free", "pro").replace("Starter", "Pro").replace("= 0", "= 24.99")


@pytest.mark.parametrize(
    ("plan_id", "row"),
    [
        ("free", ("Free", "0", 2, 200, 120, 120, 7)),
        ("basic", ("Basic", "9.99", 10, 5_000, 1_200, 500, 30)),
        ("pro", ("Pro", "24.99", 25, 25_000, 4_000, 2_000, 60)),
        ("agency", ("Agency", "59.99", 50, 150_000, 15_000, 7_500, 90)),
    ],
)
def test_the_hosted_plans_are_the_commercial_table(
    plan_id: str, row: tuple[str, str, int, int, int, int, int]
) -> None:
    plan = HOSTED.plans[plan_id]

    assert (
        plan.name,
        str(plan.price_usd),
        plan.max_workers,
        plan.tasks_per_cycle,
        plan.claims_per_hour,
        plan.creates_per_hour,
        plan.retention_days,
    ) == row
    assert list(HOSTED.plans) == ["free", "basic", "pro", "agency"]


def test_the_self_hosted_plan_is_free_and_out_of_reach() -> None:
    (plan,) = SELF_HOSTED.plans.values()

    assert list(SELF_HOSTED.plans) == ["free"]
    assert plan.price_usd == 0
    assert (plan.max_workers, plan.retention_days) == (100_000, 30)
    assert {plan.tasks_per_cycle, plan.claims_per_hour, plan.creates_per_hour} == {10**9}


def test_only_the_hosted_catalogue_counts_requests() -> None:
    assert SELF_HOSTED.limits is None
    assert HOSTED.limits == RequestLimits(reads_per_hour=3_000, discovery_per_minute=60)


@pytest.mark.parametrize(
    ("plan_id", "mutations", "heartbeats", "reads"),
    [
        ("free", 600, 1_800, 3_000),
        ("basic", 2_400, 3_600, 30_000),
        ("pro", 8_000, 9_000, 30_000),
        ("agency", 30_000, 18_000, 30_000),
    ],
)
def test_the_other_limits_follow_from_the_plan(
    plan_id: str, mutations: int, heartbeats: int, reads: int
) -> None:
    plan = HOSTED.plans[plan_id]

    assert mutations_per_hour(plan) == mutations
    assert heartbeats_per_hour(plan) == heartbeats
    assert reads_per_hour(RequestLimits(), plan_id) == reads


def test_the_fewest_and_the_most_workers_are_those_of_all_plans() -> None:
    assert HOSTED.lease_bounds == LeaseBounds(fewest=2, most=50)
    assert SELF_HOSTED.lease_bounds == LeaseBounds(fewest=100_000, most=100_000)


def test_an_ended_plan_falls_to_free_and_is_remembered_as_lapsed() -> None:
    running = an_account("pro", plan_expires_at=later(0.001))
    ended = an_account("pro", plan_expires_at=NOW)

    assert (SMALL.plan_id(running, NOW), SMALL.lapsed(running, NOW)) == ("pro", None)
    assert SMALL.plan_id(ended, NOW) == "free"
    assert SMALL.lapsed(ended, NOW) == SMALL.plans["pro"]
    assert SMALL.in_force(ended, NOW) == SMALL.plans["free"]


def test_a_free_account_and_an_unknown_plan_never_lapse() -> None:
    free = an_account()
    odd = an_account("free", plan_expires_at=ago(1))
    unknown = an_account("agency", plan_expires_at=ago(1))

    for account in (free, odd, unknown):
        assert SMALL.plan_id(account, NOW) == "free"
        assert SMALL.lapsed(account, NOW) is None


def test_a_plan_without_an_end_does_not_end() -> None:
    assert SMALL.plan_id(an_account("pro"), NOW) == "pro"


def test_retention_of_a_lapsed_plan_that_kept_less_does_not_shorten_the_free_one() -> None:
    catalogue = Catalogue(plans={"free": a_plan(), "basic": a_plan(retention_days=1)})
    account = an_account("basic", plan_expires_at=ago(1))

    assert catalogue.retention_cutoff(account, NOW) == NOW - 7 * DAY


def test_a_file_gives_a_catalogue_with_plans_in_their_order_and_exact_prices() -> None:
    catalogue = catalogue_from_toml(PRO + FILE)

    assert list(catalogue.plans) == ["free", "pro"]
    assert catalogue.plans["pro"].price_usd == Decimal("24.99")
    assert catalogue.plans["free"].max_workers == 3
    assert catalogue.limits is None


def test_a_file_may_turn_on_the_request_limits() -> None:
    catalogue = catalogue_from_toml(FILE + "[limits]\nreads_per_hour = 10\n")

    assert catalogue.limits == RequestLimits(reads_per_hour=10, discovery_per_minute=60)


def test_a_bad_value_is_refused_with_the_plan_it_stands_in() -> None:
    with pytest.raises(PlanFileError, match=r"plan 'pro': .* at `\$.max_workers`"):
        catalogue_from_toml(FILE + PRO.replace("max_workers = 3", "max_workers = 0"))


def without(name: str) -> str:
    return "\n".join(line for line in FILE.splitlines() if not line.startswith(name))


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "plans"),
        ("plans = 3", "plans"),
        ("[plans]\nfree = 3", "free"),
        ("[plans.free\n", "line 1"),
        (FILE + "x = \n", "line 10"),
        (PRO, "'free' is required"),
        (FILE + FILE.replace("free", "gold"), "'gold'"),
        (FILE.replace("price_usd = 0", "price_usd = 1"), "free"),
        (FILE + PRO.replace("24.99", "-1"), "0"),
        (FILE + PRO.replace("24.99", "nan"), "price_usd"),
        (FILE + PRO.replace("24.99", "inf"), "price_usd"),
        (FILE + PRO.replace("24.99", "-0.01"), "0"),
        (FILE + PRO.replace("24.99", "true"), "price_usd"),
        (FILE + PRO.replace("24.99", '"cheap"'), "price_usd"),
        (without("max_workers"), "max_workers"),
        (FILE.replace("max_workers = 3", "max_workers = 0"), "max_workers"),
        (FILE.replace("max_workers = 3", "max_workers = 1.5"), "max_workers"),
        (FILE.replace("max_workers = 3", "max_workers = true"), "max_workers"),
        (FILE.replace("max_workers = 3", 'max_workers = "many"'), "max_workers"),
        (FILE.replace("retention_days = 5", "retention_days = 3651"), "retention_days"),
        (FILE.replace("retention_days = 5", "retention_day = 5"), "retention_day"),
        (FILE + "[limits]\nreads = 10\n", "reads"),
        (FILE + "[limits]\nreads_per_hour = 0\n", "reads_per_hour"),
    ],
)
def test_a_bad_file_is_refused_with_the_place_and_the_reason(text: str, named: str) -> None:
    with pytest.raises(PlanFileError) as caught:
        catalogue_from_toml(text)

    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


def test_twice_as_many_may_wait_as_a_plan_has_workers_up_to_a_bound() -> None:
    assert waiters_per_account(HOSTED.plans["free"]) == 4
    assert waiters_per_account(SELF_HOSTED.plans["free"]) == 1_000
