"""Gives back what came with a claim that was under way when its worker was told to stop."""

import asyncio
from contextlib import suppress
from typing import Final, TypeVar

from orchestrion.client.aio import AsyncOrchestrion
from orchestrion.client.call import Call
from orchestrion.client.calls import Claiming, GivingBack, claim, release
from orchestrion.client.errors import APIError, OrchestrionError
from orchestrion.worker.claiming import once_more
from orchestrion.worker.office import STOPPING
from orchestrion.worker.pausing import Pauses

# A server notices within this time that somebody has hung up.
HANG_UP_SECONDS: Final = 0.1
RECOVER_SECONDS: Final = 5.0
_FAULT: Final = 500

T = TypeVar("T")


async def give_back(client: AsyncOrchestrion, ask: Claiming | None) -> None:
    """Ask once more under the same key, and release what comes; gives up after a while."""
    if ask is None:
        return
    with suppress(TimeoutError, APIError):
        async with asyncio.timeout(RECOVER_SECONDS):
            await asyncio.sleep(HANG_UP_SECONDS)
            claimed = await _insist(client, claim(once_more(ask)))
            back = GivingBack(reason=STOPPING)
            for held in claimed.leases:
                await _insist(client, release(held.task.id, held.lease_token, back))


async def _insist(client: AsyncOrchestrion, call: Call[T]) -> T:
    pauses = Pauses()
    while True:
        try:
            return await client.call(call)
        except APIError as error:
            if error.refusal.own and error.status < _FAULT:
                raise
            await asyncio.sleep(pauses.next(error.retry_after))
        except OrchestrionError:
            await asyncio.sleep(pauses.next())
