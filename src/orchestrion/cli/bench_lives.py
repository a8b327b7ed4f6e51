"""Tasks lived through by many callers at once, over a few clients: create, claim, complete."""

import asyncio
from collections.abc import Sequence

import msgspec

from orchestrion.cli.bench_latency import Stopwatch
from orchestrion.cli.bench_load import Allowance, Load
from orchestrion.cli.bench_report import Outcome
from orchestrion.client.aio import AsyncOrchestrion
from orchestrion.client.errors import APIError, OrchestrionError
from orchestrion.client.task import Completion, Held, NewTask, Task


class _Caller(msgspec.Struct, frozen=True, kw_only=True):
    client: AsyncOrchestrion
    name: str


class Lives:
    """One run of a load; `done` counts while it runs."""

    def __init__(self, clients: Sequence[AsyncOrchestrion], load: Load) -> None:
        self._clients = clients
        self._load = load
        self._payload = load.payload
        self._create, self._claim, self._complete = Stopwatch(), Stopwatch(), Stopwatch()
        self._life = Stopwatch()
        self.done = 0

    async def run(self) -> Outcome:
        """Live until the load is over; raises what ended it before."""
        allowance = Allowance(self._load)
        try:
            async with asyncio.TaskGroup() as group:
                for number in range(self._load.workers):
                    caller = _Caller(
                        client=self._clients[number % len(self._clients)], name=f"bench-{number}"
                    )
                    group.create_task(self._call(caller, allowance))
        except BaseExceptionGroup as errors:
            # Many callers meet the same trouble at once: the first says enough.
            raise _first(errors) from None
        watches = {"create": self._create, "claim": self._claim, "complete": self._complete}
        latencies = {name: watch.latency for name, watch in watches.items()}
        return Outcome(
            tasks=self.done,
            seconds=allowance.elapsed,
            calls=sum(latency.count for latency in latencies.values()),
            latencies={**latencies, "all three": self._life.latency},
        )

    async def _call(self, caller: _Caller, allowance: Allowance) -> None:
        while left := allowance.take(self._load.batch):
            with self._life.timed():
                await self._created(caller.client, left)
                while left and (held := await self._held(caller, left)):
                    await self._completed(caller.client, held)
                    left -= len(held)

    async def _created(self, client: AsyncOrchestrion, count: int) -> None:
        with self._create.timed():
            if count == 1:
                await client.tasks.create(self._load.type, self._payload)
            else:
                new = NewTask(type=self._load.type, payload=self._payload)
                _refuse(await client.tasks.create_many([new] * count))

    async def _held(self, caller: _Caller, count: int) -> Sequence[Held]:
        with self._claim.timed():
            claimed = await caller.client.tasks.claim(
                self._load.type, worker_id=caller.name, max_tasks=count
            )
        return claimed.leases

    async def _completed(self, client: AsyncOrchestrion, held: Sequence[Held]) -> None:
        with self._complete.timed():
            if len(held) == 1:
                await client.tasks.complete(held[0].task.id, held[0].lease_token, {})
            else:
                ends = [Completion(id=one.task.id, lease_token=one.lease_token) for one in held]
                _refuse(await client.tasks.complete_many(ends))
        self.done += len(held)


def _refuse(answers: Sequence[Task | APIError]) -> None:
    for answer in answers:
        if isinstance(answer, APIError):
            raise answer


def _first(errors: BaseExceptionGroup) -> BaseException:
    # Trouble with the server is told in a line, whatever else broke beside it.
    first: BaseException = errors.subgroup(OrchestrionError) or errors
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return first
