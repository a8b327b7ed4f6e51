"""The ordinary life of clients: a seeded mix of every operation, at a given pace."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from tests.chaos import adversary
from tests.chaos.asking import Ask
from tests.chaos.client import Client, Held
from tests.chaos.making import claim_by_type, completion, new_key, new_task

PAGE: Final = 25
# How often each is done; who holds no lease claims or creates where the others would use one.
MIX: Final[Mapping[str, int]] = {
    "create": 25,
    "claim": 25,
    "heartbeat": 10,
    "complete": 20,
    "fail": 8,
    "get": 6,
    "list": 3,
    "cancel": 2,
    "requeue": 1,
    "health": 1,
}
ADVERSARIAL: Final = 0.1

Json = dict[str, Any]


async def live(client: Client, every_seconds: float) -> None:
    """Take a step at a time until the world is over."""
    while not client.world.over:
        began = time.monotonic()
        await step(client)
        spent = time.monotonic() - began
        pause = every_seconds * client.chance.uniform(0.5, 1.5) - spent
        # Even who is behind lets others run.
        await asyncio.sleep(max(0.0, 0.0 if client.world.storm else pause))


async def step(client: Client) -> None:
    """Do one thing, or misbehave."""
    if client.late and client.late[0].over:
        await adversary.overrun(client)
    elif client.chance.random() < ADVERSARIAL:
        await client.chance.choice(adversary.TRICKS)(client)
    else:
        (name,) = client.chance.choices(list(MIX), list(MIX.values()))
        await _STEPS[name](client)


async def create(client: Client) -> None:
    key = new_key(client, "create") if client.chance.random() < 0.5 else None
    await client.ask(Ask(name="create", key=key, sent=new_task(client)))


async def claim(client: Client) -> None:
    chance = client.chance
    key = new_key(client, "claim") if chance.random() < 0.4 else None
    sent = claim_by_type(client)
    if client.known.tasks and chance.random() < 0.08:
        task = chance.choice(client.known.tasks)
        worker = {"worker_id": sent["worker_id"]}
        await client.ask(Ask(name="claim_task", task=task, key=key, sent=worker))
        return
    if chance.random() < 0.1:
        sent["max_tasks"] = chance.randint(2, 3)
    await client.ask(Ask(name="claim", key=key, sent=sent))


async def heartbeat(client: Client) -> None:
    lease = _lease(client)
    if lease is None:
        await claim(client)
        return
    await client.ask(Ask(name="heartbeat", task=lease.task, sent={"lease_token": lease.token}))


async def complete(client: Client) -> None:
    lease = _lease(client)
    if lease is None:
        await claim(client)
        return
    client.drop(lease)
    await client.ask(Ask(name="complete", task=lease.task, sent=completion(client, lease)))


async def fail(client: Client) -> None:
    lease = _lease(client)
    if lease is None:
        await create(client)
        return
    client.drop(lease)
    sent: Json = {"lease_token": lease.token, "reason": f"canary-{client.account.name} failed"}
    name = "release" if client.chance.random() < 0.15 else "fail"
    if client.chance.random() < 0.2:
        sent["retry_after_seconds"] = client.chance.randint(1, 2)
    if name == "fail" and client.chance.random() < 0.05:
        sent["claim_next"] = claim_by_type(client)
    await client.ask(Ask(name=name, task=lease.task, sent=sent))


async def get(client: Client) -> None:
    await _about(client, "get")


async def cancel(client: Client) -> None:
    await _about(client, "cancel")


async def requeue(client: Client) -> None:
    known = client.known
    if known.dead_letters:
        await client.ask(Ask(name="requeue", task=known.dead_letters.popleft()))
    else:
        await _about(client, "requeue")


async def health(client: Client) -> None:
    await client.ask(Ask(name="health"))


async def page(client: Client) -> None:
    """Read on in the list of all tasks, or from its start."""
    sent: Json = {"limit": PAGE}
    if client.cursor is not None:
        sent["cursor"] = client.cursor
    operation = await client.ask(Ask(name="list", sent=sent))
    if operation is not None and operation.body is not None and "pageInfo" in operation.body:
        client.cursor = operation.body["pageInfo"]["nextCursor"]


async def _about(client: Client, name: str) -> None:
    if not client.known.tasks:
        await create(client)
        return
    await client.ask(Ask(name=name, task=client.chance.choice(client.known.tasks)))


def _lease(client: Client) -> Held | None:
    for lease in [one for one in client.held if one.over and client.chance.random() < 0.7]:
        client.drop(lease)
    return client.chance.choice(client.held) if client.held else None


_STEPS: Final[Mapping[str, Callable[[Client], Awaitable[None]]]] = {
    "create": create,
    "claim": claim,
    "heartbeat": heartbeat,
    "complete": complete,
    "fail": fail,
    "get": get,
    "list": page,
    "cancel": cancel,
    "requeue": requeue,
    "health": health,
}
