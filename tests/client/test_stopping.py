"""Who stops while a claim is under way leaves no task behind that nobody works on."""

import asyncio

import httpx2
import pytest

from orchestrion.client.aio import AsyncOrchestrion
from orchestrion.client.sync import Orchestrion
from tests.client.application import Application

TYPE = "report"


class Stopped(httpx2.BaseTransport):
    """Brings a claim to the application, then the user's interrupt instead of its answer."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._interrupts = 1

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        answer = self._application.bridge.handle_request(request)
        if self._interrupts and request.url.path.endswith("/claim"):
            self._interrupts -= 1
            raise KeyboardInterrupt
        return answer


def test_an_interrupted_claim_is_released(application: Application) -> None:
    key = application.account.key
    client = Orchestrion(application.url, key, transport=Stopped(application))
    task = client.tasks.create(TYPE, {}, max_attempts=1)

    with pytest.raises(KeyboardInterrupt), client.claim(TYPE, wait=5):
        pytest.fail("the block must not run")

    released = client.tasks.get(task.id)
    assert (released.status, released.attempt_count) == ("pending", 0)
    client.close()


class Held(httpx2.AsyncBaseTransport):
    """Brings the first claim to the application, and keeps its answer back."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self.arrived = asyncio.Event()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        answer = await self._application.async_bridge.handle_async_request(request)
        if request.url.path.endswith("/claim") and not self.arrived.is_set():
            self.arrived.set()
            await asyncio.Event().wait()
        return answer


async def test_a_cancelled_claim_is_released(application: Application) -> None:
    transport = Held(application)
    async with AsyncOrchestrion(
        application.url, application.account.key, transport=transport
    ) as client:
        task = await client.tasks.create(TYPE, {}, max_attempts=1)

        async def work() -> None:
            async with client.claim(TYPE, wait=5):
                pytest.fail("the block must not run")

        working = asyncio.create_task(work())
        await transport.arrived.wait()
        working.cancel()
        with pytest.raises(asyncio.CancelledError):
            await working

        released = await client.tasks.get(task.id)
        assert (released.status, released.attempt_count) == ("pending", 0)


async def test_a_cancelled_block_releases_its_task(application: Application) -> None:
    async with AsyncOrchestrion(
        application.url, application.account.key, transport=application.async_bridge
    ) as client:
        task = await client.tasks.create(TYPE, {})
        began = asyncio.Event()

        async def work() -> None:
            async with client.claim(TYPE):
                began.set()
                await asyncio.Event().wait()

        working = asyncio.create_task(work())
        await began.wait()
        working.cancel()
        with pytest.raises(asyncio.CancelledError):
            await working

        released = await client.tasks.get(task.id)
        assert (released.status, released.attempt_count) == ("pending", 0)
