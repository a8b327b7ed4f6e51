"""What a server does for another account's id is what it does for an id that never was.

Times can be measured only where nothing else runs (`python -m benchmarks.timing`). Here the work
itself is compared: the statements on a file, and on every database what is asked of the store.
"""

import re
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Final, cast

import apsw
import pytest

from orchestrion.core.ids import KEY_ENTROPY_BYTES, api_key
from orchestrion.core.operations import OPERATIONS, Operation
from orchestrion.core.plans import SELF_HOSTED, Catalogue
from orchestrion.core.view import Needs, View
from tests.databases import KINDS, SQLITE, Backend, Database, Databases
from tests.http.asking import Answer, Ask
from tests.http.test_tenants import ROWS, call
from tests.http.world import World, peopled

# Operations on one task of the caller's account.
BY_ID: Final = [row for row in OPERATIONS if "{id}" in row.path]
# Where ids stand in the body, and what is sent for each.
IN_BODY: Final = ("wait", "complete", "fail", "heartbeat")
UNKNOWN_KEY: Final = api_key(bytes(range(KEY_ENTROPY_BYTES)))
_ID: Final = re.compile(rb"tsk_[0-9A-Z]{26}")


class Noting:
    """Stands before a reader or a store, and notes what is asked of it."""

    def __init__(self, inner: object, notes: list[object]) -> None:
        self._inner = inner
        self._notes = notes

    def __getattr__(self, name: str) -> object:
        found = getattr(self._inner, name)
        if name == "transact":
            return self._transact
        if not callable(found):
            return found

        def note(*asked: object, **named: object) -> object:
            self._notes.append((name, len(asked), sorted(named)))
            return found(*asked, **named)

        return note

    async def _transact(self, needs: Needs, decide: Callable[[View], object]) -> object:
        wanted = {
            part: len(getattr(needs, part))
            for part in Needs.__slots__
            if getattr(needs, part, None)
        }
        self._notes.append(("transact", wanted))
        return await cast("Any", self._inner).transact(needs, decide)


class NotedBackend:
    """A backend whose reader and store are listened to."""

    def __init__(self, backend: Backend, notes: list[object]) -> None:
        self._backend = backend
        self.clock = backend.clock
        self.reader = Noting(backend.reader, notes)
        self.store = Noting(backend.store, notes)

    async def close(self) -> None:
        await self._backend.close()


class NotedDatabase:
    """A database that opens so; everything else is as it was."""

    def __init__(self, database: Database, notes: list[object]) -> None:
        self._database = database
        self._notes = notes

    async def open(self, catalogue: Catalogue = SELF_HOSTED) -> NotedBackend:
        return NotedBackend(await self._database.open(catalogue), self._notes)

    def __getattr__(self, name: str) -> object:
        return getattr(self._database, name)


class Watched:
    """A world, and what is done in it."""

    def __init__(self, world: World, notes: list[object]) -> None:
        self.world = world
        self.notes = notes

    async def noted(self, operation: Operation, key: str, task: str = "") -> list[object]:
        """Give what one request had done, and how it was answered."""
        self.notes.clear()
        answer = await call(self.world, operation, key, task)
        return [*self.notes, answer]

    async def sent(self, verb: str, task: str) -> list[object]:
        """Name a task in a body, as the stranger."""
        item = f'{{"id": "{task}", "lease_token": "lse_none"}}'
        body = f'{{"ids": ["{task}"]}}' if verb == "wait" else f'{{"items": [{item}]}}'
        key = self.world.stranger.key
        self.notes.clear()
        answer = await self.world.asker.ask(
            Ask(
                method="POST",
                target=f"/v1/tasks/{verb}".encode(),
                headers=(
                    (b"authorization", f"Bearer {key}".encode()),
                    (b"content-type", b"application/json"),
                    (b"x-request-id", b"the-same-for-all"),
                ),
                body=body.encode(),
            )
        )
        return [*self.notes, _without_ids(answer)]


@pytest.fixture(params=KINDS)
async def watched(
    databases: Databases, request: pytest.FixtureRequest, statements: list[object]
) -> AsyncIterator[Watched]:
    with databases.fresh(request.param) as database:
        noted = cast("Database", NotedDatabase(database, statements))
        async with peopled(noted) as world:
            yield Watched(world, statements)


@pytest.fixture
def statements() -> Iterator[list[object]]:
    """Note every statement of connections to files that are opened from now on."""
    notes: list[object] = []

    def listen(connection: apsw.Connection) -> None:
        connection.trace_v2(apsw.SQLITE_TRACE_STMT, lambda told: notes.append(told["sql"]))

    apsw.connection_hooks.append(listen)
    yield notes
    apsw.connection_hooks.remove(listen)


async def test_for_another_accounts_task_the_same_is_done_as_for_none(watched: Watched) -> None:
    world = watched.world
    for operation in BY_ID:
        task = world.names[ROWS[operation.name].task]
        # Once before, so that neither is the first to do anything.
        await watched.noted(operation, "<other_key>", world.names["unknown"])

        foreign = await watched.noted(operation, "<other_key>", task)
        unknown = await watched.noted(operation, "<other_key>", world.names["unknown"])

        assert foreign == unknown, operation.name
        assert len(foreign) > 1, operation.name


async def test_for_another_accounts_task_in_a_body_the_same_is_done_as_for_none(
    watched: Watched,
) -> None:
    world = watched.world
    for verb in IN_BODY:
        await watched.sent(verb, world.names["unknown"])

        foreign = await watched.sent(verb, world.names["claimed"])
        unknown = await watched.sent(verb, world.names["unknown"])

        assert foreign == unknown, verb
        assert len(foreign) > 1, verb


async def test_for_a_revoked_key_the_same_is_done_as_for_an_unknown_one(watched: Watched) -> None:
    (operation,) = (row for row in OPERATIONS if row.name == "list_tasks")
    await watched.noted(operation, UNKNOWN_KEY)

    revoked = await watched.noted(operation, "<revoked_key>")
    unknown = await watched.noted(operation, UNKNOWN_KEY)

    assert revoked == unknown
    assert len(revoked) > 1


async def test_what_is_done_is_seen(watched: Watched) -> None:
    (operation,) = (row for row in OPERATIONS if row.name == "check_task_status")

    noted = await watched.noted(operation, "<key>", watched.world.names["completed"])

    assert ("task", 2, []) in noted
    if watched.world.database.kind == SQLITE:
        assert any("from tasks" in str(one) for one in noted)


def _without_ids(answer: Answer) -> Answer:
    body = _ID.sub(b"tsk_", answer.body)
    headers = {**answer.headers, "content-length": str(len(body))}
    return Answer(status=answer.status, headers=headers, body=body)
