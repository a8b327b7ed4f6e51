"""A writer on a store that takes several transactions at a time, or one account's only."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import TypeVar

from orchestrion.core.commands import Command, RegisterKey
from orchestrion.core.ids import AccountId, KeyId
from orchestrion.core.outcomes import Outcome
from orchestrion.core.plans import SELF_HOSTED
from orchestrion.core.view import Needs, View
from orchestrion.engine.overload import QueueLimits
from orchestrion.engine.ports import Store
from orchestrion.engine.writer import Writer
from tests.engine.engines import PATIENCE_SECONDS, Engine

R = TypeVar("R")


class Wide:
    """The real store, said to be wider than it is; fits `engine.ports.Store`.

    Transactions that a gate holds up have begun for the writer, but touch nothing yet.
    """

    def __init__(self, store: Store, *, one_account: bool, lanes: int) -> None:
        self._store = store
        self._alone = asyncio.Lock()
        self._changed = asyncio.Event()
        self.one_account = one_account
        self.lanes = lanes
        self.batches: list[frozenset[AccountId]] = []
        self.running: list[frozenset[AccountId]] = []
        self.gates: dict[AccountId, asyncio.Event] = {}
        self.before: Callable[[], object] = lambda: None

    async def transact(self, needs: Needs, decide: Callable[[View], R]) -> R:
        """Have the store do it, once the gates of its accounts are open."""
        accounts = accounts_of(needs)
        self.batches.append(accounts)
        self.running.append(accounts)
        self._changed.set()
        try:
            for account_id in sorted(accounts & self.gates.keys()):
                await self.gates[account_id].wait()
            self.before()
            async with self._alone:
                return await self._store.transact(needs, decide)
        finally:
            self.running.remove(accounts)
            self._changed.set()

    def close(self, account_id: AccountId) -> asyncio.Event:
        """Hold up every transaction of an account until the event is set."""
        self.gates[account_id] = asyncio.Event()
        return self.gates[account_id]

    async def until_running(self, *accounts: AccountId) -> None:
        """Wait until just these accounts are in a transaction."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while sorted(map(sorted, self.running)) != sorted([one] for one in accounts):
                self._changed.clear()
                await self._changed.wait()


class Lanes:
    """A running writer on a wide store."""

    def __init__(self, writer: Writer, store: Wide, running: asyncio.Task[None]) -> None:
        self.writer = writer
        self.store = store
        self.running = running

    async def together(self, commands: Iterable[Command]) -> list[Outcome]:
        """Submit commands at once, as concurrent requests do."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await asyncio.gather(*map(self.writer.submit, commands))

    async def faults(self, commands: Iterable[Command]) -> list[Outcome | BaseException]:
        """Submit commands at once, and give what each caller got, faults included."""
        submitted = map(self.writer.submit, commands)
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await asyncio.gather(*submitted, return_exceptions=True)


@asynccontextmanager
async def lanes(
    engine: Engine, *, one_account: bool, lanes: int, queue: QueueLimits | None = None
) -> AsyncIterator[Lanes]:
    """Run one more writer on the engine's store."""
    store = Wide(engine.store, one_account=one_account, lanes=lanes)
    writer = Writer(store, SELF_HOSTED, engine.clock, engine.observer, queue)
    running = asyncio.create_task(writer.run())
    try:
        yield Lanes(writer, store, running)
        writer.stop()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await running
    finally:
        running.cancel()


def register(account_id: AccountId) -> RegisterKey:
    """Make an account."""
    return RegisterKey(
        account_id=account_id,
        key_id=KeyId(f"key_{account_id}"),
        key_hash=account_id.encode(),
        email=None,
    )


def accounts_of(needs: Needs) -> frozenset[AccountId]:
    """Say whose rows a batch needs."""
    found = set(needs.accounts)
    for keys in (needs.tasks, needs.idempotency, needs.claims):
        found.update(account_id for account_id, _ in keys)
    found.update(account_id for account_id, _, _ in needs.request_counts)
    return frozenset(found)
