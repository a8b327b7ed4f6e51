"""The place of one worker: keeps a process in it, and replaces one that died or grew old."""

import asyncio
import random

import msgspec

from orchestrion.observe.logs import Logs
from orchestrion.supervisor.child import Child, Launch, described


class SupervisorLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How long workers may take, and how often they may die."""

    # From the start of a process until it serves; changes of the schema count.
    start_seconds: float = 600
    # From the request to stop until the end; then it is killed.
    stop_seconds: float
    # By signal, at the first start; then all is given up.
    start_deaths_max: int = 5
    # Before a process is started in the place of one that died: longer each time, up to the
    # greatest, until one has served for a while.
    wait_seconds_min: float = 0.1
    wait_seconds_max: float = 30
    steady_seconds: float = 60


class CannotStart(Exception):
    """A worker ended before it ever served; it has said why, and `code` is for the shell."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Slot:
    """One worker's place; empty until `begin`."""

    def __init__(self, index: int, limits: SupervisorLimits, logs: Logs) -> None:
        self._index = index
        self._limits = limits
        self._logs = logs
        self._started: list[Child] = []
        self._serving: Child | None = None
        self._deaths = 0
        # Held by whoever puts a process here.
        self._turn = asyncio.Lock()

    @property
    def children(self) -> list[Child]:
        """The processes of this place that have not ended."""
        return [child for child in self._started if child.code is None]

    async def begin(self, launch: Launch) -> None:
        """Have a first worker serve; raises CannotStart."""
        async with self._turn:
            while not await self._fill(launch):
                code = self._started[-1].code or 0
                # What a worker itself refuses, it would refuse again.
                if code > 0 or self._deaths + 1 == self._limits.start_deaths_max:
                    raise CannotStart(max(code, 1))
                await self._mourn(self._started[-1])

    async def keep(self, launch: Launch) -> None:
        """Have a worker serve here whenever none does, for ever."""
        while True:
            last = self._serving
            if last is not None:
                await last.ended()
                if last is self._serving:
                    await self._mourn(last)
            while (failed := await self._replace(last, launch)) is not None:
                await self._mourn(failed)

    async def renew(self, launch: Launch) -> bool:
        """Have a new worker serve before the old one leaves; false where the old one stays."""
        async with self._turn:
            old = self._serving
            if not await self._fill(launch):
                reason = described(self._started[-1].code)
                self._logs.error("restart given up", worker=self._index, reason=reason)
                return False
        if old is not None:
            old.relieve()
            await self.end(old)
        return True

    async def end(self, child: Child) -> None:
        """See that a worker that was asked to ends in time."""
        if not await child.end(self._limits.stop_seconds):
            self._logs.error("worker killed", worker=self._index, seconds=self._limits.stop_seconds)

    async def _replace(self, last: Child | None, launch: Launch) -> Child | None:
        """Have a worker serve in another's place, unless one does; gives one that did not start."""
        # Others have their turn between two tries: a renewal does not wait for what cannot start.
        async with self._turn:
            if last is not self._serving or await self._fill(launch):
                return None
            return self._started[-1]

    async def _fill(self, launch: Launch) -> bool:
        child = Child(launch, self._index)
        self._started = [*self.children, child]
        if await child.serves_within(self._limits.start_seconds):
            self._serving = child
            return True
        await child.end(0)
        return False

    async def _mourn(self, child: Child) -> None:
        if child.served_seconds >= self._limits.steady_seconds:
            self._deaths = 0
        seconds = self._limits.wait_seconds_min * 2 ** min(self._deaths, 30)
        seconds = min(seconds, self._limits.wait_seconds_max)
        seconds *= (1 + random.random()) / 2  # noqa: S311 - no secret
        self._deaths += 1
        self._logs.warning(
            "worker died" if child.served_seconds else "worker did not start",
            worker=self._index,
            reason=described(child.code),
            next_start_seconds=round(seconds, 3),
        )
        await asyncio.sleep(seconds)
