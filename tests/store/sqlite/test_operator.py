"""Keys and backups beside a server that writes."""

import asyncio
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from itertools import count
from pathlib import Path

import apsw
import pytest

from orchestrion.core.faults import StoreRefused
from orchestrion.core.outcomes import Changed
from orchestrion.store.sqlite import operator
from orchestrion.store.sqlite.database import Place, connect
from tests.engine.engines import PATIENCE_SECONDS, Engine
from tests.factories import ACCOUNT_ID, expect
from tests.store.sqlite.files import running_engine
from tests.unit import asks

ENOUGH = 200


class Writing:
    """Creates one task after the other and remembers those that were acknowledged."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._grown = asyncio.Condition()
        self.acknowledged: list[str] = []
        self.tasks = [asyncio.create_task(self._write(number)) for number in range(4)]

    async def _write(self, writer: int) -> None:
        for number in count(writer, 4):
            outcome = await self._engine.writer.submit(asks.create(number, payload=PAYLOAD))
            self.acknowledged.append(expect(Changed, outcome).task.id)
            async with self._grown:
                self._grown.notify_all()

    async def reaches(self, number: int) -> None:
        """Wait until so many tasks are acknowledged."""
        async with asyncio.timeout(60), self._grown:
            await self._grown.wait_for(lambda: len(self.acknowledged) >= number)


PAYLOAD = '{"text":"' + "x" * 2_000 + '"}'


@asynccontextmanager
async def writing(path: Path) -> AsyncIterator[Writing]:
    async with running_engine(path) as engine:
        writing = Writing(engine)
        try:
            yield writing
        finally:
            for task in writing.tasks:
                task.cancel()
            await asyncio.gather(*writing.tasks, return_exceptions=True)


def ids_in(path: Path) -> set[str]:
    connection = apsw.Connection(str(path))
    found = {name for (name,) in connection.execute("select id from tasks")}
    connection.close()
    return found


# --- backup


async def test_a_backup_beside_a_writing_server_is_whole_and_of_one_moment(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operator, "BACKUP_PAGES", 5)
    copy = path.with_name("copy.db")
    async with writing(path) as server:
        await server.reaches(ENOUGH)
        before = set(server.acknowledged)
        reached = len(before)

        steps: list[tuple[int, int]] = []
        loop = asyncio.get_running_loop()

        def written_meanwhile(*step: int) -> None:
            steps.append((step[0], step[1]))
            if len(steps) % 10 == 0:
                more = server.reaches(len(server.acknowledged) + 1)
                asyncio.run_coroutine_threadsafe(more, loop).result(PATIENCE_SECONDS)

        await asyncio.to_thread(operator.backup, path, copy, written_meanwhile)
        await server.reaches(reached + 10)
        after = set(server.acknowledged)

    restored = connect(Place(path=copy))
    assert restored.pragma("integrity_check") == "ok"
    assert restored.pragma("foreign_key_check") is None
    assert before <= ids_in(copy) <= after | ids_in(path)
    created = restored.execute("select tasks_in_cycle from accounts").get
    assert created == len(ids_in(copy))
    restored.close()
    assert len(steps) > 20
    assert len({pages for _, pages in steps}) == 1
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)
    assert steps[-1][0] == steps[-1][1]
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600


async def test_a_server_starts_on_a_restored_backup_and_goes_on(path: Path) -> None:
    copy = path.with_name("copy.db")
    async with writing(path) as server:
        await server.reaches(ENOUGH)
        await asyncio.to_thread(operator.backup, path, copy, lambda *_: None)

    kept = ids_in(copy)
    async with running_engine(copy) as engine:
        await engine.together([asks.create(10**9)])

        assert engine.count("select count(*) from tasks") == len(kept) + 1


async def test_a_backup_of_an_idle_file_needs_no_server(path: Path) -> None:
    async with running_engine(path) as engine:
        await engine.together(asks.create(number) for number in range(7))
    copy = path.with_name("copy.db")

    operator.backup(path, copy, lambda *_: None)

    assert ids_in(copy) == ids_in(path)


def test_a_backup_of_nothing_is_refused(path: Path) -> None:
    with pytest.raises(StoreRefused, match="there is no database at"):
        operator.backup(path, path.with_name("copy.db"), lambda *_: None)


async def test_a_backup_that_breaks_off_leaves_no_file(path: Path) -> None:
    async with running_engine(path) as engine:
        await engine.together([asks.create(1)])
    before = {one.name for one in path.parent.iterdir()}
    path.with_name("no-folder").write_bytes(b"")

    with pytest.raises(StoreRefused, match="cannot back"):
        operator.backup(path, path.with_name("no-folder") / "copy.db", lambda *_: None)

    assert {one.name for one in path.parent.iterdir()} == before | {"no-folder"}


async def test_a_backup_leaves_alone_what_another_is_writing(path: Path) -> None:
    async with running_engine(path):
        pass
    theirs = path.with_name("copy.db.partial")
    theirs.touch()

    with pytest.raises(StoreRefused, match="File exists"):
        operator.backup(path, path.with_name("copy.db"), lambda *_: None)

    assert theirs.exists()


async def test_a_backup_that_is_interrupted_leaves_no_file(path: Path) -> None:
    async with running_engine(path):
        pass

    def interrupt(_done: int, _all: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        operator.backup(path, path.with_name("copy.db"), interrupt)

    assert list(path.parent.glob("copy.db*")) == []


async def test_a_backup_is_no_second_chance_for_a_file_in_place(path: Path) -> None:
    async with running_engine(path):
        pass
    copy = path.with_name("copy.db")
    copy.write_bytes(b"precious")

    with pytest.raises(StoreRefused, match="exists"):
        operator.backup(path, copy, lambda *_: None)

    assert copy.read_bytes() == b"precious"


# --- keys


async def test_keys_are_made_and_revoked_beside_a_writing_server(path: Path) -> None:
    async with writing(path) as server:
        await server.reaches(10)

        made = [
            await asyncio.to_thread(operator.create_key, path, ACCOUNT_ID, None) for _ in range(20)
        ]
        revoked = await asyncio.to_thread(operator.revoke_key, path, made[3].key_id)
        listed = await asyncio.to_thread(operator.list_keys, path)

    assert revoked
    assert {row.key_id for row in listed} == {one.key_id for one in made}
    assert [row.key_id for row in listed if row.revoked_at is not None] == [made[3].key_id]


async def test_a_key_of_a_new_account_is_known_to_the_server(path: Path) -> None:
    async with running_engine(path) as engine:
        made = await asyncio.to_thread(operator.create_key, path, None, "ops@example.com")

        created = await engine.together([asks.create(1, account_id=made.account_id)])

    assert isinstance(created[0], Changed)


def test_revoking_an_unknown_key_says_so(path: Path) -> None:
    operator.create_key(path, None, None)

    assert not operator.revoke_key(path, "key_unknown")


def test_an_operator_meets_a_file_that_is_no_database_with_one_sentence(path: Path) -> None:
    path.write_bytes(b"no database" * 1_000)

    with pytest.raises(StoreRefused, match=f"the database {path}: "):
        operator.list_keys(path)


def test_an_operator_leaves_a_newer_database_alone(path: Path) -> None:
    operator.create_key(path, None, None)
    with closing(connect(Place(path=path))) as connection:
        connection.execute("insert into schema_migrations values (99, 'later', 0)")

    with pytest.raises(StoreRefused, match="newer version"):
        operator.create_key(path, None, None)
    with pytest.raises(StoreRefused, match="newer version"):
        operator.list_keys(path)


def test_an_unknown_account_leaves_no_key_behind(path: Path) -> None:
    with pytest.raises(StoreRefused, match="there is no account acct_none"):
        operator.create_key(path, "acct_none", None)

    assert operator.list_keys(path) == []
