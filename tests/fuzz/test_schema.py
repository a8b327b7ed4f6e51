"""Requests drawn from the served schema, good and bad: every answer keeps its promises."""

from collections.abc import Mapping

import pytest

from tests.databases import POSTGRES, SQLITE, Databases
from tests.fuzz.campaign import (
    CASES_MIN,
    LINK_CASES_MIN,
    PHASES,
    SCHEMA_CASES_MIN,
    Campaign,
    Plan,
    run,
)
from tests.fuzz.house import housed

SEED = 20_261_122
FAILURES_SHOWN = 5
PLANS = {
    "everything": (SQLITE, Plan(seed=SEED, examples=12, walks=8)),
    "as nobody": (SQLITE, Plan(seed=SEED, phases=PHASES[:2], authenticated=False)),
    "on postgres": (POSTGRES, Plan(seed=SEED, phases=PHASES[:2])),
}

# A service at work beside them uses `random`; nothing is drawn from it.
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module")


@pytest.fixture(scope="module")
def campaigns(databases: Databases) -> Mapping[str, Campaign]:
    """Run them all: together they are as large as is promised."""
    return {name: led(databases, kind, plan) for name, (kind, plan) in PLANS.items()}


@pytest.mark.parametrize("name", PLANS)
def test_no_drawn_request_gets_an_answer_that_was_not_promised(
    campaigns: Mapping[str, Campaign], name: str
) -> None:
    campaign = campaigns[name]

    assert campaign.failures == [], "\n\n".join(campaign.failures[:FAILURES_SHOWN])
    assert set(campaign.cases) == set(PLANS[name][1].phases)


def test_the_cases_are_as_many_as_promised(campaigns: Mapping[str, Campaign]) -> None:
    assert sum(campaign.total for campaign in campaigns.values()) >= SCHEMA_CASES_MIN
    assert SCHEMA_CASES_MIN + LINK_CASES_MIN >= CASES_MIN


def led(databases: Databases, kind: str, plan: Plan) -> Campaign:
    with databases.fresh(kind) as database, housed(database) as house:
        campaign = run(house, plan)
        # What was counted has been answered by the application itself.
        assert house.door.statuses.total() >= campaign.total
        return campaign
