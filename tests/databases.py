"""The kinds of database that everything is tested on, each handed out empty.

A test that takes the fixture `database` runs once on each kind.
"""

import contextlib
import hashlib
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import urlsplit, urlunsplit

import apsw
import asyncpg
from msgspec.structs import astuple

from orchestrion.core import ids
from orchestrion.core.account import Account
from orchestrion.core.clock import Clock
from orchestrion.core.plans import SELF_HOSTED, Catalogue
from orchestrion.core.purchase import Purchase
from orchestrion.core.task import Status, Task
from orchestrion.core.view import IdempotencyRow
from orchestrion.engine.ports import Reader, Store
from orchestrion.store import rows
from orchestrion.store.address import Batches
from orchestrion.store.postgres.backend import open_backend
from orchestrion.store.postgres.migrating import prepare
from orchestrion.store.postgres.place import Place as PostgresPlace
from orchestrion.store.sqlite.backend import Backend as SqliteBackend
from orchestrion.store.sqlite.database import Place as SqlitePlace
from orchestrion.store.sqlite.database import connect, open_writer
from tests.clocks import SettableClock
from tests.desk import Desk
from tests.disks import Disk
from tests.postgres import PostgresServer
from tests.proxy import Proxy

SQLITE: Final = "sqlite"
POSTGRES: Final = "postgres"
# The same database, given batches of one account only, as a distributed one needs them.
BY_ACCOUNT: Final = "postgres-by-account"
SHARED: Final = (POSTGRES, BY_ACCOUNT)
KINDS: Final = (SQLITE, *SHARED)
SERVER_VARIABLE: Final = "ORCHESTRION_TEST_DATABASE_URL"
_ACCOUNT_COLUMNS: Final = Account.__struct_fields__
_TASK_COLUMNS: Final = (*Task.__struct_fields__, "due_at")
_IDEMPOTENCY_COLUMNS: Final = ("account_id", "key", "request_digest", "created_at", "first")
_PURCHASE_COLUMNS: Final = (*Purchase.__struct_fields__, "settle_at")
RECORD: Final = "schema_migrations"
MARKS: Final = "marks"
LEASES_UNKNOWN: Final = 2**40
_CHANGES: Final = re.compile(r"\d+$")

Row = tuple[Any, ...]


class CountingStore(Store, Protocol):
    """A store that says how often it committed."""

    @property
    def commits(self) -> int:
        """How many transactions changed something."""
        ...


class Backend(Protocol):
    """An open database as a server has it."""

    @property
    def store(self) -> CountingStore: ...
    @property
    def reader(self) -> Reader: ...
    @property
    def clock(self) -> Clock: ...

    async def close(self) -> None: ...


class Trouble(Protocol):
    """What a test does to a database that a server uses."""

    # Writes are refused, and surely rolled back.
    full: bool
    # Nothing is answered.
    unreachable: bool
    # Commits happen or not: their answer is lost.
    loses_commits: bool

    def hold(self) -> None:
        """Let the next commit wait until it is released."""

    async def held(self) -> None:
        """Wait until a commit waits."""

    def release(self) -> None:
        """Let commits go on."""

    def heal(self) -> None:
        """Work again."""


class Database(Protocol):
    """One database; its clock stands for the time everybody who opens it goes by."""

    kind: str
    clock: SettableClock

    @property
    def trouble(self) -> Trouble:
        """Trouble for the servers that open it from now on."""
        ...

    async def open(self, catalogue: Catalogue = SELF_HOSTED) -> Backend:
        """Open it as a server does."""
        ...

    @property
    def tables(self) -> list[str]:
        """Name the tables that hold what servers write."""
        ...

    def after_crash(self) -> AbstractContextManager["Database"]:
        """Give what is found if every server that uses it dies now."""
        ...

    def fetch(self, sql: str, *values: object) -> list[Row]:
        """Read rows, beside every server; values stand as $1, $2 in this order."""
        ...

    def execute(self, sql: str, *values: object) -> int:
        """Change rows beside every server; gives how many."""
        ...

    def insert(self, table: str, columns: Iterable[str], inserted: Iterable[Row]) -> None:
        """Write rows beside every server."""
        ...


