"""An overloaded server turns away what can be asked again, and holds what it has promised."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import msgspec
import pytest

from benchmarks.overload.records import HOLDERS
from orchestrion.engine.overload import OVERLOAD_WAIT_SECONDS_MAX, OVERLOAD_WAIT_SECONDS_MIN
from tests.overload.storm import SHED, Storm, storm, stormed

ACCEPTED_SHARE = 0.999


class Weathered(msgspec.Struct, frozen=True, kw_only=True):
    """A storm that is over, and what the server says of itself afterwards."""

    storm: Storm
    health: int
    ready: bool
    faults: list[str]
    exit_code: int


@pytest.fixture(scope="module", params=["honouring", "at once"])
def weathered(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Weathered]:
    """Overload a server, with clients that wait as they are told and with those that do not."""
    folder: Path = tmp_path_factory.mktemp("storm")
    with stormed(folder) as (served, manners):
        honours = request.param == "honouring"
        weather = asyncio.run(storm(msgspec.structs.replace(manners, honours=honours)))
        with urlopen(f"{served.url()}/health") as page:
            health, ready = page.status, json.load(page)["status"] == "ok"
        exit_code = served.stop()
        faults = [line["event"] for line in served.lines if line["level"] == "error"]
        yield Weathered(
            storm=weather, health=health, ready=ready, faults=faults, exit_code=exit_code
        )


def test_everything_that_may_be_shed_is_shed(weathered: Weathered) -> None:
    refusals = weathered.storm.all.refusals

    assert all(refusals[ask.name.lower()] > 0 for ask in SHED), refusals


def test_holders_of_leases_are_let_in(weathered: Weathered) -> None:
    span = weathered.storm.all

    assert all(span.answers[ask.name.lower()] > 0 for ask in HOLDERS), span
    assert span.accepted_share >= ACCEPTED_SHARE, span


def test_every_refusal_says_how_long_to_wait_and_not_all_the_same(weathered: Weathered) -> None:
    odd, refused = weathered.storm.records.oddities, weathered.storm.all.refused

    assert (odd.without_wait, odd.waits_differ) == (0, 0)
    assert odd.waits.total() == refused
    assert set(odd.waits) == set(range(OVERLOAD_WAIT_SECONDS_MIN, OVERLOAD_WAIT_SECONDS_MAX + 1))


def test_no_lease_is_lost_and_nothing_else_goes_wrong(weathered: Weathered) -> None:
    odd, span = weathered.storm.records.oddities, weathered.storm.all

    assert odd.lost_leases == 0
    assert (span.faults, span.broken) == (0, 0)
    assert odd.unexpected == {}
    assert weathered.faults == []


def test_the_server_is_as_before_afterwards(weathered: Weathered) -> None:
    after = weathered.storm.after

    assert weathered.storm.stayed == 0
    assert after.lives_per_second > 0
    assert (after.refused, after.faults, after.broken) == (0, 0, 0)
    assert (weathered.health, weathered.ready) == (200, True)
    assert weathered.exit_code == 0
