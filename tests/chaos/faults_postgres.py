"""What a nemesis does to PostgreSQL and to those who use it."""

import asyncio
import os
import signal
import time
from typing import Final

import asyncpg

from tests.chaos.crowds import TOOK_EFFECT
from tests.chaos.faults import Details, Field, Kind
from tests.chaos.ground import DATABASE, POSTGRES
from tests.chaos.wires import Mood
from tests.postgres import PostgresServer, Shutdown

# Longer than the longest lease.
PAUSE_SECONDS: Final = 3.4
PARTED_SECONDS: Final = 2.5
KILLS: Final = 8
CANCELS: Final = 100
CANCEL_EVERY_SECONDS: Final = 0.01
FULL_SECONDS: Final = 1.5
SNAPSHOT_SECONDS: Final = 2.5
LOCK_SECONDS: Final = 0.8
OURS: Final = "application_name like 'orchestrion%' and datname = current_database()"
_TERMINATE: Final = f"""
select pg_terminate_backend(pid) from (
  select pid from pg_stat_activity where {OURS} order by random() limit 1
) one
"""


# Only who is at something has something to lose.
_CANCEL: Final = f"""
select pg_cancel_backend(pid) from pg_stat_activity where {OURS} and state <> 'idle'
"""


def _server(field: Field) -> PostgresServer:
    assert field.ground.postgres is not None
    return field.ground.postgres


async def pause_backend(field: Field) -> Details:
    """Take the processor from one session of the service for longer than any lease."""
    sql = f"select pid from pg_stat_activity where {OURS} order by query_start desc limit 1"
    found = await field.ground.fetch(sql)
    if not found:
        return {"paused": 0}
    pid = found[0]["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(PAUSE_SECONDS)
    finally:
        os.kill(pid, signal.SIGCONT)
    return {"paused": 1, "seconds": PAUSE_SECONDS}


async def part(field: Field) -> Details:
    """Part one replica from the database, one way or both."""
    between = field.ground.between
    assert between is not None
    between.mood = field.chance.choice([Mood.DROPS, Mood.DROPS_ANSWERS, Mood.RESETS])
    mood = between.mood
    before = between.disturbed
    await asyncio.sleep(PARTED_SECONDS)
    field.ground.calm()
    pieces = between.disturbed - before
    return {"replica": 0, "mood": mood.value, "pieces": pieces, TOOK_EFFECT: pieces > 0}


async def restart_fast(field: Field) -> Details:
    """Restart PostgreSQL as its operator does."""
    return await _restart(field, Shutdown.FAST)


async def restart_immediate(field: Field) -> Details:
    """Restart PostgreSQL as after a crash."""
    return await _restart(field, Shutdown.IMMEDIATE)


async def _restart(field: Field, shutdown: Shutdown) -> Details:
    await asyncio.to_thread(_server(field).restart, shutdown)
    return {"shutdown": shutdown.name.lower(), "restarted": time.monotonic_ns()}


async def kill_backends(field: Field) -> Details:
    """End sessions of the service, one to twenty in a second."""
    every = 1 / field.chance.uniform(3, 20)
    killed = 0
    for _ in range(KILLS):
        killed += len(await field.ground.fetch(_TERMINATE))
        await asyncio.sleep(every)
    return {"killed": killed, "per_second": round(1 / every, 1)}


async def cancel_backends(field: Field) -> Details:
    """Cancel what sessions of the service are at, again and again."""
    cancelled, began = 0, time.monotonic()
    connection = await asyncpg.connect(_server(field).url(DATABASE))
    try:
        for _ in range(CANCELS):
            cancelled += len(await connection.fetch(_CANCEL))
            await asyncio.sleep(CANCEL_EVERY_SECONDS)
    finally:
        await connection.close()
    rate = round(cancelled / (time.monotonic() - began), 1)
    return {"cancelled": cancelled, "per_second": rate, TOOK_EFFECT: cancelled > 0}


async def kill_postmaster(field: Field) -> Details:
    """Kill every process of PostgreSQL, as a machine that dies does, and start it again."""
    server = _server(field)
    await asyncio.to_thread(server.kill)
    await asyncio.to_thread(server.start)
    return {"restarted": time.monotonic_ns()}


async def exhaust(field: Field) -> Details:
    """Take every connection that PostgreSQL has, and end some that the service has."""
    url = _server(field).url(DATABASE)
    taken: list[asyncpg.Connection] = []
    await field.ground.fetch(f"select pg_terminate_backend(pid) from pg_stat_activity where {OURS}")
    try:
        while True:
            taken.append(await asyncpg.connect(url))
    except (asyncpg.TooManyConnectionsError, OSError):
        await asyncio.sleep(FULL_SECONDS)
    finally:
        for one in taken:
            await one.close()
    return {"connections": len(taken), TOOK_EFFECT: bool(taken)}


async def hold_snapshot(field: Field) -> Details:
    """Hold an old snapshot, and then a lock on held tasks, in a transaction that does nothing."""
    connection = await asyncpg.connect(_server(field).url(DATABASE))
    try:
        async with connection.transaction(isolation="repeatable_read"):
            await connection.fetchval("select count(*) from tasks")
            await asyncio.sleep(SNAPSHOT_SECONDS)
        async with connection.transaction():
            locked = await connection.fetch(
                "select id from tasks where status = 'claimed' order by random() limit 5 "
                "for update skip locked"
            )
            await asyncio.sleep(LOCK_SECONDS)
    finally:
        await connection.close()
    return {"seconds": SNAPSHOT_SECONDS, "locked": len(locked), TOOK_EFFECT: bool(locked)}


KINDS: Final = tuple(
    Kind(id=id_, name=name, happen=happen, stores=(POSTGRES,))
    for id_, name, happen in (
        ("F2", "backend pause", pause_backend),
        ("F5", "partition", part),
        ("F6", "fast restart", restart_fast),
        ("F6", "immediate restart", restart_immediate),
        ("F6", "killed database", kill_postmaster),
        ("F7", "backend kills", kill_backends),
        ("F7", "backend cancels", cancel_backends),
        ("F15", "no connections left", exhaust),
        ("F16", "held snapshot", hold_snapshot),
    )
)
