"""Rows to values and values to rows; the only place where a row's columns are named by position."""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any, cast

import msgspec

from orchestrion.core.account import Account, ApiKey, Principal, RequestCount
from orchestrion.core.asking import Asks
from orchestrion.core.emptiness import Leased
from orchestrion.core.ids import TaskId
from orchestrion.core.instants import Instant
from orchestrion.core.purchase import Purchase, Stage
from orchestrion.core.stats import Counts, Happened, Minute, counted
from orchestrion.core.tally import Change
from orchestrion.core.task import Status, Task
from orchestrion.core.view import IdempotencyRow
from orchestrion.core.watching import Mark

Row = tuple[Any, ...]
Rows = Iterable[Row]

_task = cast("Callable[..., Task]", Task)
_STATUS = {status.value: status for status in Status}
_STATUS_COLUMN = 4
_ASKED = msgspec.json.Decoder(dict[str, Instant])


def task_of(row: Row) -> Task:
    """Build a task from the columns of `load_task`."""
    status = _STATUS[row[_STATUS_COLUMN]]
    return _task(*row[:_STATUS_COLUMN], status, *row[_STATUS_COLUMN + 1 :])


def leased_of(row: Row) -> Leased:
    """Build what is known of a lease from the columns of `list_leases`, behind the type."""
    return Leased(*row)


def mark_of(row: Row) -> tuple[TaskId, Mark]:
    """Build a task's mark from the columns of `load_marks`."""
    task_id, status, *rest = row
    return task_id, Mark(_STATUS[status], *rest)


def insert_row(task: Task) -> Row:
    """Give every column of a new task."""
    return (*msgspec.structs.astuple(task), task.due_at)


def save_row(task: Task) -> Row:
    """Give what `save_task` changes, behind the key."""
    return (
        task.account_id,
        task.id,
        task.status,
        task.scheduled_at,
        task.due_at,
        task.attempt_count,
        task.claimed_by,
        task.claimed_at,
        task.lease_expires_at,
        task.last_heartbeat_at,
        task.updated_at,
        task.completed_at,
        task.last_failed_at,
        task.last_failure_reason,
        task.result,
        task.output_id,
        task.lease_token,
        task.given_back_by,
        task.claim_key,
        task.claim_digest,
        task.release_count,
        task.cancel_requested_at,
    )


def account_of(row: Row) -> Account:
    """Build an account from the columns of `load_account`."""
    return Account(*row)


def account_insert_row(account: Account) -> Row:
    """Give every column of a new account."""
    return msgspec.structs.astuple(account)


def account_save_row(account: Account) -> Row:
    """Give what `save_account` changes, behind the key."""
    return (
        account.id,
        account.plan,
        account.plan_expires_at,
        account.cycle_started_at,
        account.tasks_in_cycle,
        account.creates_window_at,
        account.creates_in_window,
        account.claims_window_at,
        account.claims_in_window,
    )


def key_row(key: ApiKey) -> Row:
    """Give every column of a new key."""
    return (key.hash, key.id, key.account_id, key.created_at)


def idempotency_of(row: Row) -> IdempotencyRow:
    """Build a remembered create from the columns of `load_idempotency`."""
    account_id, key, digest, created_at, first = row
    return IdempotencyRow(
        account_id=account_id,
        key=key,
        request_digest=digest,
        created_at=created_at,
        first=msgspec.json.decode(first, type=Task),
    )


def idempotency_row(row: IdempotencyRow) -> Row:
    """Give every column of a remembered create."""
    first = msgspec.json.encode(row.first).decode()
    return (row.account_id, row.key, row.request_digest, row.created_at, first)


def count_of(row: Row) -> RequestCount:
    """Build a counter from the columns of `load_request_counts`."""
    account_id, key_id, kind, window_at, count = row
    return RequestCount(
        account_id=account_id, key_id=key_id, kind=kind, window_at=window_at, count=count
    )


def count_row(count: RequestCount) -> Row:
    """Give every column of a counter."""
    return (count.account_id, count.key_id, count.kind, count.window_at, count.count)


def asks_of(row: Row) -> Asks:
    """Build the asks of an account from the columns of `load_asks`."""
    account_id, asked = row
    return Asks(account_id=account_id, at=_ASKED.decode(asked))


def asks_row(asks: Asks) -> Row:
    """Give every column of an account's asks."""
    return (asks.account_id, msgspec.json.encode(asks.at).decode())


def numbers_row(change: Change) -> Row:
    """Give what is to be added to the counts of a type, then to its present minute."""
    return (change.account_id, change.type, *change.standing, *change.happened)


def counts_row(change: Change) -> Row:
    """Give what is to be added to the counts of a type, behind the key."""
    return (change.account_id, change.type, *change.standing)


def minute_row(change: Change, minute_at: Instant) -> Row:
    """Give what is to be added to a type's minute, behind the key."""
    return (change.account_id, minute_at, change.type, *change.happened)


def counts_of(row: Row) -> tuple[str, Counts]:
    """Build a type's counts from the columns of `load_task_counts`."""
    type_, *numbers = row
    return type_, counted(numbers)


def minute_of_row(row: Row) -> Minute:
    """Build a minute from the columns of `load_task_minutes`."""
    type_, minute_at, *numbers = row
    return Minute(type=type_, minute_at=minute_at, happened=Happened(*numbers))


def purchase_of(row: Row) -> Purchase:
    """Build a purchase from the columns of `load_purchase`."""
    account_id, purchase_id, plan_id, price, stage, *rest = row
    return Purchase(account_id, purchase_id, plan_id, Decimal(price), Stage(stage), *rest)


def purchase_insert_row(purchase: Purchase) -> Row:
    """Give every column of a new purchase."""
    account_id, purchase_id, plan_id, price, *rest = msgspec.structs.astuple(purchase)
    return (account_id, purchase_id, plan_id, str(price), *rest, purchase.settle_at)


def purchase_save_row(purchase: Purchase) -> Row:
    """Give what `save_purchase` changes, behind the key."""
    return (
        purchase.account_id,
        purchase.id,
        purchase.stage,
        purchase.order_id,
        purchase.checkout_url,
        purchase.captures,
        purchase.capture_begun_at,
        purchase.capture_id,
        purchase.confirmed_at,
        purchase.updated_at,
        purchase.settle_at,
    )


def principal_of(row: Row) -> Principal:
    """Build a principal from the columns of `load_principal`."""
    account_id, key_id, plan, plan_expires_at, require_lease_token = row
    return Principal(
        account_id=account_id,
        key_id=key_id,
        plan=plan,
        plan_expires_at=plan_expires_at,
        require_lease_token=bool(require_lease_token),
    )
