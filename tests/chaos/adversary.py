"""What clients do that they should not: old leases, repeats, twins, zombies, poison, trespass."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from tests.chaos.asking import Ask
from tests.chaos.client import Client, Held
from tests.chaos.making import claim_by_type, completion, new_key, new_task

ZOMBIE_BEATS: Final = 3
# A result may have so many bytes in all.
RESULT_BYTES_MAX: Final = 65_536
BESIDE_BYTES: Final = 200
TRESPASSES: Final = ("get", "heartbeat", "complete", "fail", "release", "cancel")

Json = dict[str, Any]


async def old_lease(client: Client) -> None:
    """Use a lease that is over or was given back."""
    lease = _old(client)
    if lease is None:
        await twins(client)
        return
    name = client.chance.choice(["complete", "fail", "release", "heartbeat"])
    sent = {"lease_token": lease.token}
    if name == "complete":
        sent = completion(client, lease)
    await client.ask(Ask(name=name, task=lease.task, sent=sent))


async def repeat_granted(client: Client) -> None:
    """Send again what was granted."""
    if not client.known.granted:
        await old_lease(client)
        return
    await client.ask(client.chance.choice(client.known.granted).again())


async def repeat_doubtful(client: Client) -> None:
    """Send again what nobody knows the end of."""
    if not client.known.doubtful:
        await repeat_granted(client)
        return
    await client.ask(client.known.doubtful.pop().again())


async def begin_overrun(client: Client) -> None:
    """Set a lease aside, to use it when it has run out."""
    if not client.held:
        await client.ask(Ask(name="claim", sent=claim_by_type(client)))
        return
    lease = client.held.pop()
    client.late.append(lease)


async def overrun(client: Client) -> None:
    """Complete or fail after the lease, whoever has the task by now."""
    lease = client.late.popleft()
    client.drop(lease)
    sent: Json = {"lease_token": lease.token}
    name = client.chance.choice(["complete", "complete", "fail", "heartbeat"])
    if name == "complete":
        sent = completion(client, lease)
    await client.ask(Ask(name=name, task=lease.task, sent=sent))


async def twins(client: Client) -> None:
    """Create or claim under one key from two connections at once."""
    name = client.chance.choice(["create", "claim"])
    sent = new_task(client) if name == "create" else claim_by_type(client)
    await client.ask_twice_at_once(Ask(name=name, key=new_key(client, "twins"), sent=sent))


async def end_twice(client: Client) -> None:
    """Complete one lease from two connections at once, perhaps with two results."""
    if not client.held:
        await twins(client)
        return
    lease = client.chance.choice(client.held)
    client.drop(lease)
    sent = completion(client, lease)
    await client.ask_twice_at_once(Ask(name="complete", task=lease.task, sent=sent))


async def other_body(client: Client) -> None:
    """Ask something else under a key or lease that was used."""
    if not client.known.granted:
        await twins(client)
        return
    used = client.chance.choice(client.known.granted).ask
    sent = dict(used.sent or {})
    match used.name:
        case "create":
            sent["priority"] = (sent["priority"] + 1) % 4
        case "complete":
            sent["result"] = {"canary": f"canary-{client.account.name}", "other": True}
        case "fail" | "release":
            sent["reason"] = "another reason"
        case _:
            await old_lease(client)
            return
    await client.ask(Ask(name=used.name, task=used.task, key=used.key, sent=sent))


async def zombie(client: Client) -> None:
    """Go on with heartbeats after the lease is lost."""
    lease = _old(client)
    if lease is None:
        await twins(client)
        return
    for _ in range(ZOMBIE_BEATS):
        sent = {"lease_token": lease.token}
        await client.ask(Ask(name="heartbeat", task=lease.task, sent=sent))


async def trespass(client: Client) -> None:
    """Use the task of another account, under its lease if that is known."""
    mine = client.account.name
    others = [one for one in client.world.leaked if one[0] != mine]
    if not others:
        await twins(client)
        return
    _, task, token = client.chance.choice(others)
    name = client.chance.choice(TRESPASSES)
    sent: Json | None = None
    if name not in ("get", "cancel"):
        sent = {"lease_token": token or f"lse_{client.chance.getrandbits(136):034x}"}
    if name == "complete":
        sent = {**(sent or {}), "result": {"canary": f"canary-{mine}"}}
    await client.ask(Ask(name=name, task=task, sent=sent))


async def poison(client: Client) -> None:
    """Send what breaks others: NUL, depth, odd text, and results as large as may be and larger."""
    lease = client.chance.choice(client.held) if client.held else None
    if lease is None:
        await _poisoned_create(client)
        return
    sent: Json = {"lease_token": lease.token}
    match client.chance.randrange(3):
        case 0:
            ask = Ask(name="fail", task=lease.task, sent={**sent, "reason": "nul \x00 in it"})
        case 1:
            sent["result"] = {"large": "x" * (RESULT_BYTES_MAX - BESIDE_BYTES)}
            ask = Ask(name="complete", task=lease.task, sent=sent)
            client.drop(lease)
        case _:
            sent["result"] = {"large": "x" * RESULT_BYTES_MAX}
            ask = Ask(name="complete", task=lease.task, sent=sent)
    await client.ask(ask)


async def _poisoned_create(client: Client) -> None:
    sent = new_task(client)
    payload: Json = sent["payload"]
    payload["poison"] = client.chance.choice(
        [
            "nul \x00 in it",
            "'; drop table tasks; --",
            "\u202e\U0001f4a5 \ufeff",
            {"a": {"b": {"c": {"d": {"e": 1}}}}},
            2**63,
            "\r\nlevel=error forged=line",
        ]
    )
    await client.ask(Ask(name="create", sent=sent))


def _old(client: Client) -> Held | None:
    return client.chance.choice(client.known.old) if client.known.old else None


TRICKS: Final[Sequence[Callable[[Client], Awaitable[None]]]] = (
    *(old_lease, old_lease, repeat_granted, repeat_granted, repeat_doubtful, begin_overrun),
    *(begin_overrun, twins, end_twice, other_body, zombie, poison, trespass, trespass),
)
