"""Brings the shared schema up to date while servers run; each file and its record commit together.

Whoever applies a file holds one lock, so of many servers that start at once one works and the
others find it done. A file that does not get its table locks soon lets everybody pass, and tries
again: nothing ever queues behind it for long.
"""

import asyncio
import random
from collections.abc import Sequence
from typing import Final

import asyncpg
import msgspec

from orchestrion.core.faults import StoreRefused
from orchestrion.store.migrate import (
    Applied,
    Migration,
    Phase,
    due,
    load_migrations,
    refuse_departed,
)
from orchestrion.store.postgres.copies import refuse_unverified
from orchestrion.store.postgres.place import Place
from orchestrion.store.postgres.session import Session
from orchestrion.store.postgres.working import looking, opened, transaction

KNOWN: Final = tuple(load_migrations("orchestrion.store.postgres"))
# "orchestr" in ASCII; advisory locks of other programs in the same database are named otherwise.
LOCK: Final = 0x6F72636865737472
_OURS: Final = """
select exists (
  select from pg_attribute
  where attrelid = to_regclass('schema_migrations') and attname = 'applied_at' and not attisdropped
), to_regclass('schema_migrations') is not null
"""
_APPLIED: Final = "select number, name from schema_migrations order by number"
_RECORD: Final = """
insert into schema_migrations (number, name, applied_at)
values ($1, $2, floor(extract(epoch from clock_timestamp()) * 1000)::bigint)
"""
_SCRIPT: Final = """\
begin;
set local lock_timeout = '{lock_ms}ms';
set local statement_timeout = 0;
do $$ begin perform pg_advisory_xact_lock({lock}); end $$;
{sql}
insert into schema_migrations (number, name, applied_at)
values ({number}, '{name}', floor(extract(epoch from clock_timestamp()) * 1000)::bigint);
commit;
"""
_ANOTHER: Final = (
    "the schema_migrations in this database is another program's: "
    "give Orchestrion a database of its own, or a schema by ?search_path="
)

_ON_DOUBT: Final = "look with `orchestrion db status`"


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """How long a file waits for table locks at a time, how often, and for others that apply one."""

    lock_seconds: float = 2
    tries: int = 60
    pause_seconds: float = 2
    turn_seconds: float = 600


PATIENCE: Final = Patience()


async def prepare(
    place: Place, known: Sequence[Migration] = KNOWN, patience: Patience = PATIENCE
) -> None:
    """Make a database fit for this program, an empty one included; raises StoreRefused.

    A database that is just starting is waited for.
    """
    async with opened(place, place.opening_seconds) as session:
        await _run(session, "pre", known, patience)
        async with looking(session):
            await refuse_unverified(session)


async def migrate(
    place: Place,
    phase: Phase,
    known: Sequence[Migration] = KNOWN,
    patience: Patience = PATIENCE,
) -> list[Migration]:
    """Apply what is due, and tell what was applied here; raises StoreRefused."""
    async with opened(place) as session:
        return await _run(session, phase, known, patience)


async def applied(session: Session) -> list[Applied]:
    """Give the records; a database without our table is new. Raises StoreRefused."""
    found = await session.fetchrow(_OURS)
    assert found is not None
    ours, exists = found
    if exists and not ours:
        raise StoreRefused(_ANOTHER)
    if not exists:
        return []
    return [Applied(number=number, name=name) for number, name in await session.fetch(_APPLIED)]


def script(migrations: Sequence[Migration]) -> str:
    """Write the files for psql, each with its record in one transaction."""
    parts = [
        _SCRIPT.format(
            lock_ms=_milliseconds(PATIENCE.lock_seconds),
            lock=LOCK,
            sql=migration.sql.strip(),
            number=migration.number,
            name=migration.name,
        )
        for migration in migrations
    ]
    return "\n".join(["\\set ON_ERROR_STOP on\n", *parts]) if parts else ""


async def _run(
    session: Session, phase: Phase, known: Sequence[Migration], patience: Patience
) -> list[Migration]:
    async with looking(session):
        found = await applied(session)
    refuse_departed(found, known)
    lacking = due(found, known, phase)
    try:
        return [one for one in lacking if await _apply_in_time(session, one, patience)]
    except asyncpg.InsufficientPrivilegeError as error:
        raise StoreRefused(
            f"the database lacks {', '.join(one.name for one in lacking)}, and this role may not "
            "change the schema: run `orchestrion db migrate` as the one that may, "
            "orchestrion_migrator of `orchestrion db sql --roles`"
        ) from error


async def _apply_in_time(session: Session, migration: Migration, patience: Patience) -> bool:
    for tries_left in reversed(range(patience.tries)):
        try:
            return await _apply(session, migration, patience)
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError) as error:
            if not tries_left:
                raise StoreRefused(
                    f"{migration.name} found a table in use {patience.tries} times: "
                    "end long transactions and try again"
                ) from error
        await asyncio.sleep(patience.pause_seconds * random.uniform(0.5, 1))  # noqa: S311 - spread
    raise AssertionError("there is at least one try")


async def _apply(session: Session, migration: Migration, patience: Patience) -> bool:
    """Apply the file unless another has meanwhile; tells whether it was applied here."""
    async with transaction(session, _ON_DOUBT):
        await _limit_waits(session, patience.turn_seconds)
        await session.execute(f"select pg_advisory_xact_lock({LOCK})")
        if any(record.number == migration.number for record in await applied(session)):
            return False
        await _limit_waits(session, patience.lock_seconds)
        await session.execute(migration.sql)
        await session.execute(_RECORD, migration.number, migration.name)
    return True


async def _limit_waits(session: Session, seconds: float) -> None:
    await session.execute(
        f"set local lock_timeout = {_milliseconds(seconds)}; set local statement_timeout = 0"
    )


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
