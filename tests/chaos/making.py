"""The bodies that clients send, made up by chance; the canary of their account is in each."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from tests.chaos.client import Client, Held

WORKERS: Final = 6
PRIORITY_MAX: Final = 3
ATTEMPTS_MAX: Final = 4
LEASE_SECONDS_MAX: Final = 3
AHEAD_SECONDS: Final = 3

Json = dict[str, Any]


def new_task(client: Client) -> Json:
    """Make up a task, with the canary of its account in it."""
    chance = client.chance
    body: Json = {
        "type": chance.choice(client.world.types),
        "payload": {"canary": f"canary-{client.account.name}-{chance.getrandbits(64):016x}"},
        "priority": chance.randint(0, PRIORITY_MAX),
        "maxAttempts": chance.randint(1, ATTEMPTS_MAX),
        "leaseDurationSeconds": chance.randint(1, LEASE_SECONDS_MAX),
    }
    if chance.random() < 0.08:
        ahead = timedelta(seconds=chance.uniform(0.5, AHEAD_SECONDS))
        body["scheduledAt"] = (datetime.now(UTC) + ahead).isoformat(timespec="milliseconds")
    return body


def claim_by_type(client: Client) -> Json:
    """Make up a claim; workers share a few names."""
    chance = client.chance
    worker = f"worker-{client.account.name}-{chance.randrange(WORKERS)}"
    return {"type": chance.choice(client.world.types), "worker_id": worker}


def completion(client: Client, lease: Held) -> Json:
    """Make up what a worker hands in."""
    sent: Json = {
        "lease_token": lease.token,
        "result": {"canary": f"canary-{client.account.name}", "by": lease.token},
    }
    if client.chance.random() < 0.1:
        sent["output_id"] = f"out-{client.chance.getrandbits(40):010x}"
    if client.chance.random() < 0.1:
        sent["claim_next"] = claim_by_type(client)
    return sent


def new_key(client: Client, purpose: str) -> str:
    """Make up an idempotency key."""
    return f"{purpose}-{client.chance.getrandbits(64):016x}"
