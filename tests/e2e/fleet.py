"""Several real servers on one PostgreSQL database, and clients that go from one to another."""

import ipaddress
import itertools
import threading
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx2

from tests.databases import PostgresDatabase, Row
from tests.e2e.serving import PATIENCE_SECONDS, Launch, Served
from tests.ports import free_port

HOST = "127.0.0.1"
CONNECTIONS_MAX = 64
FORWARDED = "X-Forwarded-For"
Json = Mapping[str, Any]


class Fleet:
    """Replicas, each on a port that it keeps when it is started again."""

    def __init__(self, database: PostgresDatabase, count: int, *flags: str) -> None:
        self.database = database
        self.ports = [free_port() for _ in range(count)]
        self.urls = [f"http://{HOST}:{port}" for port in self.ports]
        self._flags = flags
        self._beside = threading.Lock()
        self.replicas = [self._started(port) for port in self.ports]
        self.ended: list[Served] = []
        self._addresses = ipaddress.IPv4Network("198.18.0.0/15").hosts()

    def again(self, index: int) -> None:
        """Start one anew, and wait until it serves."""
        self.ended.append(self.replicas[index])
        self.replicas[index] = self._started(self.ports[index])
        self.replicas[index].url()

    def address(self) -> str:
        """Give an address that no registration came from yet, for those who trust proxies."""
        return str(next(self._addresses))

    def complaints(self) -> list[Json]:
        """What replicas logged above info, but that the test server does without fsync."""
        lines = [line for one in (*self.ended, *self.replicas) for line in one.lines]
        return [
            line
            for line in lines
            if line["level"] != "info" and line["event"] != "database_at_risk"
        ]

    def fetch(self, sql: str, *values: object) -> list[Row]:
        """Read or change rows beside the replicas, from any thread."""
        with self._beside:
            return self.database.fetch(sql, *values)

    def stop(self) -> None:
        """Ask all to stop; see that they do, and well."""
        running = [one for one in self.replicas if one.process.poll() is None]
        for one in running:
            one.process.terminate()
        assert [one.ended() for one in running] == [0] * len(running)

    def kill(self) -> None:
        """Leave no process."""
        for one in self.replicas:
            if one.process.poll() is None:
                one.process.kill()
            one.ended()

    def _started(self, port: int) -> Served:
        place = ("--port", str(port), "--database", self.database.url)
        arguments = (*place, "--log-format", "json", *self._flags)
        return Served(Path(), launch=Launch(arguments=arguments))


@contextmanager
def fleet_on(database: PostgresDatabase, count: int, *flags: str) -> Iterator[Fleet]:
    """Serve on so many replicas until the block ends."""
    fleet = Fleet(database, count, *flags)
    try:
        for replica in fleet.replicas:
            replica.url()
        yield fleet
        fleet.stop()
    finally:
        fleet.kill()


class Caller:
    """One account's client of all replicas: each request goes to the next of them.

    A refused connection sends it on to another, and is all that it forgives.
    """

    def __init__(self, clients: Sequence[httpx2.AsyncClient], registered: Json) -> None:
        self.key = str(registered["apiKey"])
        self.account_id = str(registered["accountId"])
        self.refused = 0
        self._headers = {"Authorization": f"Bearer {self.key}"}
        self._clients = clients
        self._turns = itertools.cycle(range(len(clients)))

    async def ask(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        key: str | None = None,
        **headers: str,
    ) -> httpx2.Response:
        """Ask one replica or, as long as connections are refused, the others."""
        first = next(self._turns)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {**self._keyed(key), **named}
        for client in (*self._clients[first:], *self._clients[:first]):
            try:
                return await client.request(method, path, json=body, headers=sent)
            except httpx2.ConnectError:
                self.refused += 1
        raise AssertionError

    async def ask_one(self, index: int, path: str, body: Json, key: str | None = None) -> Json:
        """Send a POST to one replica that it must grant."""
        answer = await self._clients[index].post(path, json=body, headers=self._keyed(key))
        assert answer.is_success, answer.text
        found: Json = answer.json()
        return found

    def _keyed(self, key: str | None) -> dict[str, str]:
        return self._headers if key is None else {**self._headers, "Idempotency-Key": key}

    async def create(self, **fields: object) -> httpx2.Response:
        return await self.ask("POST", "/v1/tasks", {"type": "report", "payload": {}, **fields})

    async def claim(self, **fields: object) -> httpx2.Response:
        return await self.ask("POST", "/v1/tasks/claim", {"type": "report", **fields})

    async def verb(self, verb: str, lease: Json, **fields: object) -> httpx2.Response:
        """Use a lease: complete, fail or heartbeat."""
        body = {"lease_token": lease["lease_token"], **fields}
        return await self.ask("POST", f"/v1/tasks/{lease['task']['id']}/{verb}", body)


@asynccontextmanager
async def calling(fleet: Fleet, plan: str = "free") -> AsyncIterator[Caller]:
    """Register an account, put it on a plan, and call all replicas with its key."""
    limits = httpx2.Limits(max_connections=CONNECTIONS_MAX)
    clients = [
        httpx2.AsyncClient(base_url=url, timeout=PATIENCE_SECONDS, limits=limits)
        for url in fleet.urls
    ]
    try:
        forwarded = {FORWARDED: fleet.address()}
        registered = await clients[0].post("/v1/keys/register", headers=forwarded)
        assert registered.status_code == 201, registered.text
        caller = Caller(clients, registered.json())
        put_on_plan(fleet, caller, plan)
        yield caller
    finally:
        for client in clients:
            await client.aclose()


def put_on_plan(fleet: Fleet, caller: Caller, plan: str) -> None:
    """Change an account's plan; replicas that know its key may take a few seconds to see it."""
    fleet.fetch("update accounts set plan = $1 where id = $2", plan, caller.account_id)
