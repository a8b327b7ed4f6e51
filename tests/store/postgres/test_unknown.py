"""A commit without an answer: never run again, whether it happened or not."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from orchestrion.core.decide import decide_all
from orchestrion.core.faults import Unavailable, Unknown
from orchestrion.core.needs import needs_of
from orchestrion.core.outcomes import Outcome
from orchestrion.core.plans import SELF_HOSTED
from orchestrion.core.view import View
from orchestrion.store.postgres.backend import open_backend
from orchestrion.store.postgres.place import Place
from orchestrion.store.postgres.store import PostgresStore
from tests.databases import Databases, PostgresDatabase, add_accounts, count
from tests.factories import an_account
from tests.unit import asks

PATIENCE_SECONDS = 20
COMMIT_SECONDS = 0.3
TASKS = "select count(*) from tasks"
# Checked when the transaction commits: longer than anybody waits for that.
SLOW = """
create function wait() returns trigger language plpgsql as
  'begin perform pg_sleep(1.5); return null; end';
create constraint trigger slow after insert on tasks deferrable initially deferred
  for each row execute function wait()
"""


class Watched:
    """A store, and how often it was asked to decide."""

    def __init__(self, store: PostgresStore) -> None:
        self.store = store
        self.decided = 0

    async def create(self, number: int) -> list[Outcome]:
        """Create a task."""
        commands = [asks.create(number)]

        def decide(view: View) -> list[Outcome]:
            self.decided += 1
            return decide_all(commands, SELF_HOSTED, view)

        return await self.store.transact(needs_of(commands), decide)

    async def create_again(self, number: int) -> None:
        """Create a task as soon as the database takes it."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                try:
                    await self.create(number)
                except Unavailable:
                    await asyncio.sleep(0.01)
                else:
                    return


@pytest.fixture
def shared(databases: Databases) -> Iterator[PostgresDatabase]:
    """Lend a database with an account."""
    with databases.postgres.made() as database:
        add_accounts(database, an_account())
        yield database


@asynccontextmanager
async def watched_at(database: PostgresDatabase, url: str) -> AsyncIterator[Watched]:
    place = Place(url=url, commit_seconds=COMMIT_SECONDS, waiting_seconds=0.1)
    backend = await open_backend(place, lambda _: database.clock, SELF_HOSTED, database.clock)
    yield Watched(backend.store)
    await backend.close()


@pytest.mark.parametrize(("lost", "happened"), [("commit", 0), ("answer", 1)])
async def test_a_commit_whose_wire_is_cut_is_unknown_and_not_run_again(
    shared: PostgresDatabase, lost: str, happened: int
) -> None:
    async with watched_at(shared, shared.trouble.url) as watched:
        shared.trouble.loses_commits = lost == "commit"
        shared.trouble.loses_answers = lost == "answer"

        with pytest.raises(Unknown):
            await watched.create(1)

        assert watched.decided == 1
        assert watched.store.commits == 0
        shared.trouble.heal()
        await watched.create_again(2)
    assert count(shared, TASKS) == happened + 1


async def test_a_commit_that_takes_too_long_is_unknown_and_ends_in_peace(
    shared: PostgresDatabase,
) -> None:
    shared.execute(SLOW)
    async with watched_at(shared, shared.url) as watched:
        with pytest.raises(Unknown, match="not answered"):
            await watched.create(1)

        assert count(shared, TASKS) == 0
        # The commit has its place for itself: nothing else is tried in it.
        with pytest.raises(Unavailable):
            await watched.create(2)

        await committed(shared)
        shared.execute("alter table tasks disable trigger slow")
        await watched.create_again(3)

    assert watched.decided == 2
    assert count(shared, TASKS) == 2


async def committed(database: PostgresDatabase) -> None:
    """Wait for the task."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not count(database, TASKS):  # noqa: ASYNC110 - the server sends no event
            await asyncio.sleep(0.01)
