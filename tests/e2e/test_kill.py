"""kill -9 at any moment: what was acknowledged is there, and nothing happened twice."""

import asyncio
import random
from pathlib import Path
from typing import Any

import apsw
import httpx2
import msgspec

from tests.e2e.serving import PATIENCE_SECONDS, Served, serving

Json = dict[str, Any]

KILLS = 10
WORKERS = 8
TYPE = "report"
ATTEMPTS_MAX = 10


class Known(msgspec.Struct):
    """What a client knows of a task, by the answers it got; requests without one may have been."""

    claims: int = 0
    maybe_claims: int = 0
    token: str | None = None
    completed: bool = False
    maybe_completed: bool = False


class Clients:
    """Workers that create, claim and complete until the server is gone."""

    def __init__(self, key: str) -> None:
        self._headers = {"Authorization": f"Bearer {key}"}
        self.tasks: dict[str, Known] = {}
        self.maybe_created = 0
        self.maybe_claimed = 0
        self.answers = 0
        self._kill_at = 0
        self._enough = asyncio.Event()

    async def work_until_killed(self, served: Served, chance: random.Random) -> None:
        """Keep the server busy, and kill it after some number of answers."""
        self._kill_at = self.answers + chance.randint(20, 200)
        self._enough = asyncio.Event()
        async with httpx2.AsyncClient(
            base_url=served.url(), headers=self._headers, timeout=PATIENCE_SECONDS
        ) as client:
            workers = [
                asyncio.create_task(self._work(client, random.Random(chance.random())))
                for _ in range(WORKERS)
            ]
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._enough.wait()
            served.process.kill()
            await asyncio.gather(*workers)
        served.ended()

    async def _work(self, client: httpx2.AsyncClient, chance: random.Random) -> None:
        try:
            while True:
                await self._create(client)
                if chance.random() < 0.8:
                    task_id = await self._claim(client)
                    if task_id is not None and chance.random() < 0.8:
                        await self._complete(client, task_id)
        except httpx2.TransportError:
            return

    async def _post(self, client: httpx2.AsyncClient, path: str, body: Json) -> Json:
        answer = await client.post(path, json=body)
        assert answer.status_code in {200, 201}, answer.text
        self.answers += 1
        if self.answers >= self._kill_at:
            self._enough.set()
        found: Json = answer.json()
        return found

    async def _create(self, client: httpx2.AsyncClient) -> None:
        self.maybe_created += 1
        body = {"type": TYPE, "payload": {}, "maxAttempts": ATTEMPTS_MAX}
        task = await self._post(client, "/v1/tasks", body)
        self.maybe_created -= 1
        self.tasks[task["id"]] = Known()

    async def _claim(self, client: httpx2.AsyncClient) -> str | None:
        self.maybe_claimed += 1
        answer = await self._post(client, "/v1/tasks/claim", {"type": TYPE})
        self.maybe_claimed -= 1
        if answer["task"] is None:
            return None
        known = self.tasks.setdefault(answer["task"]["id"], Known())
        assert not known.completed
        known.claims += 1
        known.token = answer["lease_token"]
        assert answer["task"]["attemptCount"] >= known.claims
        return str(answer["task"]["id"])

    async def _complete(self, client: httpx2.AsyncClient, task_id: str) -> None:
        known = self.tasks[task_id]
        known.maybe_completed = True
        body = {"lease_token": known.token, "result": {"by": known.token}}
        await self._post(client, f"/v1/tasks/{task_id}/complete", body)
        known.completed = True


async def check(served: Served, clients: Clients, key: str) -> None:
    """Compare every task with what the clients know of it."""
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx2.AsyncClient(
        base_url=served.url(), headers=headers, timeout=PATIENCE_SECONDS
    ) as client:
        kept = {task["id"]: task for task in await everything(client)}
    assert set(clients.tasks) <= set(kept)
    assert len(kept) <= len(clients.tasks) + clients.maybe_created
    unheard_claims = 0
    for task_id, task in kept.items():
        known = clients.tasks.get(task_id, Known())
        assert known.claims <= task["attemptCount"] <= ATTEMPTS_MAX
        unheard_claims += task["attemptCount"] - known.claims
        if known.completed:
            assert task["status"] == "completed"
            assert task["result"] == {"by": known.token}
        elif task["status"] == "completed":
            assert known.maybe_completed
        elif task["attemptCount"]:
            assert task["status"] == "claimed"
            assert task["leaseExpiresAt"] is not None
    assert unheard_claims <= clients.maybe_claimed


async def everything(client: httpx2.AsyncClient) -> list[Json]:
    """Read all tasks, page by page."""
    found: list[Json] = []
    path = "/v1/tasks?limit=100"
    while True:
        page = (await client.get(path)).json()
        found += page["items"]
        cursor = page["pageInfo"]["nextCursor"]
        if cursor is None:
            return found
        path = f"/v1/tasks?limit=100&cursor={cursor}"


def test_nothing_acknowledged_is_lost_by_kills_at_any_moment(tmp_path: Path) -> None:
    database = tmp_path / "orchestrion.db"
    chance = random.Random(20_261_122)
    with serving(database) as served:
        key = served.first_key()
    clients = Clients(key)

    for _ in range(KILLS):
        with serving(database) as served:
            asyncio.run(check(served, clients, key))
            asyncio.run(clients.work_until_killed(served, chance))

    with serving(database) as served:
        asyncio.run(check(served, clients, key))
        asyncio.run(finish(served, clients, key))
    whole(database)
    # Some requests were cut off: else nothing was tried.
    assert clients.maybe_created + clients.maybe_claimed >= KILLS


async def finish(served: Served, clients: Clients, key: str) -> None:
    """Complete what clients still hold: the leases they heard of survived every crash."""
    headers = {"Authorization": f"Bearer {key}"}
    held = [
        (task_id, known.token)
        for task_id, known in clients.tasks.items()
        if known.token is not None and not known.maybe_completed
    ]
    assert held
    async with httpx2.AsyncClient(base_url=served.url(), headers=headers) as client:
        for task_id, token in held:
            path = f"/v1/tasks/{task_id}/complete"
            answer = await client.post(path, json={"lease_token": token})
            assert answer.status_code == 200, answer.text


def whole(database: Path) -> None:
    connection = apsw.Connection(str(database))
    tasks, counted = connection.execute(
        "select (select count(*) from tasks), (select sum(tasks_in_cycle) from accounts)"
    ).get
    assert connection.pragma("integrity_check") == "ok"
    assert tasks == counted
    connection.close()
