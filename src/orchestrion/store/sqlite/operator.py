"""What an operator does beside a running server: keys and backups, in short transactions."""

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import apsw

from orchestrion.core.account import Account, new_account
from orchestrion.core.faults import StoreRefused
from orchestrion.core.ids import AccountId
from orchestrion.core.instants import Instant
from orchestrion.core.plans import Catalogue
from orchestrion.core.purchase_commands import SetPlan
from orchestrion.store import rows
from orchestrion.store.migrate import Migration, Phase, Selection, newer, outstanding
from orchestrion.store.named import load_statements
from orchestrion.store.operator import (
    AccountSettings,
    Check,
    CreatedKey,
    KeyRow,
    Status,
    mint_account_id,
    mint_key,
    no_account,
    schema_checks,
    wall_time,
    with_plan,
)
from orchestrion.store.sqlite.database import Place, connect, lock, open_reader, open_writer
from orchestrion.store.sqlite.migrating import KNOWN, applied, refuse_newer_schema, script

SQL: Final = load_statements("orchestrion.store.sqlite")
BACKUP_PAGES: Final = 1_000


class SqliteOperator:
    """Fits `store.operator.Operator`; each method works in a thread."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def create_key(self, account_id: str | None, email: str | None) -> CreatedKey:
        return await asyncio.to_thread(create_key, self._path, account_id, email)

    async def first_key(self) -> CreatedKey | None:
        return await asyncio.to_thread(first_key, self._path)

    async def list_keys(self) -> list[KeyRow]:
        return await asyncio.to_thread(list_keys, self._path)

    async def revoke_key(self, key_id: str) -> bool:
        return await asyncio.to_thread(revoke_key, self._path, key_id)

    async def set_account(self, account_id: str, settings: AccountSettings) -> None:
        await asyncio.to_thread(set_account, self._path, account_id, settings)

    async def account(self, account_id: str) -> Account:
        return await asyncio.to_thread(account, self._path, account_id)

    async def set_plan(self, command: SetPlan, catalogue: Catalogue) -> Account:
        return await asyncio.to_thread(set_plan, self._path, command, catalogue)

    async def migrate(self, _phase: Phase) -> list[Migration]:
        return await asyncio.to_thread(bring_up_to_date, self._path)

    async def status(self) -> Status:
        return await asyncio.to_thread(status, self._path)

    async def sql(self, selection: Selection) -> str:
        if selection == "all":
            return script(KNOWN)
        return script(await asyncio.to_thread(_outstanding, self._path))


def create_key(path: Path, account_id: str | None, email: str | None) -> CreatedKey:
    """Make a key, for an account that exists or a new one; raises StoreRefused."""
    with _transaction(path) as connection:
        return _created(connection, account_id, email)


def first_key(path: Path) -> CreatedKey | None:
    """Make a key if there never was one; raises StoreRefused."""
    with _transaction(path) as connection:
        if connection.execute(SQL["any_key"]).get is not None:
            return None
        return _created(connection, None, None)


def _created(connection: apsw.Connection, account_id: str | None, email: str | None) -> CreatedKey:
    now = wall_time()
    account = _account(connection, account_id, email, now)
    key, row = mint_key(account, now)
    connection.execute(SQL["insert_key"], rows.key_row(row))
    return CreatedKey(key=key, key_id=row.id, account_id=account)


def list_keys(path: Path) -> list[KeyRow]:
    """List every key, revoked ones included; raises StoreRefused."""
    _refuse_missing(path)
    with _transaction(path) as connection:
        found = list(connection.execute(SQL["list_keys"]))
    return [
        KeyRow(key_id=key_id, account_id=account_id, created_at=created, revoked_at=revoked)
        for key_id, account_id, created, revoked in found
    ]


def revoke_key(path: Path, key_id: str) -> bool:
    """Revoke a key; false if there is none or it is revoked already. Raises StoreRefused."""
    _refuse_missing(path)
    with _transaction(path) as connection:
        connection.execute(SQL["revoke_key"], {"id": key_id, "now": wall_time()})
        return connection.changes() > 0


def set_account(path: Path, account_id: str, settings: AccountSettings) -> None:
    """Change what holds for an account that exists; raises StoreRefused."""
    _refuse_missing(path)
    with _transaction(path) as connection:
        connection.execute(SQL["set_account"], (account_id, settings.require_lease_token))
        if not connection.changes():
            raise no_account(account_id)


def account(path: Path, account_id: str) -> Account:
    """Read an account that exists; raises StoreRefused."""
    _refuse_missing(path)
    with _transaction(path) as connection:
        return _loaded(connection, account_id)


def set_plan(path: Path, command: SetPlan, catalogue: Catalogue) -> Account:
    """Give an account that exists a plan; raises StoreRefused."""
    _refuse_missing(path)
    with _transaction(path) as connection:
        found = _loaded(connection, command.account_id)
        changed = with_plan(found, command, catalogue, wall_time())
        connection.execute(SQL["save_account"], rows.account_save_row(changed))
        return changed


def bring_up_to_date(path: Path) -> list[Migration]:
    """Apply what is outstanding, in a new file everything; raises StoreRefused."""
    lacking = _outstanding(path)
    if not path.exists() or lacking:
        # A server that runs knows only the schema it has.
        held = lock(path)
        try:
            open_writer(Place(path=path)).close()
        finally:
            os.close(held)
    return lacking


def status(path: Path) -> Status:
    """Look at the file; raises StoreRefused."""
    _refuse_missing(path)
    try:
        with closing(open_reader(Place(path=path))) as connection:
            found = applied(connection)
            pages, size = connection.pragma("page_count"), connection.pragma("page_size")
            mode = str(connection.pragma("journal_mode"))
    except apsw.Error as error:
        raise _unusable(path, error) from error
    return Status(
        database=str(path),
        server=f"SQLite {apsw.sqlite_lib_version()}",
        size_bytes=int(pages) * int(size),
        applied=[record.number for record in found],
        outstanding=outstanding(found, KNOWN),
        checks=[
            *schema_checks(found, newer(found, KNOWN)),
            Check(name="journal_mode", value=mode),
        ],
    )


def _outstanding(path: Path) -> list[Migration]:
    if not path.exists():
        return list(KNOWN)
    try:
        with closing(open_reader(Place(path=path))) as connection:
            return refuse_newer_schema(connection)
    except apsw.Error as error:
        raise _unusable(path, error) from error


def backup(path: Path, target: Path, progress: Callable[[int, int], None]) -> None:
    """Copy the database as it is now into a new file; `progress` gets (done, all) pages.

    The copy is of one moment, whatever is written meanwhile. Raises StoreRefused.
    """
    _refuse_missing(path)
    if target.exists():
        message = f"{target} exists: name a file that does not"
        raise StoreRefused(message)
    partial = target.with_name(target.name + ".partial")
    try:
        os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise _no_backup(path, target, error) from error
    try:
        _copy(path, partial, progress)
        partial.rename(target)
    except (OSError, apsw.Error) as error:
        raise _no_backup(path, target, error) from error
    finally:
        partial.unlink(missing_ok=True)


def _no_backup(path: Path, target: Path, error: Exception) -> StoreRefused:
    return StoreRefused(f"cannot back {path} up to {target}: {error}")


def _copy(path: Path, target: Path, progress: Callable[[int, int], None]) -> None:
    source = open_reader(Place(path=path))
    copy = apsw.Connection(str(target), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        # An open read transaction holds the moment that is copied.
        source.execute("begin")
        source.execute("select count(*) from schema_migrations")
        with copy.backup("main", source, "main") as job:
            while not job.done:
                job.step(BACKUP_PAGES)
                progress(job.page_count - job.remaining, job.page_count)
        copy.pragma("journal_mode", "wal")
    finally:
        copy.close()
        source.close()


@contextmanager
def _transaction(path: Path) -> Iterator[apsw.Connection]:
    """Run one short transaction on a database, which is made first if it is missing."""
    try:
        with closing(_open(path)) as connection:
            # Immediate: a transaction that starts by reading may not be let to write later.
            connection.execute("begin immediate")
            yield connection
            connection.execute("commit")
    except apsw.Error as error:
        raise _unusable(path, error) from error


def _unusable(path: Path, error: Exception) -> StoreRefused:
    return StoreRefused(f"cannot use the database {path}: {error}")


def _open(path: Path) -> apsw.Connection:
    # A server may be running: a database that is there is used as it is.
    if path.exists():
        connection = connect(Place(path=path))
        if connection.table_exists(None, "schema_migrations"):
            refuse_newer_schema(connection)
            return connection
        connection.close()
    return open_writer(Place(path=path))


def _account(
    connection: apsw.Connection, account_id: str | None, email: str | None, now: Instant
) -> AccountId:
    if account_id is None:
        account = new_account(mint_account_id(now), email, now)
        connection.execute(SQL["insert_account"], rows.account_insert_row(account))
        return account.id
    return _loaded(connection, account_id).id


def _loaded(connection: apsw.Connection, account_id: str) -> Account:
    for row in connection.execute(SQL["load_account"], {"account_id": account_id}):
        return rows.account_of(row)
    raise no_account(account_id)


def _refuse_missing(path: Path) -> None:
    if not path.exists():
        message = f"there is no database at {path}"
        raise StoreRefused(message)
