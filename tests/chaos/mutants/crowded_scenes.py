"""What clients of two replicas do at once so that a mutant breaks its promise, on PostgreSQL."""

import asyncio
from typing import Final

from tests.chaos.mutants.acting import Actor, soon
from tests.chaos.mutants.stage import Stage
from tests.chaos.serving_short import set_clock_off

ROUNDS: Final = 3
AHEAD_SECONDS: Final = 60.0
LEASE_SECONDS: Final = 2
# Less than a transaction waits for a lock.
BEFORE_THE_END_SECONDS: Final = 0.8
# On a busy machine a claim may come too late to wait at all.
WAITS: Final = 4


async def a_clock_ahead(stage: Stage) -> None:
    """M2: one replica's clock is ahead, and its claims see the leases of the other as over."""
    account = await stage.account()
    right, ahead = stage.actor(account, 0), stage.actor(account, 1)
    set_clock_off(stage.replicas[1].clock, AHEAD_SECONDS)
    for _ in range(ROUNDS):
        await right.create(lease_seconds=10)
    held = [await right.claim_soon() for _ in range(ROUNDS)]
    await ahead.claim()
    for _ in held:
        await right.claim()
    for one in held:
        await right.use("complete", one)


async def a_claim_that_waits(stage: Stage) -> None:
    """M3: a claim begins while a lease lives, and waits for a lock until it has ended."""
    account = await stage.account()
    holder, waiter = stage.actor(account, 0), stage.actor(account, 1)
    for _ in range(WAITS):
        task = await holder.create(lease_seconds=LEASE_SECONDS)
        assert task is not None
        await holder.claim_soon()
        await asyncio.sleep(LEASE_SECONDS - BEFORE_THE_END_SECONDS)
        async with stage.account_locked(account) as wait_for:
            waiting = asyncio.create_task(waiter.claim())
            await wait_for(1)
            await _given_back(holder, task)
        held = await waiting
        if held is not None:
            await waiter.use("complete", held)


async def _given_back(actor: Actor, task: str) -> None:
    async def pending() -> bool:
        seen = await actor.get(task)
        return seen is not None and seen["status"] == "pending"

    await soon(pending)


async def two_claims_at_once(stage: Stage) -> None:
    """M6: two replicas are asked for the same task in the same moment."""
    account = await stage.account()
    actors = [stage.actor(account, replica) for replica in range(2)]
    for _ in range(ROUNDS):
        await actors[0].create()
        async with stage.account_locked(account) as wait_for:
            claims = [asyncio.create_task(one.claim()) for one in actors]
            await wait_for(len(claims))
        for one, held in zip(actors, await asyncio.gather(*claims), strict=True):
            if held is not None:
                await one.use("complete", held)


async def two_creates_at_once(stage: Stage) -> None:
    """M7: two replicas are sent the same create under one key in the same moment."""
    account = await stage.account()
    actors = [stage.actor(account, replica) for replica in range(2)]
    for number in range(ROUNDS):
        payload = {"number": number}
        async with stage.account_locked(account) as wait_for:
            creates = [
                asyncio.create_task(one.create(key=f"key-{number}", payload=payload))
                for one in actors
            ]
            await wait_for(len(creates))
        await asyncio.gather(*creates)
