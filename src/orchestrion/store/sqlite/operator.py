"""What an operator does beside a running server: keys and backups, in short transactions."""

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import apsw
import msgspec

from orchestrion.core import ids
from orchestrion.core.account import ApiKey, new_account
from orchestrion.core.faults import StoreRefused
from orchestrion.core.ids import AccountId, KeyId
from orchestrion.core.instants import SECOND, Instant
from orchestrion.store import rows
from orchestrion.store.named import load_statements
from orchestrion.store.sqlite.database import (
    Place,
    connect,
    open_reader,
    open_writer,
    refuse_newer_schema,
)

SQL: Final = load_statements("orchestrion.store.sqlite")
BACKUP_PAGES: Final = 1_000


class CreatedKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key just made; nobody keeps it but whoever reads this."""

    key: str
    key_id: KeyId
    account_id: AccountId


class KeyRow(msgspec.Struct, frozen=True, kw_only=True):
    """A key as listed."""

    key_id: KeyId
    account_id: AccountId
    created_at: Instant
    revoked_at: Instant | None


def create_key(path: Path, account_id: str | None, email: str | None) -> CreatedKey:
    """Make a key, for an account that exists or a new one; raises StoreRefused."""
    with _transaction(path) as connection:
        now = _now()
        account = _account(connection, account_id, email, now)
        key = ids.api_key(os.urandom(ids.KEY_ENTROPY_BYTES))
        row = ApiKey(
            id=KeyId("key_" + _ulid(now)),
            account_id=account,
            hash=hashlib.sha256(key.encode("ascii")).digest(),
            created_at=now,
        )
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
        connection.execute(SQL["revoke_key"], {"id": key_id, "now": _now()})
        return connection.changes() > 0


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
        message = f"cannot use the database {path}: {error}"
        raise StoreRefused(message) from error


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
        account = new_account(AccountId("acct_" + _ulid(now)), email, now)
        connection.execute(SQL["insert_account"], rows.account_insert_row(account))
        return account.id
    for _ in connection.execute(SQL["load_account"], {"account_id": account_id}):
        return AccountId(account_id)
    message = f"there is no account {account_id}"
    raise StoreRefused(message)


def _refuse_missing(path: Path) -> None:
    if not path.exists():
        message = f"there is no database at {path}"
        raise StoreRefused(message)


def _now() -> Instant:
    return Instant(int(time.time() * SECOND))


def _ulid(now: Instant) -> str:
    return ids.ulid(now, int.from_bytes(os.urandom(ids.RANDOM_BITS // 8), "big"))
