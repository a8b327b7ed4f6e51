"""Accounts as a test wants them: what no operation can set yet is written into the file."""

from contextlib import closing
from pathlib import Path

from orchestrion.core.instants import DAY, Instant
from orchestrion.store.sqlite.database import Place, connect
from tests.http.callers import Caller

CACHE_SECONDS = 5


def put_on_plan(path: Path, caller: Caller, plan: str, days: float = 30) -> None:
    """Put the account on a plan that ends in so many days; negative for a plan that ran out."""
    ends = Instant(caller.service.clock.now() + int(days * DAY))
    _update(path, "update accounts set plan = ?, plan_expires_at = ?", (plan, ends), caller)


def set_used(path: Path, caller: Caller, *, creates: int = 0, claims: int = 0) -> None:
    """Say how much of the present hour is used."""
    sql = "update accounts set creates_in_window = ?, claims_in_window = ?"
    _update(path, sql, (creates, claims), caller)


def set_tasks_in_cycle(path: Path, caller: Caller, count: int) -> None:
    """Say how many tasks of the cycle are used."""
    _update(path, "update accounts set tasks_in_cycle = ?", (count,), caller)


def remove(path: Path, caller: Caller) -> None:
    """Take the account out of the database behind the service's back."""
    with closing(connect(Place(path=path))) as connection:
        for table, column in (("api_keys", "account_id"), ("accounts", "id")):
            connection.execute(f"delete from {table} where {column} = ?", (caller.account.id,))


def _update(path: Path, sql: str, values: tuple[object, ...], caller: Caller) -> None:
    with closing(connect(Place(path=path))) as connection:
        connection.execute(f"{sql} where id = ?", (*values, caller.account.id))
        assert connection.changes() == 1
    # A key is remembered for a few seconds together with its plan.
    caller.service.clock.advance(CACHE_SECONDS)
