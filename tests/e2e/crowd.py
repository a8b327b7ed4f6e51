"""Callers who create, claim and complete while the database is hurt, and remember each answer."""

import asyncio
import enum
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import msgspec

from tests.answers import AnswerCheck
from tests.postgres import PostgresServer

Json = dict[str, Any]

CALLERS = 8
# Nobody may wait longer for any answer, whatever happens to the database.
HANG_SECONDS = 15
# How soon somebody must succeed once the database is back.
BACK_SECONDS = 10
PAUSE_SECONDS = 0.02
# A request id, then tasks as they are kept.
KEPT = """
select payload::json ->> 'number', id, status, attempt_count
from tasks where type = 'crowd' order by id
"""


class Fate(enum.Enum):
    """What a caller knows of a request by its answer."""

    DONE = "done"
    # 503: surely nothing happened.
    REFUSED = "refused"
    # It may have happened.
    UNKNOWN = "unknown"


class Life(msgspec.Struct):
    """What is known of one task: by its number, which its payload carries."""

    number: int
    created: Fate
    id: str = ""
    claimed: Fate = Fate.REFUSED
    completed: Fate = Fate.REFUSED


class Crowd:
    """Callers of one server; `answers` counts what they were told."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self.lives: list[Life] = []
        self.answers: Counter[Fate] = Counter()
        self.longest_seconds = 0.0
        self.over = False
        self._client = client
        self._numbers = itertools.count(1)
        self._check = AnswerCheck()
        self._told = asyncio.Condition()

    async def until(self, fate: Fate, more: int, seconds: float = HANG_SECONDS) -> None:
        """Wait until so many more answers were of this kind."""
        wanted = self.answers[fate] + more
        async with asyncio.timeout(seconds), self._told:
            await self._told.wait_for(lambda: self.answers[fate] >= wanted)

    async def live(self) -> None:
        """Take tasks through their lives, one after the other, until it is over."""
        while not self.over:
            await self._one_life()

    async def _one_life(self) -> None:
        number = next(self._numbers)
        body = {"type": "crowd", "payload": {"number": number}}
        fate, task = await self._ask("/v1/tasks", body)
        life = Life(number=number, created=fate)
        self.lives.append(life)
        if fate is not Fate.DONE:
            return
        life.id = task["id"]
        life.claimed, claim = await self._ask(f"/v1/tasks/{life.id}/claim", {})
        if life.claimed is Fate.DONE:
            token = {"lease_token": claim["lease_token"]}
            life.completed, _ = await self._ask(f"/v1/tasks/{life.id}/complete", token)

    async def _ask(self, path: str, body: Json) -> tuple[Fate, Json]:
        now = asyncio.get_running_loop().time
        began = now()
        answer = await self._client.post(path, json=body)
        self.longest_seconds = max(self.longest_seconds, now() - began)
        fate = self._fate(path, answer)
        async with self._told:
            self.answers[fate] += 1
            self._told.notify_all()
        if fate is not Fate.DONE:
            await asyncio.sleep(PAUSE_SECONDS)
        told: Json = answer.json()
        return fate, told

    def _fate(self, path: str, answer: httpx2.Response) -> Fate:
        if answer.is_success:
            return Fate.DONE
        self._check.check("POST", path, answer.status_code, answer.headers, answer.content)
        action = answer.json()["agent_contract"]["next_actions"][0]
        if answer.status_code == httpx2.codes.SERVICE_UNAVAILABLE:
            assert int(answer.headers["retry-after"]) > 0
            if action["action"] == "retry_after_wait":
                return Fate.REFUSED
        assert answer.status_code in {500, 503}, answer.text
        assert action["action"] in {"check_task_status", "list_tasks"}, answer.text
        return Fate.UNKNOWN


@asynccontextmanager
async def crowd_at(url: str, key: str, callers: int = CALLERS) -> AsyncIterator[Crowd]:
    """Keep a server busy until the block ends."""
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx2.AsyncClient(base_url=url, headers=headers, timeout=HANG_SECONDS) as client:
        crowd = Crowd(client)
        running = [asyncio.create_task(crowd.live()) for _ in range(callers)]
        try:
            yield crowd
        finally:
            crowd.over = True
            await asyncio.gather(*running)


def compare(crowd: Crowd, server: PostgresServer, database: str) -> None:
    """Hold what is kept against what the callers were told."""
    kept: dict[int, tuple[str, str, int]] = {}
    for line in server.psql(KEPT, database).splitlines():
        number, task_id, status, attempts = line.split("|")
        assert int(number) not in kept, "a create happened twice"
        kept[int(number)] = (task_id, status, int(attempts))
    for life in crowd.lives:
        _compare_life(life, kept.get(life.number))


def _compare_life(life: Life, kept: tuple[str, str, int] | None) -> None:
    if life.created is not Fate.DONE:
        assert kept is None or life.created is Fate.UNKNOWN, life
        return
    assert kept is not None, f"an acknowledged task is lost: {life}"
    task_id, status, attempts = kept
    assert task_id == life.id
    expected: Mapping[Fate, set[int]] = {
        Fate.DONE: {1},
        Fate.REFUSED: {0},
        Fate.UNKNOWN: {0, 1},
    }
    assert attempts in expected[life.claimed], (life, kept)
    if life.completed is not Fate.UNKNOWN:
        assert (status == "completed") is (life.completed is Fate.DONE), (life, kept)
