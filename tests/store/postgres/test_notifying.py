"""Wake-ups between servers: told in one breath, never to oneself, and for ever."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager

import msgspec
import pytest

from orchestrion.core.claimable import ALREADY, Claimable
from orchestrion.core.ids import AccountId
from orchestrion.core.instants import Instant
from orchestrion.store.postgres import notifying
from orchestrion.store.postgres.notifying import (
    CHANNEL,
    LOOK,
    PAYLOAD_BYTES_MAX,
    TOLD_MAX,
    Deaf,
    PostgresWakeups,
    Told,
    wakeups_of,
)
from orchestrion.store.postgres.place import Place
from tests.databases import Databases, PostgresDatabase

PATIENCE_SECONDS = 20
ACCOUNT = AccountId("acct_1")
REPORT = Claimable(ACCOUNT, "report", 1, ALREADY)
LISTENERS = "application_name = 'orchestrion notifier' and datname = current_database()"


@pytest.fixture
def database(databases: Databases) -> Iterator[PostgresDatabase]:
    with databases.postgres.lent() as database:
        yield database


class Server:
    """One server's wake-ups, and what it lost."""

    def __init__(self, url: str) -> None:
        self.wakeups = PostgresWakeups(Place(url=url))
        self.lost: list[Exception] = []
        self.losing = asyncio.Event()

    def lose(self, error: Exception) -> None:
        """Take note of an outage."""
        self.lost.append(error)
        self.losing.set()

    async def heard(self) -> list[Claimable] | None:
        """Wait for what others tell."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            found = await self.wakeups.heard()
        return None if found is None else list(found)

    async def listening(self) -> None:
        """Wait until it listens, and has heard that it may have missed something."""
        assert await self.heard() is None
        assert self.wakeups.listening


@asynccontextmanager
async def running(url: str) -> AsyncIterator[Server]:
    server = Server(url)
    task = asyncio.create_task(server.wakeups.run(server.lose))
    try:
        yield server
    finally:
        task.cancel()
        await asyncio.wait([task])
        assert not server.wakeups.listening


@pytest.fixture
async def servers(database: PostgresDatabase) -> AsyncIterator[list[Server]]:
    """Two servers that listen, and have greeted each other."""
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(running(database.url))
        await first.listening()
        second = await stack.enter_async_context(running(database.url))
        await second.listening()
        # The second one says that it may have told things before, when nobody could hear.
        assert await first.heard() is None
        yield [first, second]


async def test_what_one_tells_the_other_hears(servers: list[Server]) -> None:
    first, second = servers

    first.wakeups.announce([REPORT])
    assert await second.heard() == [REPORT]
    second.wakeups.announce([Claimable(ACCOUNT, "mail", 3, Instant(5))])

    # And not what it told itself.
    assert await first.heard() == [Claimable(ACCOUNT, "mail", 3, Instant(5))]


async def test_what_gathers_meanwhile_is_told_at_once_and_summed_up(
    servers: list[Server],
) -> None:
    first, second = servers

    for _ in range(1_000):
        first.wakeups.announce([REPORT])
    heard: list[Claimable] = []
    told = 0
    while sum(one.count for one in heard) < 1_000:
        heard += await second.heard() or []
        told += 1

    assert {(one.account_id, one.type) for one in heard} == {(ACCOUNT, "report")}
    assert told <= 2


async def test_more_than_a_notification_holds_is_told_as_look_for_yourselves(
    servers: list[Server],
) -> None:
    first, second = servers

    first.wakeups.announce([Claimable(ACCOUNT, "x" * 90 + f"{n}", 1, ALREADY) for n in range(99)])

    assert await second.heard() is None


async def test_what_cannot_be_read_is_taken_as_look_for_yourselves(
    database: PostgresDatabase, servers: list[Server]
) -> None:
    for said in ("{", '[["acct_1"]]', '{"newer": true}'):
        database.fetch("select pg_notify($1, $2)", CHANNEL, said)

        assert [await server.heard() for server in servers] == [None, None]


async def test_what_is_not_taken_is_summed_up(
    servers: list[Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifying, "HEARD_MAX", 2)
    first, second = servers

    first.wakeups.announce([Claimable(ACCOUNT, f"type{number}", 1, ALREADY) for number in range(3)])

    assert await second.heard() is None


async def test_a_session_that_ends_is_replaced_and_told_of(
    database: PostgresDatabase, servers: list[Server]
) -> None:
    first, second = servers
    for _ in range(2):
        database.fetch(f"select pg_terminate_backend(pid) from pg_stat_activity where {LISTENERS}")
        for server in servers:
            await server.listening()

    assert [len(server.lost) for server in servers] == [2, 2]
    first.wakeups.announce([REPORT])
    heard: list[Claimable] | None = None
    while heard is None:
        heard = await second.heard()
    assert heard == [REPORT]


async def test_a_database_that_is_away_is_told_of_once_and_tried_for_ever(
    database: PostgresDatabase,
) -> None:
    trouble = database.trouble
    trouble.unreachable = True
    async with running(trouble.url) as server:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await server.losing.wait()
        server.wakeups.announce([REPORT])
        trouble.heal()
        await server.listening()

    assert len(server.lost) == 1


async def test_a_silent_session_is_asked_whether_it_lives(
    servers: list[Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifying, "SILENT_SECONDS", 0.01)
    first, second = servers
    first.wakeups.announce([REPORT])
    assert await second.heard() == [REPORT]

    second.wakeups.announce([REPORT])

    assert await first.heard() == [REPORT]
    assert (first.lost, second.lost) == ([], [])


def test_a_payload_never_grows_too_large() -> None:
    told = Told()
    told.add([Claimable(ACCOUNT, f"type{number}", 1, ALREADY) for number in range(200)])
    assert len(told.take()) <= PAYLOAD_BYTES_MAX
    assert not told

    told.add([Claimable(ACCOUNT, f"type{number}", 1, ALREADY) for number in range(TOLD_MAX + 1)])
    assert told
    assert told.take() == LOOK
    told.add([REPORT])
    assert msgspec.json.decode(told.take(), type=list[Claimable]) == [REPORT]


async def test_behind_a_pooler_only_a_direct_connection_listens() -> None:
    url = "postgresql://pooler/d"
    direct = wakeups_of(Place(url=url, pooler="transaction", notify_url="postgresql://h/d"))
    deaf = wakeups_of(Place(url=url, pooler="transaction"))

    assert isinstance(direct, PostgresWakeups)
    assert isinstance(wakeups_of(Place(url=url)), PostgresWakeups)
    assert isinstance(deaf, Deaf)
    assert not deaf.listening
    deaf.announce([REPORT])
    await deaf.run(list[Exception]().append)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await deaf.heard()