def count(database: Database, sql: str, *values: object) -> int:
    """Ask for a number."""
    ((number,),) = database.fetch(sql, *values)
    return int(number or 0)


def add_accounts(database: Database, *accounts: Account) -> None:
    """Write accounts; those that are there stay as they are."""
    known = {account_id for (account_id,) in database.fetch("select id from accounts")}
    new = [astuple(account) for account in accounts if account.id not in known]
    database.insert("accounts", _ACCOUNT_COLUMNS, new)


def add_key(database: Database, account_id: str) -> tuple[str, str]:
    """Make one more key of an account; gives the key and its id."""
    key = ids.api_key(os.urandom(ids.KEY_ENTROPY_BYTES))
    digest = hashlib.sha256(key.encode()).digest()
    key_id = f"key_{secrets.token_hex(13)}"
    columns = ("hash", "id", "account_id", "created_at")
    row = (digest, key_id, account_id, database.clock.now())
    database.insert("api_keys", columns, [row])
    return key, key_id


def revoke_key(database: Database, key_id: str) -> None:
    """Revoke a key."""
    sql = "update api_keys set revoked_at = $1 where id = $2"
    assert database.execute(sql, database.clock.now(), key_id) == 1


def add_tasks(database: Database, tasks: Iterable[Task]) -> None:
    """Write tasks in any state."""
    database.insert("tasks", _TASK_COLUMNS, map(rows.insert_row, tasks))


def count_tasks(database: Database) -> None:
    """Count tasks that were written without counting them."""
    states = ", ".join(f"count(*) filter (where status = '{one}')" for one in Status)
    for type_, group in (("type", "account_id, type"), ("''", "account_id")):
        database.execute(
            f"insert into task_counts select account_id, {type_}, {states} from tasks "
            f"group by {group}"
        )


def add_idempotency(database: Database, remembered: Iterable[IdempotencyRow]) -> None:
    """Write remembered creates of any age."""
    database.insert("idempotency_keys", _IDEMPOTENCY_COLUMNS, map(rows.idempotency_row, remembered))


def add_purchases(database: Database, *purchases: Purchase) -> None:
    """Write purchases in any stage."""
    database.insert("purchases", _PURCHASE_COLUMNS, map(rows.purchase_insert_row, purchases))


def _insertion(table: str, columns: Iterable[str]) -> str:
    names = list(columns)
    places = ", ".join(f"${number}" for number, _ in enumerate(names, 1))
    return f"insert into {table} ({', '.join(names)}) values ({places})"


class SqliteDatabase:
    """A file, on a disk that a test can break."""

    kind = SQLITE

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = SettableClock()
        self.trouble = Disk()
        self._connection: apsw.Connection | None = None

    async def open(self, catalogue: Catalogue = SELF_HOSTED) -> SqliteBackend:
        place = SqlitePlace(path=self.path, vfs=self.trouble.label)
        return SqliteBackend(place, lambda _: self.clock, catalogue)

    @contextlib.contextmanager
    def after_crash(self) -> Iterator["SqliteDatabase"]:
        copy = self.path.with_name("after-crash.db")
        for ending in ("", "-wal"):
            shutil.copyfile(f"{self.path}{ending}", f"{copy}{ending}")
        with contextlib.closing(SqliteDatabase(copy)) as found:
            found.clock = self.clock
            yield found

    def fetch(self, sql: str, *values: object) -> list[Row]:
        found: list[Row] = self._beside.execute(sql, _bound(values)).fetchall()
        return found

    def execute(self, sql: str, *values: object) -> int:
        self._beside.execute(sql, _bound(values))
        return self._beside.changes()

    @property
    def tables(self) -> list[str]:
        found = self.fetch("select name from sqlite_schema where type = 'table'")
        return sorted(name for (name,) in found if name not in {RECORD, MARKS})

    def insert(self, table: str, columns: Iterable[str], inserted: Iterable[Row]) -> None:
        with self._beside:
            self._beside.executemany(_insertion(table, columns), map(_bound, inserted))

    @property
    def _beside(self) -> apsw.Connection:
        if self._connection is None:
            if not self.path.exists():
                open_writer(SqlitePlace(path=self.path, vfs=self.trouble.label)).close()
            self._connection = connect(SqlitePlace(path=self.path))
        return self._connection

    def close(self) -> None:
        """Let the file go."""
        if self._connection is not None:
            self._connection.close()
        self.trouble.heal()
        self.trouble.unregister()


