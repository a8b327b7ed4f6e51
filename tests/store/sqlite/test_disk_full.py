"""A database that cannot grow: a clear refusal, nothing lost, and work goes on when it can."""

from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import apsw
import httpx2
import pytest

from tests.databases import SqliteDatabase
from tests.harness import Account, Harness, running

PAYLOAD = {"text": "x" * 30_000}
PAGES_LEFT = 100
ROOM = 2**30


class Filled:
    """A service whose file may grow by a few pages more, and a caller of it."""

    def __init__(
        self, service: Harness, account: Account, connections: list[apsw.Connection]
    ) -> None:
        self.service = service
        self._account = account
        # The writer's connection is the first that a server opens.
        self._writer = connections[0]
        self.acknowledged: list[str] = []

    async def post(self, path: str, body: object = None) -> httpx2.Response:
        headers = self._account.headers
        return await self.service.client.post(path, json=body, headers=headers)

    async def get(self, path: str) -> httpx2.Response:
        return await self.service.client.get(path, headers=self._account.headers)

    async def create(self, payload: object) -> httpx2.Response:
        answer = await self.post("/v1/tasks", {"type": "report", "payload": payload})
        if answer.status_code == 201:
            self.acknowledged.append(answer.json()["id"])
        return answer

    async def fill(self) -> httpx2.Response:
        """Create until there is no room; gives the refusal."""
        self._writer.pragma("max_page_count", self._writer.pragma("page_count") + PAGES_LEFT)
        for _ in range(PAGES_LEFT):
            answer = await self.create(PAYLOAD)
            if answer.status_code != 201:
                return answer
        raise AssertionError("the file was never full")

    def make_room(self) -> None:
        """Let the file grow again."""
        self._writer.pragma("max_page_count", ROOM)

    async def missing(self) -> list[str]:
        """Name what was acknowledged and is not there."""
        answers = {one: await self.get(f"/v1/tasks/{one}") for one in self.acknowledged}
        return [one for one, answer in answers.items() if answer.status_code != 200]


@pytest.fixture
async def filled(path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Filled]:
    opened: list[apsw.Connection] = []
    monkeypatch.setattr(apsw, "connection_hooks", [opened.append])
    with closing(SqliteDatabase(path)) as database:
        async with running(database) as service:
            yield Filled(service, await service.account(), opened)


async def test_a_full_database_refuses_writes_with_503_and_when_to_come_back(
    filled: Filled,
) -> None:
    refused = await filled.fill()

    body = refused.json()
    assert refused.status_code == 503
    assert body["error"] == "server_error"
    assert "nothing was changed" in body["message"]
    assert int(refused.headers["retry-after"]) > 0
    assert body["agent_contract"]["retryable"] is True
    assert len(filled.acknowledged) > 3


async def test_reads_go_on_while_the_database_is_full(filled: Filled) -> None:
    await filled.fill()

    assert await filled.missing() == []
    assert (await filled.get("/v1/tasks?limit=100")).status_code == 200
    assert (await filled.get("/readyz")).status_code == 200


async def test_what_was_refused_left_no_trace(filled: Filled) -> None:
    await filled.fill()

    listed = (await filled.get("/v1/tasks?limit=100")).json()["items"]

    assert {task["id"] for task in listed} == set(filled.acknowledged)


async def test_small_work_may_still_end_while_the_database_is_full(filled: Filled) -> None:
    await filled.create({})
    claimed = (await filled.post("/v1/tasks/claim", {"type": "report"})).json()
    await filled.fill()

    completed = await filled.post(f"/v1/tasks/{claimed['task']['id']}/complete")

    assert completed.status_code == 200


async def test_the_service_resumes_by_itself_when_there_is_room(filled: Filled) -> None:
    await filled.fill()
    before = len(filled.acknowledged)

    filled.make_room()
    answers = [await filled.create(PAYLOAD) for _ in range(20)]

    assert [answer.status_code for answer in answers] == [201] * 20
    assert len(filled.acknowledged) == before + 20
    assert await filled.missing() == []


async def test_a_service_that_stops_on_a_full_database_stops_in_order(filled: Filled) -> None:
    await filled.fill()

    await filled.service.service.stop()

    filled.make_room()
