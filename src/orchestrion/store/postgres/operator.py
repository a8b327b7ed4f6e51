"""What an operator does beside running servers: keys and a look, in short transactions."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from orchestrion.core.account import Account, new_account
from orchestrion.core.faults import StoreRefused
from orchestrion.core.ids import AccountId
from orchestrion.core.instants import Instant
from orchestrion.core.plans import Catalogue
from orchestrion.core.purchase_commands import SetPlan
from orchestrion.store import rows
from orchestrion.store.migrate import (
    Migration,
    Phase,
    Selection,
    departed,
    due,
    outstanding,
    refuse_departed,
)
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
    with_plan,
)
from orchestrion.store.postgres import migrating
from orchestrion.store.postgres.copies import refuse_unverified
from orchestrion.store.postgres.migrating import KNOWN, applied
from orchestrion.store.postgres.place import Place
from orchestrion.store.postgres.session import Session
from orchestrion.store.postgres.working import looking, opened, transaction

SQL: Final = load_statements("orchestrion.store.postgres")
# For operators, for whoever watches the database, and what PostgreSQL keeps for itself.
SPARE_CONNECTIONS: Final = 10
# "firstkey" in ASCII.
FIRST_KEY_LOCK: Final = 0x66697273746B6579
_EMPTY: Final = "the database is empty: `orchestrion serve` or `orchestrion db migrate` sets it up"
_LOOK: Final = "look with `orchestrion keys list`"
_SET_AGAIN: Final = "set it again"
_LOOK_AND_REVOKE: Final = f"{_LOOK}, and revoke a key that nobody was shown"
_STATUS: Final = """
select current_setting('server_version') as server, pg_database_size(current_database()) as size,
  current_setting('server_encoding') as server_encoding, current_setting('fsync') as fsync,
  current_setting('full_page_writes') as full_page_writes,
  current_setting('synchronous_commit') as synchronous_commit,
  current_setting('max_connections') as max_connections
"""
_DURABLE: Final = "turn it on: the server loses confirmed work in a crash"


class PostgresOperator:
    """Fits `store.operator.Operator`; each method opens a session of its own."""

    def __init__(self, place: Place, shown: str) -> None:
        self._place = place
        self._shown = shown

    async def create_key(self, account_id: str | None, email: str | None) -> CreatedKey:
        async with self._looking() as session:
            empty = not await applied(session)
        if empty:
            await migrating.prepare(self._place)
        async with self._working(_LOOK_AND_REVOKE) as session:
            return await _create(session, account_id, email)

    async def first_key(self) -> CreatedKey | None:
        async with self._working(_LOOK_AND_REVOKE) as session:
            await session.execute(f"select pg_advisory_xact_lock({FIRST_KEY_LOCK})")
            if await session.fetchrow(SQL["any_key"]) is not None:
                return None
            return await _create(session, None, None)

    async def list_keys(self) -> list[KeyRow]:
        async with self._looking() as session:
            await _refuse_unfit(session)
            found = await session.fetch(SQL["list_keys"])
        return [
            KeyRow(key_id=key_id, account_id=account_id, created_at=created, revoked_at=revoked)
            for key_id, account_id, created, revoked in found
        ]

    async def revoke_key(self, key_id: str) -> bool:
        async with self._working(_LOOK) as session:
            done = await session.execute(SQL["revoke_key"], key_id, await _now(session))
        return done != "UPDATE 0"

    async def set_account(self, account_id: str, settings: AccountSettings) -> None:
        async with self._working(_SET_AGAIN) as session:
            done = await session.execute(
                SQL["set_account"], account_id, int(settings.require_lease_token)
            )
            if done == "UPDATE 0":
                raise no_account(account_id)

    async def account(self, account_id: str) -> Account:
        async with self._looking() as session:
            await _refuse_unfit(session)
            return await _loaded(session, "load_account", account_id)

    async def set_plan(self, command: SetPlan, catalogue: Catalogue) -> Account:
        async with self._working(_SET_AGAIN) as session:
            found = await _loaded(session, "lock_account", command.account_id)
            changed = with_plan(found, command, catalogue, await _now(session))
            row = (*rows.account_save_row(changed), None)
            await session.execute(SQL["save_accounts"], *zip(row))
            return changed

    async def migrate(self, phase: Phase) -> list[Migration]:
        return await migrating.migrate(self._place, phase)

    async def status(self) -> Status:
        async with self._looking() as session:
            found = await applied(session)
            row = await session.fetchrow(_STATUS)
        assert row is not None
        return Status(
            database=self._shown,
            server=f"PostgreSQL {row['server']}",
            size_bytes=row["size"],
            applied=[record.number for record in found],
            outstanding=outstanding(found, KNOWN),
            checks=[
                *schema_checks(found, departed(found, KNOWN)),
                *(_on(name, row[name]) for name in ("fsync", "full_page_writes")),
                _on("synchronous_commit", row["synchronous_commit"]),
                Check(name="server_encoding", value=row["server_encoding"]),
                self._connections(row["max_connections"]),
            ],
        )

    async def sql(self, selection: Selection) -> str:
        if selection == "all":
            return migrating.script(KNOWN)
        async with self._looking() as session:
            found = await applied(session)
        refuse_departed(found, KNOWN)
        return migrating.script(due(found, KNOWN, selection))

    def _connections(self, allowed: str) -> Check:
        each = self._place.connections
        # One process, and the one that takes its place in an upgrade.
        least = 2 * each + SPARE_CONNECTIONS
        return Check(
            name="max_connections",
            value=allowed,
            advice=f"raise it to {least} at least" if int(allowed) < least else "",
            note=f"needed: {each} x workers x machines + {each} x workers + {SPARE_CONNECTIONS}",
        )

    @asynccontextmanager
    async def _looking(self) -> AsyncIterator[Session]:
        """Run one transaction, whatever the schema. Behind a pooler nothing else is one session."""
        async with opened(self._place) as session, looking(session):
            yield session

    @asynccontextmanager
    async def _working(self, on_doubt: str) -> AsyncIterator[Session]:
        """Run one transaction on the schema that this program knows."""
        async with opened(self._place) as session, transaction(session, on_doubt):
            await _refuse_unfit(session)
            yield session


async def _refuse_unfit(session: Session) -> None:
    found = await applied(session)
    if not found:
        raise StoreRefused(_EMPTY)
    refuse_departed(found, KNOWN)
    await refuse_unverified(session)


def _on(name: str, value: str) -> Check:
    return Check(name=name, value=value, advice=_DURABLE if value == "off" else "")


async def _create(session: Session, account_id: str | None, email: str | None) -> CreatedKey:
    now = await _now(session)
    account = await _account(session, account_id, email, now)
    key, row = mint_key(account, now)
    await session.execute(SQL["insert_keys"], *zip(rows.key_row(row)))
    return CreatedKey(key=key, key_id=row.id, account_id=account)


async def _account(
    session: Session, account_id: str | None, email: str | None, now: Instant
) -> AccountId:
    if account_id is None:
        account = new_account(mint_account_id(now), email, now)
        await session.execute(SQL["insert_accounts"], *zip(rows.account_insert_row(account)))
        return account.id
    return (await _loaded(session, "load_account", account_id)).id


async def _loaded(session: Session, statement: str, account_id: str) -> Account:
    row = await session.fetchrow(SQL[statement], account_id)
    if row is None:
        raise no_account(account_id)
    return rows.account_of(tuple(row)[: len(Account.__struct_fields__)])


async def _now(session: Session) -> Instant:
    return Instant(await session.fetchval(SQL["read_moment"], None))
