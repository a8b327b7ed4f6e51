"""What clients do so that a mutant breaks its promise; one server on SQLite is enough."""

import asyncio
from typing import Final

from tests.chaos.asking import Account
from tests.chaos.mutants.acting import PAUSE_SECONDS, Actor, soon
from tests.chaos.mutants.stage import Stage

CRASHES: Final = 2
WRITERS: Final = 4
WRITING_SECONDS: Final = (0.6, 1.0)
SWEPT: Final = 4
OVERDUE_SECONDS: Final = 0.5
TRIES: Final = 8
ROUNDS: Final = 3


async def late_completion(stage: Stage) -> None:
    """M1: a worker completes under a lease that ran out, while another holds the task."""
    await _late(stage, "complete", result={"by": "late"})


async def late_failure(stage: Stage) -> None:
    """M11: a worker fails under a lease that ran out, while another holds the task."""
    await _late(stage, "fail", reason="late")


async def _late(stage: Stage, verb: str, **sent: object) -> None:
    account = await stage.account()
    late, quick = stage.actor(account), stage.actor(account)
    for _ in range(ROUNDS):
        task = await late.create(lease_seconds=1)
        first = await late.claim_soon(task)
        second = await quick.claim_soon(task)
        await late.use(verb, first, **sent)
        await late.get(first.task)
        await quick.use("complete", second)


async def creates_and_crashes(stage: Stage) -> None:
    """M4, M5: tasks are created while the server is killed and started again."""
    account = await stage.account()
    for _ in range(CRASHES):
        stop = asyncio.Event()
        writing = [asyncio.create_task(_create_until(stage, account, stop)) for _ in range(WRITERS)]
        await asyncio.sleep(stage.chance.uniform(*WRITING_SECONDS))
        await stage.crash()
        stop.set()
        await asyncio.gather(*writing)


async def _create_until(stage: Stage, account: Account, stop: asyncio.Event) -> None:
    actor = stage.actor(account)
    while not stop.is_set():
        await actor.create()
        await asyncio.sleep(PAUSE_SECONDS)


async def claims_beside_a_slow_sweeper(stage: Stage) -> None:
    """M8: leases run out and are taken again between the sweeper's look and its command."""
    account = await stage.account()
    await asyncio.gather(
        *(_overdue_and_taken(stage.actor(account), number / SWEPT) for number in range(SWEPT))
    )


async def _overdue_and_taken(actor: Actor, late_seconds: float) -> None:
    await asyncio.sleep(late_seconds)
    task = await actor.create(lease_seconds=1, maxAttempts=10)
    await actor.claim(task)
    for _ in range(ROUNDS):
        # Long enough to be seen overdue, and taken before what is seen is acted on.
        await asyncio.sleep(1 + OVERDUE_SECONDS)
        await actor.claim(task)
        for _ in range(TRIES):
            await asyncio.sleep(1 / TRIES)
            if await actor.claim(task):
                break


async def failures_to_the_last_attempt(stage: Stage) -> None:
    """M9: a task fails as often as it can."""
    actor = stage.actor(await stage.account())
    for attempts in range(1, ROUNDS + 1):
        task = await actor.create(maxAttempts=attempts)
        assert task is not None
        while held := await actor.claim(task):
            await actor.use("fail", held, reason="again")
        await actor.get(task)


async def heartbeats(stage: Stage) -> None:
    """M10: a lease is renewed several times, long before it ends."""
    actor = stage.actor(await stage.account())
    await actor.create()
    held = await actor.claim_soon()
    for _ in range(ROUNDS):
        await actor.use("heartbeat", held)
    await actor.use("complete", held)


async def ends_and_claims_in_one(stage: Stage) -> None:
    """M12: an account at its limit ends each lease with a claim behind it, and asks for more."""
    account = await stage.account()
    actor = stage.actor(account)
    limit = account.max_workers
    for _ in range(3 * limit):
        await actor.create()
    held = [await actor.claim_soon() for _ in range(limit)]
    held = [one for lease in held if (one := await actor.complete_and_claim(lease))]
    held += [one for _ in range(limit) if (one := await actor.claim())]
    for lease in held:
        await actor.use("complete", lease)


async def old_tasks(stage: Stage) -> None:
    """M13: tasks that wait and one that is held grow older than retention keeps what ended."""
    actor = stage.actor(await stage.account())
    waiting = await actor.create()
    await actor.create(type="other")
    assert waiting is not None
    held = await actor.claim_soon()
    ended = await actor.create()
    assert ended is not None
    await actor.use("complete", await actor.claim_soon(ended))

    async def gone() -> bool:
        return await actor.get(ended) is None

    await soon(gone)
    await actor.get(waiting)
    await actor.use("complete", held)


async def a_look_at_anothers_task(stage: Stage) -> None:
    """M14: an account asks for a task of another's by its id."""
    owner, other = [stage.actor(await stage.account()) for _ in range(2)]
    task = await owner.create()
    assert task is not None
    await other.create()
    await other.get(task)
    await owner.get(task)


async def heartbeat_after_the_end(stage: Stage) -> None:
    """M16: a heartbeat comes late, when its task is completed."""
    actor = stage.actor(await stage.account())
    for _ in range(ROUNDS):
        task = await actor.create()
        held = await actor.claim_soon(task)
        await actor.use("complete", held, result={"pages": 3})
        await actor.get(held.task)
        await actor.use("heartbeat", held)
        await actor.get(held.task)
