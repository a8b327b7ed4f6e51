"""A synchronous standby takes over: the service goes on by itself, nothing acknowledged is lost."""

import asyncio
import time
from collections.abc import Iterator
from types import MappingProxyType
from typing import Any, Final

import httpx2
import pytest

from tests.e2e.crew import Crew, crew_on, until
from tests.e2e.serving import PATIENCE_SECONDS
from tests.postgres import HOST, OWNER, PostgresServer

CLIENTS: Final = 8
BEFORE: Final = 200
AFTER: Final = 200
# From the standby's promotion to the first write that is acknowledged again.
RECOVERY_SECONDS_MAX: Final = 10
REPLICATING: Final = MappingProxyType({"wal_level": "replica", "max_wal_senders": "4"})

Json = dict[str, Any]


class Standby(PostgresServer):
    """A second server that follows a first one."""

    def __init__(self, primary: PostgresServer) -> None:
        self._primary = primary
        super().__init__(REPLICATING)

    def promote(self) -> None:
        """Let it take writes, and wait until it does."""
        assert self.psql("select pg_promote(wait_seconds => 60)") == "t"

    def _initialise(self) -> None:
        source = f"host={HOST} port={self._primary.port} user={OWNER} application_name=standby"
        self._run(
            "pg_basebackup",
            *("--dbname", source, "--pgdata", str(self.data), "--checkpoint=fast", "--no-sync"),
            # Which also keeps the address, for following.
            *("--wal-method=stream", "--write-recovery-conf"),
        )


class Clients:
    """Create, claim and complete; keep what was acknowledged, and bear every refusal."""

    def __init__(self, crew: Crew, key: str) -> None:
        self._url = crew.url()
        self._headers = {"Authorization": f"Bearer {key}"}
        self.created: set[str] = set()
        self.completed: set[str] = set()
        self.acknowledged = 0
        self.refused: list[int] = []
        self.last_at = 0.0
        self.ended = asyncio.Event()

    async def run(self) -> None:
        """Work until the end is told."""
        async with asyncio.TaskGroup() as clients:
            for _ in range(CLIENTS):
                clients.create_task(self._client())

    async def until_acknowledged(self, more: int) -> None:
        """Wait for so many answers more."""
        target = self.acknowledged + more
        await asyncio.to_thread(until, lambda: self.acknowledged >= target)

    async def _client(self) -> None:
        async with httpx2.AsyncClient(
            base_url=self._url, headers=self._headers, timeout=2 * PATIENCE_SECONDS
        ) as client:
            while not self.ended.is_set():
                created = await self._post(client, "/v1/tasks", type="report", payload={})
                if created:
                    self.created.add(created["id"])
                claim = await self._post(client, "/v1/tasks/claim", type="report")
                if claim and claim["task"]:
                    await self._complete(client, claim)

    async def _complete(self, client: httpx2.AsyncClient, claim: Json) -> None:
        task_id = claim["task"]["id"]
        token = claim["lease_token"]
        if await self._post(client, f"/v1/tasks/{task_id}/complete", lease_token=token):
            self.completed.add(task_id)

    async def _post(self, client: httpx2.AsyncClient, path: str, **body: object) -> Json:
        answer = await client.post(path, json=body)
        if answer.is_success:
            self.acknowledged += 1
            self.last_at = time.monotonic()
            found: Json = answer.json()
            return found
        assert answer.status_code in {500, 503}, answer.text
        self.refused.append(answer.status_code)
        await asyncio.sleep(0.05)
        return {}


@pytest.fixture
def pair() -> Iterator[tuple[PostgresServer, Standby]]:
    """Run a server whose commits wait for its standby."""
    with PostgresServer(REPLICATING) as primary, Standby(primary) as standby:
        primary.psql("alter system set synchronous_standby_names = 'standby'")
        primary.psql("select pg_reload_conf()")
        until(lambda: primary.psql("select sync_state from pg_stat_replication") == "sync")
        yield primary, standby


def url_of(*servers: PostgresServer) -> str:
    hosts = ",".join(f"{HOST}:{server.port}" for server in servers)
    return f"postgresql://{OWNER}@{hosts}/{OWNER}?target_session_attrs=read-write"


@pytest.mark.slow
async def test_a_promoted_standby_has_all_that_was_acknowledged(
    pair: tuple[PostgresServer, Standby],
) -> None:
    primary, standby = pair
    with crew_on(url_of(primary, standby), 1) as crew:
        clients = Clients(crew, crew.first_key())
        working = asyncio.create_task(clients.run())
        await clients.until_acknowledged(BEFORE)
        await asyncio.to_thread(primary.kill)
        await asyncio.to_thread(until, lambda: len(clients.refused) > CLIENTS)
        await asyncio.to_thread(standby.promote)
        promoted_at = time.monotonic()
        await clients.until_acknowledged(1)
        recovered_at = clients.last_at
        await clients.until_acknowledged(AFTER)
        clients.ended.set()
        await working

    kept = dict(line.split("|") for line in standby.psql("select id, status from tasks").split())
    assert clients.created <= set(kept)
    assert {kept[task_id] for task_id in clients.completed} == {"completed"}
    assert recovered_at - promoted_at < RECOVERY_SECONDS_MAX


@pytest.mark.slow
def test_what_the_standby_did_not_confirm_is_told_to_be_unknown(
    pair: tuple[PostgresServer, Standby],
) -> None:
    primary, standby = pair
    with crew_on(url_of(primary, standby), 1) as crew:
        headers = {"Authorization": f"Bearer {crew.first_key()}"}
        with httpx2.Client(
            base_url=crew.url(), headers=headers, timeout=2 * PATIENCE_SECONDS
        ) as client:
            body = {"type": "report", "payload": {}, "idempotencyKey": "once"}
            standby.stop()
            unknown = client.post("/v1/tasks", json=body)
            standby.start()
            until(lambda: primary.psql("select sync_state from pg_stat_replication") == "sync")
            again = client.post("/v1/tasks", json=body)

    assert unknown.status_code == 503
    assert unknown.json()["message"].startswith("The write may or may not have taken effect")
    assert (again.status_code, again.headers["idempotent-replayed"]) == (201, "true")
    assert primary.psql("select count(*) from tasks") == "1"
