"""Whole lives of tasks, lived along the links of the served document."""

import pytest

from tests.databases import SQLITE, Databases
from tests.fuzz.campaign import LINK_CASES_MIN
from tests.fuzz.house import housed
from tests.fuzz.links import Goal, follow

SEED = 20_261_122
# How far random walks come; each link by itself is followed in test_every_link.
LINKS_FOLLOWED_MIN = 20
LIFE = (
    "POST /v1/tasks -> [201] read -> GET /v1/tasks/{id}",
    "GET /v1/tasks/{id} -> [200] claim -> POST /v1/tasks/{id}/claim",
    "POST /v1/tasks/{id}/claim -> [200] heartbeat -> POST /v1/tasks/{id}/heartbeat",
    "POST /v1/tasks/{id}/claim -> [200] complete -> POST /v1/tasks/{id}/complete",
    "POST /v1/tasks/{id}/claim -> [200] fail -> POST /v1/tasks/{id}/fail",
    "POST /v1/tasks/{id}/claim -> [200] release -> POST /v1/tasks/{id}/release",
    "POST /v1/tasks -> [201] cancel -> POST /v1/tasks/{id}/cancel",
)

# A service at work beside them uses `random`; nothing is drawn from it.
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module")


def test_lives_lived_along_the_links_are_answered_as_promised(databases: Databases) -> None:
    with databases.fresh(SQLITE) as database, housed(database) as house:
        goal = Goal(cases=LINK_CASES_MIN, links=LINKS_FOLLOWED_MIN, named=LIFE)
        campaign = follow(house, SEED, goal)

        assert campaign.failures == []
        assert campaign.total >= LINK_CASES_MIN
        assert [link for link in LIFE if not campaign.followed[link]] == []
        assert len(campaign.followed) >= LINKS_FOLLOWED_MIN
