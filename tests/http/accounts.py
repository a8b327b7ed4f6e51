"""Accounts as a test wants them: what no operation can set yet is written into the database."""

from orchestrion.core.instants import DAY, Instant
from tests.databases import Database
from tests.http.callers import Caller

CACHE_SECONDS = 5


def put_on_plan(database: Database, caller: Caller, plan: str, days: float = 30) -> None:
    """Put the account on a plan that ends in so many days; negative for a plan that ran out."""
    ends = Instant(caller.service.clock.now() + int(days * DAY))
    _update(database, caller, plan=plan, plan_expires_at=ends)


def set_used(database: Database, caller: Caller, *, creates: int = 0, claims: int = 0) -> None:
    """Say how much of the present hour is used."""
    _update(database, caller, creates_in_window=creates, claims_in_window=claims)


def set_tasks_in_cycle(database: Database, caller: Caller, count: int) -> None:
    """Say how many tasks of the cycle are used."""
    _update(database, caller, tasks_in_cycle=count)


def remove(database: Database, caller: Caller) -> None:
    """Take the account out of the database behind the service's back."""
    for table, column in (("api_keys", "account_id"), ("accounts", "id")):
        database.execute(f"delete from {table} where {column} = $1", caller.account.id)


def _update(database: Database, caller: Caller, **columns: object) -> None:
    changes = ", ".join(f"{name} = ${number}" for number, name in enumerate(columns, 1))
    sql = f"update accounts set {changes} where id = ${len(columns) + 1}"
    assert database.execute(sql, *columns.values(), caller.account.id) == 1
    # A key is remembered for a few seconds together with its plan.
    caller.service.clock.advance(CACHE_SECONDS)
