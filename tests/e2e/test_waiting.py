"""Claims that wait on real servers: clients that hang up, a stop, and two replicas."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest

from tests.databases import Databases, PostgresDatabase
from tests.e2e.fleet import Fleet, calling, fleet_on
from tests.e2e.serving import PATIENCE_SECONDS, Served, serving

# Much less than the seconds between two looks at the database, and than any wait here.
SOON_SECONDS = 2.0
NEW = {"type": "report", "payload": {}}
WAITING = {"type": "report", "wait_seconds": 50}
NOTIFIERS = "application_name = 'orchestrion notifier' and datname = current_database()"


@asynccontextmanager
async def client_of(served: Served) -> AsyncIterator[httpx2.AsyncClient]:
    """Call with the key that a server on an empty database prints."""
    headers = {"Authorization": f"Bearer {served.first_key()}"}
    limits = httpx2.Limits(max_connections=100)
    async with httpx2.AsyncClient(
        base_url=served.url(), headers=headers, timeout=60, limits=limits
    ) as client:
        yield client


async def waiting(served: Served, count: int) -> None:
    """Wait until so many claims wait."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            page = await asyncio.to_thread(
                httpx2.get, f"http://127.0.0.1:{served.metrics_port}/metrics"
            )
            if f"orchestrion_waiting {count}.0" in page.text:
                return
            await asyncio.sleep(0.01)


def claim_by_hand(served: Served, key: str) -> socket.socket:
    """Send a claim that waits, on a connection of its own."""
    host, port = served.url().removeprefix("http://").split(":")
    body = json.dumps(WAITING).encode()
    connection = socket.create_connection((host, int(port)), PATIENCE_SECONDS)
    head = (
        "POST /v1/tasks/claim HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: Bearer {key}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    connection.sendall(head.encode() + body)
    return connection


async def test_a_client_that_hung_up_gets_no_task(tmp_path: Path) -> None:
    with serving(tmp_path / "orchestrion.db") as served:
        async with client_of(served) as client:
            connections = [claim_by_hand(served, served.first_key()) for _ in range(8)]
            await waiting(served, 8)
            for connection in connections:
                connection.close()
            await waiting(served, 0)

            created = (await client.post("/v1/tasks", json=NEW)).json()
            claimed = (await client.post("/v1/tasks/claim", json={"type": "report"})).json()

    assert claimed["task"]["id"] == created["id"]
    assert claimed["task"]["attemptCount"] == 1


async def test_a_stop_answers_whoever_waits_at_once(tmp_path: Path) -> None:
    with serving(tmp_path / "orchestrion.db") as served:
        async with client_of(served) as client:
            claims = [
                asyncio.create_task(client.post("/v1/tasks/claim", json=WAITING)) for _ in range(20)
            ]
            await waiting(served, 20)

            began = time.monotonic()
            served.process.terminate()
            answers = await asyncio.gather(*claims)
            answered = time.monotonic() - began

        assert served.ended() == 0

    assert answered < SOON_SECONDS
    assert {answer.status_code for answer in answers} == {200}
    assert [answer.json()["task"] for answer in answers] == [None] * 20
    assert {answer.headers["connection"] for answer in answers} == {"close"}


async def test_those_who_wait_are_handed_tasks_soon_and_in_order(tmp_path: Path) -> None:
    with serving(tmp_path / "orchestrion.db") as served:
        async with client_of(served) as client:
            claims = []
            for number in range(5):
                claims.append(asyncio.create_task(client.post("/v1/tasks/claim", json=WAITING)))
                await waiting(served, number + 1)
            for claim in claims:
                began = time.monotonic()
                created = (await client.post("/v1/tasks", json=NEW)).json()
                answer = (await claim).json()

                assert answer["task"]["id"] == created["id"]
                assert time.monotonic() - began < SOON_SECONDS


# --- two replicas


@pytest.fixture
def database(databases: Databases) -> Iterator[PostgresDatabase]:
    with databases.postgres.made() as database:
        yield database


@pytest.fixture
def fleet(database: PostgresDatabase) -> Iterator[Fleet]:
    with fleet_on(database, 2) as fleet:
        yield fleet


async def listening(fleet: Fleet, count: int) -> None:
    """Wait until so many replicas listen."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            ((found,),) = await asyncio.to_thread(
                fleet.fetch, f"select count(*) from pg_stat_activity where {NOTIFIERS}"
            )
            if found == count:
                return
            await asyncio.sleep(0.01)


async def handed_over(fleet: Fleet) -> float:
    """Let one replica hold a claim and the other create the task; gives the seconds between."""
    async with calling(fleet) as caller:
        claim = asyncio.create_task(caller.ask_one(1, "/v1/tasks/claim", WAITING))
        # It waits once it has asked: a later claim of the same replica was decided after it.
        await caller.ask_one(1, "/v1/tasks/claim", {"type": "mail"})
        began = time.monotonic()
        created = await caller.ask_one(0, "/v1/tasks", NEW)
        assert (await claim)["task"]["id"] == created["id"]
        return time.monotonic() - began


async def test_a_task_created_on_one_replica_is_handed_out_by_another(fleet: Fleet) -> None:
    await listening(fleet, 2)

    took = [await handed_over(fleet) for _ in range(5)]

    # By the wake-up, for looks are further apart.
    assert max(took) < SOON_SECONDS, took


async def test_replicas_that_lost_their_wake_ups_find_each_other_again(fleet: Fleet) -> None:
    await listening(fleet, 2)
    for _ in range(2):
        fleet.fetch(f"select pg_terminate_backend(pid) from pg_stat_activity where {NOTIFIERS}")

        # With or without wake-ups: the database is looked at more often while there are none.
        assert await handed_over(fleet) < PATIENCE_SECONDS

        await listening(fleet, 2)
    assert await handed_over(fleet) < SOON_SECONDS
    lost = [line for line in fleet.complaints() if line["event"] == "wakeups_lost"]
    assert len(lost) == len(fleet.complaints()) == 4


async def test_behind_a_pooler_without_a_direct_connection_replicas_look(
    database: PostgresDatabase,
) -> None:
    with fleet_on(database, 2, "--database-pooler", "transaction") as fleet:
        assert await handed_over(fleet) < PATIENCE_SECONDS
        ((listeners,),) = fleet.fetch(f"select count(*) from pg_stat_activity where {NOTIFIERS}")

    assert listeners == 0


async def test_behind_a_pooler_a_direct_connection_wakes(database: PostgresDatabase) -> None:
    flags = ("--database-pooler", "transaction", "--notify-database", database.url)
    with fleet_on(database, 2, *flags) as fleet:
        await listening(fleet, 2)

        assert await handed_over(fleet) < SOON_SECONDS
