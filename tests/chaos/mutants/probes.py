"""What each mutant makes come out otherwise, seen in process and without a server."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from orchestrion.core import decide, lifecycle
from orchestrion.core.commands import Heartbeat, PurgeFinished, RegisterKey
from orchestrion.core.ids import KeyId
from orchestrion.core.instants import SECOND, Instant
from orchestrion.core.lease import Completion, Failure
from orchestrion.core.needs import needs_of
from orchestrion.core.outcomes import Swept
from orchestrion.core.plans import SELF_HOSTED, LeaseBounds
from orchestrion.core.task import CLAIMED, COMPLETED, PENDING, Task
from orchestrion.core.view import View
from orchestrion.engine.clock import SteadyClock
from orchestrion.store.postgres import backend, claiming, loading, saving
from orchestrion.store.sqlite import database
from orchestrion.store.sqlite.backend import Backend
from tests.factories import (
    ACCOUNT,
    ACCOUNT_ID,
    NOW,
    OTHER_ACCOUNT_ID,
    OTHER_TOKEN,
    TOKEN,
    a_purchase,
    a_task,
    later,
)

FILE: Final = "probe.db"
HELD: Final = a_task(CLAIMED)


def _granted(changed: object) -> bool:
    return isinstance(changed, Task)


def _completed_under_an_old_lease(_: Path) -> object:
    return _granted(lifecycle.complete(HELD, NOW, OTHER_TOKEN, Completion()))


def _given_clock(_: Path) -> object:
    bounds = LeaseBounds(fewest=1, most=1)
    return loading.Loader(bounds, None, "mixed")._now is None  # noqa: SLF001 - the seam


def _asks_for_the_time(_: Path) -> object:
    texts = (*loading.SQL.values(), *claiming.SQL.values())
    return any("clock_timestamp()" in text for text in texts)


def _commits_when_told(folder: Path) -> object:
    async def told() -> int:
        opened = _open(folder)
        try:
            await _register(opened)
            return opened.store.commits
        finally:
            await opened.close()

    return asyncio.run(told())


def _synchronous(folder: Path) -> object:
    database.open_writer(database.Place(path=folder / FILE)).close()
    return database.connect(database.Place(path=folder / FILE)).pragma("synchronous")


def _locks_of_a_claim(_: Path) -> object:
    claims = [claiming.SQL[name] for name in ("load_claimable", "load_claimable_of_many")]
    accounts = [loading.SQL[name] for name in ("lock_account", "lock_accounts")]
    return [text.count("for update") + text.count("for no key") for text in (*claims, *accounts)]


def _guards_of_a_key(_: Path) -> object:
    kept = "on conflict" in saving.SQL["save_idempotency"]
    locked = [loading.SQL[name].count("for no key") for name in ("lock_account", "lock_accounts")]
    return kept, locked, backend.open_backend.__name__


def _expired_alive(_: Path) -> object:
    return _granted(lifecycle.expire(HELD, NOW))


def _left_at_the_last(_: Path) -> object:
    return a_task(CLAIMED, attempt_count=3, max_attempts=3).attempts_left


def _renewed(_: Path) -> object:
    held = lifecycle.heartbeat(HELD, NOW, TOKEN)
    assert isinstance(held, Task)
    return held.lease_expires_at == later(HELD.lease_seconds)


def _failed_under_an_old_lease(_: Path) -> object:
    return _granted(lifecycle.fail(HELD, NOW, OTHER_TOKEN, Failure()))


def _counted(_: Path) -> object:
    view = View(NOW)
    view.load_tasks([HELD])
    view.live_leases[ACCOUNT_ID] = 2
    done = lifecycle.complete(HELD, NOW, TOKEN, Completion())
    assert isinstance(done, Task)
    view.put(done)
    return view.live_leases[ACCOUNT_ID]


def _purged(_: Path) -> object:
    view = View(NOW)
    old = a_task(PENDING, updated_at=Instant(SECOND))
    view.load_tasks([old])
    view.accounts[ACCOUNT_ID] = ACCOUNT
    purge = PurgeFinished(account_id=ACCOUNT_ID, task_ids=(old.id,))
    swept = decide.decide(purge, SELF_HOSTED, view)
    assert isinstance(swept, Swept)
    return swept.count


def _read_by_another(folder: Path) -> object:
    async def read() -> int:
        opened = _open(folder)
        try:
            await _register(opened)
            await opened.store.transact(needs_of([]), lambda view: view.insert(a_task()))
            found = await opened.reader.task(OTHER_ACCOUNT_ID, a_task().id)
            return len(found.tasks)
        finally:
            await opened.close()

    return asyncio.run(read())


def _named_alike(_: Path) -> object:
    purchase = a_purchase()
    return purchase.capture_request == purchase.capture_request


def _written_after_the_end(_: Path) -> object:
    view = View(NOW)
    done = a_task(COMPLETED)
    view.load_tasks([done])
    beat = Heartbeat(account_id=ACCOUNT_ID, task_id=done.id, lease_token=TOKEN)
    decide.decide(beat, SELF_HOSTED, view)
    return len(view.changed_tasks)


def _open(folder: Path) -> Backend:
    return Backend(database.Place(path=folder / FILE), SteadyClock, SELF_HOSTED)


async def _register(opened: Backend) -> None:
    register = RegisterKey(
        account_id=ACCOUNT_ID, key_id=KeyId("key_probe"), key_hash=b"probe", email=None
    )
    await opened.store.transact(
        needs_of([register]), lambda view: decide.decide(register, SELF_HOSTED, view)
    )


PROBES: Final[Mapping[str, Callable[[Path], object]]] = MappingProxyType(
    {
        "M1": _completed_under_an_old_lease,
        "M2": _given_clock,
        "M3": _asks_for_the_time,
        "M4": _commits_when_told,
        "M5": _synchronous,
        "M6": _locks_of_a_claim,
        "M7": _guards_of_a_key,
        "M8": _expired_alive,
        "M9": _left_at_the_last,
        "M10": _renewed,
        "M11": _failed_under_an_old_lease,
        "M12": _counted,
        "M13": _purged,
        "M14": _read_by_another,
        "M15": _named_alike,
        "M16": _written_after_the_end,
    }
)
