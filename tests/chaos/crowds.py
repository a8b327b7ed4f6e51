"""Many at once: leases that end together, pollers, poison and zombies in numbers."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from tests.chaos import adversary
from tests.chaos.asking import Ask
from tests.chaos.client import Client
from tests.chaos.making import claim_by_type, new_task

HERD: Final = 40
LEASE_SECONDS: Final = 1
POLLERS: Final = 200
POISONED: Final = 5

Details = dict[str, Any]


async def herd(owner: Client, crowd: Sequence[Client]) -> Details:
    """Have many leases end in one second, and many who poll for the tasks."""
    await _for(owner, _gather_herd)
    await asyncio.sleep(LEASE_SECONDS)
    likes = [owner, *crowd]
    polls = (_for(likes[n % len(likes)], _poll) for n in range(POLLERS))
    await asyncio.gather(*polls)
    return {"tasks": HERD, "pollers": POLLERS}


async def _gather_herd(owner: Client) -> None:
    type_ = owner.world.types[0]
    short = {"type": type_, "leaseDurationSeconds": LEASE_SECONDS, "maxAttempts": 2}
    for _ in range(HERD):
        await owner.ask(Ask(name="create", sent={**new_task(owner), **short}))
    claim = {"type": type_, "worker_id": "herd", "max_tasks": min(HERD, owner.account.max_workers)}
    await owner.ask(Ask(name="claim", sent=claim))


async def poison(crowd: Sequence[Client]) -> Details:
    """Send many poisoned bodies."""
    for _ in range(POISONED):
        await asyncio.gather(*(_for(one, adversary.poison) for one in crowd))
    return {"sent": POISONED * len(crowd)}


async def zombies(crowd: Sequence[Client]) -> Details:
    """Send many heartbeats for leases that are lost."""
    await asyncio.gather(*(_for(one, adversary.zombie) for one in crowd))
    return {"zombies": len(crowd)}


async def _poll(poller: Client) -> None:
    await poller.ask(Ask(name="claim", sent=claim_by_type(poller)))


async def _for(client: Client, act: Callable[[Client], Awaitable[None]]) -> None:
    # A client asks one thing at a time: another one acts for it, under the same leases.
    other = Client(client.recorder.another(), client.known, client.world, client.chance)
    other.held = client.held
    await act(other)
    other.close()
