"""Keeps workers serving until told to stop, renews them when told to, and leaves none behind."""

import asyncio
import contextlib
from collections.abc import Sequence

from msgspec.structs import replace

from orchestrion.observe.logs import Logs
from orchestrion.supervisor.child import Child, Launch
from orchestrion.supervisor.slot import CannotStart, Slot, SupervisorLimits


class Supervisor:
    """The workers of one host."""

    def __init__(self, launch: Launch, workers: int, limits: SupervisorLimits, logs: Logs) -> None:
        self._launch = launch
        self._logs = logs
        self._slots = [Slot(index, limits, logs) for index in range(workers)]

    async def run(self, stop: asyncio.Event, renew: asyncio.Event) -> int:
        """Serve until `stop` is set, restarting at each `renew`; gives the exit code."""
        asked = asyncio.create_task(stop.wait())
        keeping = asyncio.create_task(self._keep(renew))
        try:
            await asyncio.wait({asked, keeping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (asked, keeping):
                task.cancel()
            outcome, _ = await asyncio.gather(keeping, asked, return_exceptions=True)
            ended_well = await self._stop()
        match outcome:
            case CannotStart(code=code):
                return code
            case asyncio.CancelledError():
                return 0 if ended_well else 1
            case _:
                raise outcome

    async def _keep(self, renew: asyncio.Event) -> None:
        # Alone at first: what stands in the way of every worker is said once, and the schema
        # changed by one.
        await self._slots[0].begin(self._launch)
        self._launch = replace(self._launch, greets=False)
        ...
