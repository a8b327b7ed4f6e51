"""Many at once: leases that end together, pollers, poison and zombies in numbers."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from tests.chaos import adversary
from tests.chaos.asking import Ask
from tests.chaos.client import Client, claimed
from tests.chaos.making import PRIORITY_MAX, claim_by_type, new_task
from tests.chaos.recorder import OK, Way

HERD: Final = 40
# Fewer leases that end together are no herd.
HERD_LEAST: Final = 30
GATHERINGS: Final = 4
LEASE_SECONDS: Final = 1
POLLERS: Final = 200
POISONED: Final = 5
# A type of which there are no tasks, and for how long somebody waits for one.
VAIN: Final = "vain"
VAIN_SECONDS: Final = 5
# In the details of a fault that may happen to hit nothing.
TOOK_EFFECT: Final = "took_effect"

Details = dict[str, Any]


async def herd(owner: Client, crowd: Sequence[Client]) -> Details:
    """Have many leases end in one second, and many who poll for the tasks."""
    other = _beside(owner)
    granted = await _gather_herd(other)
    other.close()
    await asyncio.sleep(LEASE_SECONDS)
    likes = [owner, *crowd]
    polls = (_for(likes[n % len(likes)], _poll) for n in range(POLLERS))
    await asyncio.gather(*polls)
    return {"granted": granted, "pollers": POLLERS, TOOK_EFFECT: granted >= HERD_LEAST}


async def _gather_herd(owner: Client) -> int:
    """Give how many leases were granted; others may take some of the tasks away."""
    type_, granted = owner.world.types[0], 0
    short = {"type": type_, "leaseDurationSeconds": LEASE_SECONDS, "maxAttempts": 2}
    for _ in range(HERD):
        # Before whatever else waits, whose leases may be longer.
        sent = {**new_task(owner), **short, "priority": PRIORITY_MAX + 1}
        sent.pop("scheduledAt", None)
        await owner.ask(Ask(name="create", sent=sent))
    for _ in range(GATHERINGS):
        claim = {"type": type_, "worker_id": "herd", "max_tasks": HERD - granted}
        operation = await owner.ask(Ask(name="claim", sent=claim))
        if operation is not None and operation.outcome == OK and operation.body is not None:
            granted += len(claimed(operation.body))
        if granted >= HERD:
            break
    return granted


async def poison(crowd: Sequence[Client]) -> Details:
    """Send many poisoned bodies."""
    for _ in range(POISONED):
        await asyncio.gather(*(_for(one, adversary.poison) for one in crowd))
    return {"sent": POISONED * len(crowd)}


async def wait_in_vain(client: Client, way: Way) -> None:
    """Wait at a server for a task that nobody makes."""
    other = client.recorder.another()
    await other.ask(Ask(name="claim", sent={"type": VAIN, "wait_seconds": VAIN_SECONDS}), way)
    other.close()


async def look_at_health(client: Client) -> None:
    """Ask some server how it is, beside whatever the client waits for."""
    await _for(client, lambda other: _asked(other, Ask(name="health")))


async def zombies(crowd: Sequence[Client]) -> Details:
    """Send many heartbeats for leases that are lost."""
    # Who has lost no lease yet is no zombie.
    risen = [one for one in crowd if one.known.old]
    await asyncio.gather(*(_for(one, adversary.zombie) for one in risen))
    return {"zombies": len(risen), TOOK_EFFECT: bool(risen)}


async def _poll(poller: Client) -> None:
    await poller.ask(Ask(name="claim", sent=claim_by_type(poller)))


async def _asked(client: Client, ask: Ask) -> None:
    await client.ask(ask)


async def _for(client: Client, act: Callable[[Client], Awaitable[None]]) -> None:
    other = _beside(client)
    await act(other)
    other.close()


def _beside(client: Client) -> Client:
    # A client asks one thing at a time: another one acts for it, under the same leases.
    other = Client(client.recorder.another(), client.known, client.world, client.chance)
    other.held = client.held
    return other
