"""One transaction per batch: load and lock what is needed, decide, save, commit."""

from collections.abc import Callable
from typing import TypeVar

from orchestrion.core.instants import Instant
from orchestrion.core.view import Needs, View
from orchestrion.store.postgres.connecting import Pool, begin, commit, roll_back
from orchestrion.store.postgres.faults import before_commit
from orchestrion.store.postgres.loading import Loader
from orchestrion.store.postgres.saving import save

R = TypeVar("R")


class PostgresStore:
    """Writes for the engine. Fits `engine.ports.Store`."""

    def __init__(self, pool: Pool, loader: Loader, observe: Callable[[Instant], None]) -> None:
        self._pool = pool
        self._loader = loader
        self._observe = observe
        self.commits = 0

    @property
    def one_account(self) -> bool:
        """Whether a batch must hold commands of one account only."""
        return self._loader.one_account

    @property
    def lanes(self) -> int:
        """How many transactions may run at a time."""
        return self._pool.size

    async def transact(self, needs: Needs, decide: Callable[[View], R]) -> R:
        """Run one transaction.

        Raises Poison, Conflict, Unavailable or Unknown.
        """
        async with self._pool.connection() as session:
            try:
                await begin(session)
                view = await self._loader.load(session, needs)
                self._observe(view.now)
                result = decide(view)
                changed = await save(session, view)
            except Exception as error:
                await roll_back(session)
                raise before_commit(error) from error
            # What a repeat is told of may have no standby yet: its first answer was perhaps lost
            # because of that. A commit waits for all that was written before it, if it wrote
            # something itself; the locks on what it tells of are enough.
            if changed or view.repeated:
                await commit(session)
                self.commits += 1
            else:
                await roll_back(session)
            self._loader.done(view)
        return result
