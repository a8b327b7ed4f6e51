"""Two servers' transactions that meet: one is held before its commit, the other is watched."""

import asyncio
import enum
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

from orchestrion.core.clock import Clock
from orchestrion.core.commands import Command
from orchestrion.core.decide import decide_all
from orchestrion.core.instants import Instant
from orchestrion.core.needs import needs_of
from orchestrion.core.outcomes import Outcome
from orchestrion.core.plans import Catalogue
from orchestrion.core.view import Needs
from orchestrion.store.postgres.connecting import Pool, begin, commit, roll_back
from orchestrion.store.postgres.loading import Loader
from orchestrion.store.postgres.place import READER, WRITER, Place
from orchestrion.store.postgres.saving import save
from orchestrion.store.postgres.session import Session, open_session
from orchestrion.store.postgres.store import PostgresStore

PATIENCE_SECONDS: Final = 20.0
PAUSE_SECONDS: Final = 0.002
_WAITING: Final = """
select count(*) from pg_stat_activity
where datname = current_database() and wait_event_type = 'Lock'
  and $1 = any (pg_blocking_pids(pid))
"""


class Seen(enum.Enum):
    """What the second transaction did while the first was held."""

    WAITING = "it waited for the first"
    PASSING = "it ended before the first"


class Server:
    """One server's way to the database: transactions in one piece, or step by step."""

    def __init__(
        self, session: Session, pool: Pool, make: Callable[[], Loader], catalogue: Catalogue
    ) -> None:
        self.session = session
        self._pool = pool
        self._make = make
        self._catalogue = catalogue
        self.forget()

    def forget(self) -> None:
        """Know nothing any more of what was claimed where: rows were put there from elsewhere."""
        self._loader = self._make()
        self._store = PostgresStore(self._pool, self._loader, lambda _: None)

    @property
    def pid(self) -> int:
        """The process that serves the session of the transactions that are held."""
        return self.session.get_server_pid()

    async def transact(self, *commands: Command) -> list[Outcome]:
        """Run one transaction as a writer does."""
        decide = partial(decide_all, commands, self._catalogue)
        return await self._store.transact(needs_of(commands), decide)

    async def time_of(self, *commands: Command) -> Instant:
        """Run one transaction that changes nothing, and give the time it went by."""
        return await self._store.transact(needs_of(commands), lambda view: view.now)

    async def lock(self, needs: Needs) -> None:
        """Begin a transaction that locks rows; its end is left to the test."""
        await begin(self.session)
        await self._loader.load(self.session, needs)

    async def hold(self, *commands: Command) -> list[Outcome]:
        """Run a transaction up to its commit, which is left to the test."""
        await begin(self.session)
        view = await self._loader.load(self.session, needs_of(commands))
        outcomes = decide_all(commands, self._catalogue, view)
        await save(self.session, view)
        return outcomes

    async def commit(self) -> None:
        """Let the transaction happen."""
        await commit(self.session)

    async def roll_back(self) -> None:
        """Let the transaction not happen."""
        await roll_back(self.session)


class Meeting:
    """Two servers, a third session that may be in their way, and one that looks on."""

    def __init__(self, one: Server, other: Server, third: Session, beside: Session) -> None:
        self.one = one
        self.other = other
        self.third = third
        # Never in a transaction: within one it would see the same activity again and again.
        self.beside = beside

    async def blocked(self, pid: int, count: int = 1) -> None:
        """Wait until so many transactions wait for a lock of a process."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await self._waiting_for(pid) < count:  # noqa: ASYNC110 - the server sends no event
                await asyncio.sleep(PAUSE_SECONDS)

    async def meet(
        self,
        first: Sequence[Command],
        second: Sequence[Command],
        end: Callable[[Server], Awaitable[None]],
    ) -> tuple[list[Outcome], list[Outcome], Seen]:
        """Run the second while the first is held; end the first once the second was seen."""
        outcomes = await self.one.hold(*first)
        coming = asyncio.create_task(self.other.transact(*second))
        seen = await self._see(coming)
        await end(self.one)
        async with asyncio.timeout(PATIENCE_SECONDS):
            return outcomes, await coming, seen

    async def _waiting_for(self, pid: int) -> int:
        return int(await self.beside.fetchval(_WAITING, pid))

    async def _see(self, coming: asyncio.Task[list[Outcome]]) -> Seen:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not coming.done():
                if await self._waiting_for(self.one.pid):
                    return Seen.WAITING
        return Seen.PASSING


@asynccontextmanager
async def meeting(url: str, catalogue: Catalogue, given: Clock | None) -> AsyncIterator[Meeting]:
    """Connect two servers, and who else is there, to a database."""
    place = Place(url=url)
    pools: list[Pool] = []
    sessions: list[Session] = []

    async def server() -> Server:
        pool = Pool(place, 1, WRITER)
        await pool.open()
        pools.append(pool)
        sessions.append(await open_session(place, WRITER))
        make = partial(Loader, catalogue.lease_bounds, given, place.batches)
        return Server(sessions[-1], pool, make, catalogue)

    try:
        one, other = await server(), await server()
        sessions += [await open_session(place, WRITER), await open_session(place, READER)]
        yield Meeting(one, other, *sessions[-2:])
    finally:
        for pool in pools:
            await pool.close()
        for session in sessions:
            session.terminate()