def _bound(values: Iterable[Any]) -> Row:
    # A member of an enumeration is bound as the text it is.
    return tuple(str(one) if isinstance(one, str) else one for one in values)


class PostgresDatabase:
    """A database in the test server, emptied whenever it is handed out."""

    kind = POSTGRES
    batches: Batches = "mixed"

    def __init__(self, desk: Desk, url: str) -> None:
        self.url = url
        self.clock = SettableClock()
        self._desk = desk
        self._proxied: PostgresTrouble | None = None
        self._beside = desk.do(_connected(url))
        tables = [name for (name,) in self.fetch(_TABLES)]
        self.tables = sorted(name for name in tables if name != RECORD)
        self._empty = "; ".join(f"delete from {name}" for name in self.tables)

    @property
    def trouble(self) -> "PostgresTrouble":
        """Trouble for the servers that open the database from now on."""
        if self._proxied is None:
            self._proxied = PostgresTrouble(self._desk, self)
        return self._proxied

    async def open(self, catalogue: Catalogue = SELF_HOSTED) -> Backend:
        url = self.url if self._proxied is None else self._proxied.url
        place = PostgresPlace(url=url, batches=self.batches)
        return await open_backend(place, lambda _: self.clock, catalogue, self.clock)

    @contextlib.contextmanager
    def after_crash(self) -> Iterator["PostgresDatabase"]:
        self.execute(_CUT_OFF)
        yield self

    def fetch(self, sql: str, *values: object) -> list[Row]:
        return [tuple(row) for row in self._desk.do(self._beside.fetch(sql, *values))]

    def execute(self, sql: str, *values: object) -> int:
        changed = _CHANGES.search(self._desk.do(self._beside.execute(sql, *values)))
        return int(changed[0]) if changed else 0

    def insert(self, table: str, columns: Iterable[str], inserted: Iterable[Row]) -> None:
        self._desk.do(self._beside.executemany(_insertion(table, columns), list(inserted)))
        if table == "tasks":
            # The store trusts its own bound on live leases, and these came behind its back.
            self.execute("update accounts set leases_at_most = $1", LEASES_UNKNOWN)

    def empty(self) -> None:
        """Take every row away, and every trouble."""
        self.clock = SettableClock()
        if self._proxied is not None:
            self._proxied.close()
            self._proxied = None
        try:
            self.execute(self._empty)
        except asyncpg.LockNotAvailableError:
            # Left behind by a test that failed.
            self.execute(_CUT_OFF)
            self.execute(self._empty)

    def close(self) -> None:
        """Ask nothing any more."""
        if self._proxied is not None:
            self._proxied.close()
        self._desk.do(self._beside.close())


_CUT_OFF: Final = (
    "select pg_terminate_backend(pid) from pg_stat_activity "
    "where datname = current_database() and pid <> pg_backend_pid()"
)
_TABLES: Final = "select tablename from pg_tables where schemaname = 'public'"
_FULL: Final = """
create function disk_full() returns trigger language plpgsql as $$
begin raise exception 'no room on the disk' using errcode = 'disk_full'; end $$
"""


class PostgresTrouble(Proxy):
    """A wire to the database that a test breaks, and a disk in the server that it fills."""

    def __init__(self, desk: Desk, database: PostgresDatabase) -> None:
        parts = urlsplit(database.url)
        assert parts.hostname is not None
        super().__init__(desk, parts.hostname, parts.port or 5432)
        user, at, _ = parts.netloc.rpartition("@")
        self.url = urlunsplit(parts._replace(netloc=f"{user}{at}127.0.0.1:{self.port}"))
        self._database = database
        self._full = False

    @property
    def full(self) -> bool:
        """Whether every write is refused."""
        return self._full

    @full.setter
    def full(self, full: bool) -> None:
        if full is self._full:
            return
        self._full = full
        if not full:
            self._database.execute("drop function disk_full cascade")
            return
        self._database.execute(_FULL)
        for table in self._database.tables:
            self._database.execute(
                f"create trigger disk_full before insert or update or delete on {table} "
                "execute function disk_full()"
            )

    def heal(self) -> None:
        """Work again."""
        self.full = False
        super().heal()


