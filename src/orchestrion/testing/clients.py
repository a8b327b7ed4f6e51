"""Clients of an application in this process, for whom waiting takes next to no time."""

import asyncio
import time

from orchestrion.client.aio import AsyncOrchestrion
from orchestrion.client.exchange import Heard, Pause, Step
from orchestrion.client.sync import Orchestrion
from orchestrion.testing.clock import WAITING_SPEED, StoppedTime
from orchestrion.testing.hosting import Hosting
from orchestrion.testing.transport import AsyncLocalTransport, LocalTransport


class Access:
    """What a client needs to reach the application."""

    def __init__(self, hosting: Hosting, stopped: StoppedTime, address: str) -> None:
        self.time = stopped
        self.sync_transport = LocalTransport(hosting, address)
        self.transport = AsyncLocalTransport(hosting, address)


class AsyncLocalClient(AsyncOrchestrion):
    """The client for asyncio; its time limits pass as quickly as the application's waits."""

    def __init__(self, access: Access, url: str, api_key: str, *, max_retries: int = 5) -> None:
        super().__init__(url, api_key, transport=access.transport, max_retries=max_retries)
        access.time.govern(self.exchange)

    async def _take(self, step: Step) -> Heard:
        if isinstance(step, Pause):
            await asyncio.sleep(step.seconds / WAITING_SPEED)
            return None
        return await super()._take(step)


class LocalClient(Orchestrion):
    """The client for code that awaits nothing; time passes for it as for the other one."""

    def __init__(self, access: Access, url: str, api_key: str, *, max_retries: int = 5) -> None:
        super().__init__(url, api_key, transport=access.sync_transport, max_retries=max_retries)
        access.time.govern(self.exchange)

    def _take(self, step: Step) -> Heard:
        if isinstance(step, Pause):
            time.sleep(step.seconds / WAITING_SPEED)
            return None
        return super()._take(step)
