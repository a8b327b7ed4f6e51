"""The time that was reached stands in the file, so that no later run falls behind it."""

from pathlib import Path

from orchestrion.core.faults import Unknown
from orchestrion.core.instants import Instant
from orchestrion.core.outcomes import Changed
from orchestrion.core.plans import SELF_HOSTED
from orchestrion.engine.clock import SteadyClock
from orchestrion.store.sqlite.backend import SQL, Backend
from orchestrion.store.sqlite.database import Place
from orchestrion.store.sqlite.store import MARK
from tests.disks import Disk
from tests.factories import expect
from tests.store.sqlite.files import FileEngine, FileOptions, running_engine
from tests.unit import asks


def mark(engine: FileEngine) -> Instant:
    return Instant(engine.beside.execute(SQL["load_mark"], {"name": MARK}).get)


async def test_every_commit_leaves_its_time_in_the_file(path: Path) -> None:
    async with running_engine(path) as engine:
        for number in range(20):
            engine.clock.advance(0.001 * number)
            created = (await engine.together([asks.create(number)]))[0]

            assert mark(engine) == expect(Changed, created).now == engine.clock.now()


async def test_a_commit_that_was_lost_does_not_count_as_marked(path: Path) -> None:
    disk = Disk()
    async with running_engine(path, FileOptions(vfs=disk.label)) as engine:
        await engine.together([asks.create(1)])
        engine.clock.advance(5)
        disk.loses_commits = True
        lost = await engine.faults([asks.create(2)])
        disk.heal()

        await engine.together([asks.create(3)])

        assert isinstance(lost[0], Unknown)
        assert mark(engine) == engine.clock.now()
    disk.unregister()


async def test_a_server_starts_no_earlier_than_the_last_one_stopped(path: Path) -> None:
    async with running_engine(path) as engine:
        await engine.together([asks.create(1)])
        engine.clock.advance(0.9)
        await engine.together([asks.create(2)])
        reached = engine.clock.now()

    def set_back(stored: Instant) -> SteadyClock:
        return SteadyClock(stored, wall=lambda: 1_000_000_000.0)

    backend = Backend(Place(path=path), set_back, SELF_HOSTED)
    assert backend.clock.now() >= reached
    await backend.close()


async def test_a_new_file_has_no_time_to_catch_up_with(path: Path) -> None:
    wall = 1_900_000_000.0
    backend = Backend(
        Place(path=path), lambda stored: SteadyClock(stored, wall=lambda: wall), SELF_HOSTED
    )

    assert 0 <= backend.clock.now() - wall * 1_000 < 60_000
    await backend.close()