async def _connected(url: str) -> "asyncpg.Connection[asyncpg.Record]":
    # A look-up that waits for a lock of the very test it serves would wait for ever.
    return await asyncpg.connect(url, server_settings={"lock_timeout": "5s"})


class Databases:
    """Hands databases out; the server of the shared kind starts when the first is asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._server: PostgresSide | None = None

    @contextlib.contextmanager
    def fresh(self, kind: str) -> Iterator[Database]:
        """Lend an empty database of a kind."""
        if kind == SQLITE:
            with self.sqlite() as file:
                yield file
        else:
            with self.postgres.lent() as shared:
                shared.kind = kind
                shared.batches = "one-account" if kind == BY_ACCOUNT else "mixed"
                yield shared

    @contextlib.contextmanager
    def sqlite(self) -> Iterator[SqliteDatabase]:
        """Lend a new file."""
        folder = tempfile.mkdtemp(dir=self._folder)
        database = SqliteDatabase(Path(folder) / "orchestrion.db")
        try:
            yield database
        finally:
            database.close()
            shutil.rmtree(folder)

    @property
    def postgres(self) -> "PostgresSide":
        """The test server."""
        if self._server is None:
            self._server = PostgresSide()
        return self._server

    def close(self) -> None:
        """Leave nothing behind."""
        if self._server is not None:
            self._server.close()


class PostgresSide:
    """A server, its databases that are free, and a template to make more."""

    def __init__(self) -> None:
        self._own: PostgresServer | None = None
        self.url = os.environ.get(SERVER_VARIABLE, "")
        if not self.url:
            self._own = PostgresServer()
            self._own.start()
            self.url = self._own.url()
        self._prefix = f"orchestrion_test_{secrets.token_hex(4)}"
        self._made: list[str] = []
        self._free: list[PostgresDatabase] = []
        self._open: list[PostgresDatabase] = []
        self.desk = Desk()
        self._admin = self.desk.do(_connected(self.url))
        self._template = self._make("template0")
        self.desk.do(prepare(PostgresPlace(url=self.url_of(self._template))))

    def url_of(self, name: str) -> str:
        """Give the address of a database of the server."""
        return urlunsplit(urlsplit(self.url)._replace(path=f"/{name}"))

    @contextlib.contextmanager
    def lent(self) -> Iterator[PostgresDatabase]:
        """Lend an empty database that is used again; its schema must stay as it is."""
        database = self._free.pop() if self._free else self._opened(self._make(self._template))
        database.empty()
        yield database
        # After a failure nobody knows who still uses it: then it is not used again.
        self._free.append(database)

    @contextlib.contextmanager
    def made(self) -> Iterator[PostgresDatabase]:
        """Lend a database of one's own, whose schema may be changed."""
        name = self._make(self._template)
        database = self._opened(name)
        try:
            yield database
        finally:
            self._open.remove(database)
            database.close()
            self._drop(name)

    def bare(self) -> str:
        """Make a database without any table; gives its address."""
        return self.url_of(self._make("template0"))

    def close(self) -> None:
        """Drop the databases, or stop the server."""
        for database in self._open:
            database.close()
        if self._own is None:
            for name in self._made:
                self._drop(name)
        self.desk.do(self._admin.close())
        self.desk.close()
        if self._own is not None:
            self._own.close()

    def _opened(self, name: str) -> PostgresDatabase:
        database = PostgresDatabase(self.desk, self.url_of(name))
        self._open.append(database)
        return database

    def _make(self, template: str) -> str:
        name = f"{self._prefix}_{len(self._made)}"
        self.desk.do(self._admin.execute(f"create database {name} template {template}"))
        self._made.append(name)
        return name

    def _drop(self, name: str) -> None:
        self.desk.do(self._admin.execute(f"drop database if exists {name} with (force)"))
