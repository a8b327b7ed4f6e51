"""A service in which something happened: tasks in every state, of two accounts."""

import ipaddress
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from orchestrion.core.ids import ulid
from orchestrion.core.instants import Instant
from tests.databases import Database, add_key, revoke_key
from tests.harness import Account, Harness, running
from tests.http.asking import Asker

_UNKNOWN = "tsk_" + ulid(Instant(1_800_000_000_000), 7)


class World:
    """A service, two accounts, and the names of what they have."""

    def __init__(self, service: Harness, owner: Account, stranger: Account) -> None:
        self.service = service
        self.database = service.database
        self.owner = owner
        self.stranger = stranger
        self.asker = Asker(service.service.app)
        self.names: dict[str, str] = {}
        self._addresses = ipaddress.IPv4Network("198.18.0.0/15").hosts()

    async def post(self, path: str, account: Account, **body: object) -> dict[str, Any]:
        """Send a request that must succeed."""
        answer = await self.service.client.post(path, headers=account.headers, json=body)
        assert answer.is_success, answer.text
        value: dict[str, Any] = answer.json()
        return value

    async def create(self, account: Account, type_: str, **fields: object) -> str:
        """Create a task; gives its id."""
        task = await self.post("/v1/tasks", account, type=type_, payload={"of": type_}, **fields)
        return str(task["id"])

    def address(self) -> str:
        """Give an address no request came from yet, as registrations are limited by address."""
        return str(next(self._addresses))

    def dump(self) -> Mapping[str, list[tuple[object, ...]]]:
        """Read every row of every table."""
        found = {
            name: self.database.fetch(f"select * from {name}") for name in self.database.tables
        }
        # Without an order of their own, rows that were written anew may change places.
        return {name: sorted(rows, key=repr) for name, rows in found.items()}


@asynccontextmanager
async def peopled(database: Database) -> AsyncIterator[World]:
    """Run a service with tasks in every state."""
    async with running(database) as service:
        world = World(service, await service.account(), await service.account())
        await _people(world)
        yield world


async def _people(world: World) -> None:
    owner, stranger = world.owner, world.stranger
    revoked, key_id = add_key(world.database, owner.id)
    revoke_key(world.database, key_id)
    names = {
        "key": owner.key,
        "revoked_key": revoked,
        "KEY": owner.key.upper(),
        "other_key": stranger.key,
        "unknown": _UNKNOWN,
        "pending": await world.create(owner, "report"),
        "scheduled": await world.create(owner, "later", scheduledAt="2027-01-16T08:00:00Z"),
        "foreign": await world.create(stranger, "report"),
    }
    names["claimed"], names["token"] = await claimed(world, owner, "held")
    names["completed"], _ = await claimed(world, owner, "done")
    await world.post(f"/v1/tasks/{names['completed']}/complete", owner, result={"pages": 3})
    names["dead"], _ = await claimed(world, owner, "broken", maxAttempts=1)
    await world.post(f"/v1/tasks/{names['dead']}/fail", owner, reason="no paper")
    names["cancelled"] = await world.create(owner, "withdrawn")
    await world.post(f"/v1/tasks/{names['cancelled']}/cancel", owner)
    await world.create(stranger, "report")
    world.names = names | await _cursors(world)


async def claimed(world: World, account: Account, type_: str, **fields: object) -> tuple[str, str]:
    """Create and claim a task; gives its id and the lease token."""
    await world.create(account, type_, **fields)
    answer = await world.post("/v1/tasks/claim", account, type=type_, worker_id="worker-7")
    return answer["task"]["id"], answer["lease_token"]


async def _cursors(world: World) -> dict[str, str]:
    own = await _cursor(world, world.owner)
    return {
        "cursor": own,
        "cut_cursor": own[:-4],
        "flipped_cursor": ("B" if own[0] != "B" else "C") + own[1:],
        "foreign_cursor": await _cursor(world, world.stranger),
    }


async def _cursor(world: World, account: Account) -> str:
    answer = await world.service.client.get("/v1/tasks?limit=1", headers=account.headers)
    cursor: str = msgspec.json.decode(answer.content)["pageInfo"]["nextCursor"]
    assert cursor
    return cursor
