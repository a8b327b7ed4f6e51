"""Keeps workers serving until told to stop, renews them when told to, and leaves none behind."""

import asyncio

from msgspec.structs import replace

from orchestrion.observe.logs import Logs
from orchestrion.supervisor.child import Launch
from orchestrion.supervisor.slot import CannotStart, Slot, SupervisorLimits


class Supervisor:
    """The workers of one host."""

    def __init__(self, launch: Launch, workers: int, limits: SupervisorLimits, logs: Logs) -> None:
        self._launch = launch
        self._logs = logs
        self._slots = [Slot(index, limits, logs) for index in range(workers)]

    async def run(self, stop: asyncio.Event, renew: asyncio.Event) -> int:
        """Serve until `stop` is set, renewing all workers at each `renew`; gives the exit code."""
        asked = asyncio.create_task(stop.wait())
        keeping = asyncio.create_task(self._keep(renew))
        await asyncio.wait({asked, keeping}, return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        keeping.cancel()
        await asyncio.wait({asked, keeping})
        ended_well = await self._stop()
        if not keeping.cancelled():
            try:
                keeping.result()
            except CannotStart as refused:
                return refused.code
        self._logs.info("stopped")
        return 0 if ended_well else 1

    async def _keep(self, renew: asyncio.Event) -> None:
        """Never ends but by a fault."""
        # One at first: so what keeps all from starting is said once, and the schema is changed
        # by one. What keeps a later one from it does not concern those that serve.
        await self._slots[0].begin(self._launch)
        self._launch = replace(self._launch, greets=False)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._slots[0].keep(self._launch))
                for slot in self._slots[1:]:
                    group.create_task(slot.keep(self._launch))
                group.create_task(self._renew_whenever(renew))
        except ExceptionGroup as faults:
            raise faults.exceptions[0] from faults

    async def _renew_whenever(self, renew: asyncio.Event) -> None:
        while True:
            await renew.wait()
            renew.clear()
            self._logs.info("restarting workers", count=len(self._slots))
            # A version or a setting that the first cannot start with shall not reach the others.
            for slot in self._slots:
                if not await slot.renew(self._launch):
                    break
            else:
                self._logs.info("workers restarted", count=len(self._slots))

    async def _stop(self) -> bool:
        """Have every worker finish what it accepted and end; tell whether all did so well."""
        running = [(slot, child) for slot in self._slots for child in slot.children]
        for _, child in running:
            child.stop()
        # The workers listen on; when the last lets go, callers are refused at once.
        self._launch.close()
        await asyncio.gather(*(slot.end(child) for slot, child in running))
        return all(child.ended_well for _, child in running)
