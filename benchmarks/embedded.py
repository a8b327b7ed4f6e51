"""The engine without HTTP: writer and store in this process, and the commands of a task's life."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from multiprocessing import get_context
from typing import TypeVar

import msgspec
import uvloop

from benchmarks.filling import PAYLOAD, RESULT, Account
from benchmarks.machine import on_core
from orchestrion.core.commands import ClaimNext, CompleteTask, CreateTask
from orchestrion.core.ids import AccountId
from orchestrion.core.lease import Completion, Lease
from orchestrion.core.outcomes import Changed, Held
from orchestrion.core.plans import SELF_HOSTED
from orchestrion.core.task import Task
from orchestrion.databases import Backend
from orchestrion.engine.clock import SteadyClock
from orchestrion.engine.interpreter import settle
from orchestrion.engine.mint import Mint
from orchestrion.engine.overload import QueueLimits
from orchestrion.engine.ports import BatchRecord, RequestRecord
from orchestrion.engine.writer import Writer
from orchestrion.store.sqlite import backend as sqlite_backend
from orchestrion.store.sqlite.database import Place

Given = TypeVar("Given")
Result = TypeVar("Result")


class Unobserved:
    """Fits `engine.ports.Observer` and takes no time."""

    def request(self, record: RequestRecord) -> None: ...

    def batch(self, record: BatchRecord) -> None: ...

    def fault(self, event: str, request_id: str, error: BaseException) -> None: ...

    def refused(self, reason: str) -> None: ...


class Engine(msgspec.Struct, frozen=True, kw_only=True):
    """A running writer, and who asks it."""

    writer: Writer
    mint: Mint
    account_id: AccountId

    def of(self, account: Account) -> "Engine":
        """Give the same writer to another account's callers."""
        return msgspec.structs.replace(self, account_id=AccountId(account.account_id))

    async def create(self) -> Task:
        """Create a task."""
        command = CreateTask(
            account_id=self.account_id,
            task_id=self.mint.task_id(),
            type="bench",
            payload=PAYLOAD,
            priority=0,
            max_attempts=3,
            lease_seconds=300,
            scheduled_at=None,
        )
        outcome = await self.writer.submit(command)
        assert isinstance(outcome, Changed), outcome
        return outcome.task

    async def claim(self) -> Task:
        """Claim a task; there must be one."""
        command = ClaimNext(
            account_id=self.account_id,
            types=("bench",),
            lease=Lease(worker_id="worker-1", token=self.mint.lease_token()),
        )
        outcome = await self.writer.submit(command)
        assert isinstance(outcome, Held), outcome
        return outcome.task

    async def complete(self, task: Task) -> None:
        """Complete a task that was claimed."""
        command = CompleteTask(
            account_id=self.account_id,
            task_id=task.id,
            lease_token=task.lease_token,
            completion=Completion(result=RESULT),
        )
        outcome = await self.writer.submit(command)
        assert isinstance(outcome, Changed), outcome

    async def live(self) -> None:
        """Take a task through its whole life, or rather one in and one out."""
        await self.create()
        await self.complete(await self.claim())


def sqlite(place: Place) -> sqlite_backend.Backend:
    """Open a file as the server does."""
    return sqlite_backend.Backend(place, SteadyClock, SELF_HOSTED)


@asynccontextmanager
async def engine(
    backend: Backend, account: Account, limits: QueueLimits | None = None
) -> AsyncIterator[Engine]:
    """Run a writer on a database, which is closed in the end."""
    writer = Writer(backend.store, SELF_HOSTED, backend.clock, Unobserved(), limits)
    running = asyncio.create_task(writer.run())
    try:
        yield Engine(
            writer=writer, mint=Mint(backend.clock), account_id=AccountId(account.account_id)
        )
    finally:
        writer.stop()
        await running
        await backend.close()


def in_own_process(
    cores: Collection[int], measure: Callable[[Given], Awaitable[Result]], given: Given
) -> Result:
    """Run a measurement in a fresh interpreter on these cores, set up like the server."""
    with (
        on_core(*cores),
        ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as pool,
    ):
        return pool.submit(_run, measure, given).result()


def _run(measure: Callable[[Given], Awaitable[Result]], given: Given) -> Result:
    settle()

    async def run() -> Result:
        return await measure(given)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(run())
