"""Where copies come from and go to: a file with rows of every kind, and bare databases."""

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from orchestrion.copying.outcome import Outcome
from orchestrion.copying.transfer import copy
from orchestrion.core.account import RequestCount
from orchestrion.core.asking import Asks
from orchestrion.core.ids import AccountId, KeyId, ulid
from orchestrion.core.instants import Instant
from orchestrion.core.purchase import Purchase, Stage
from orchestrion.core.stats import Counts, Happened
from orchestrion.core.task import Status
from orchestrion.core.view import IdempotencyRow
from orchestrion.store import rows
from orchestrion.store.postgres.place import Place
from tests.databases import (
    Databases,
    PostgresDatabase,
    SqliteDatabase,
    add_accounts,
    add_idempotency,
    add_purchases,
    add_tasks,
)
from tests.factories import ACCOUNT, NOW, a_purchase, a_purchase_id, a_task, a_task_id

STRANGE: Final = '{"é":"\U0001f9ed\u2028\u2029\x7f","n":1e400,"z":-0,"big":' + "9" * 3_000 + "}"
LONG: Final = '{"text":"' + "ü" * 32_000 + '"}'
KEY_COLUMNS: Final = ("hash", "id", "account_id", "created_at", "revoked_at")
NUMBER_COLUMNS: Final = ("account_id", "type", *Counts.__struct_fields__)
MINUTE_COLUMNS: Final = ("account_id", "type", "minute_at", *Happened.__struct_fields__)
COUNT_COLUMNS: Final = ("account_id", "key_id", "kind", "window_at", "count")
ACCOUNTS: Final = 3


def fill(file: SqliteDatabase, tasks: int = 40) -> None:
    """Write accounts, keys, tasks, remembered creates and counters."""
    accounts = [
        replace(
            ACCOUNT,
            id=AccountId("acct_" + ulid(NOW, number)),
            email=None if number else "ops@exämple.com",
            plan_expires_at=NOW if number else None,
            tasks_in_cycle=2**53 + number,
        )
        for number in range(ACCOUNTS)
    ]
    add_accounts(file, *accounts)
    file.execute("update accounts set require_lease_token = 1 where email is null")
    every = list(Status)
    for account in accounts:
        add_tasks(
            file,
            (
                a_task(
                    every[number % len(every)],
                    account_id=account.id,
                    id=a_task_id(number),
                    payload=(STRANGE, LONG, "{}")[number % 3],
                    result=(None, STRANGE)[number % 2],
                    traceparent=(None, "00-" + "ab" * 16 + "-" + "cd" * 8 + "-01")[number % 2],
                    last_failure_reason="no \U0001f5a8\u2028paper",
                    given_back_by=(None, bytes(range(32)))[number % 2],
                    claim_key=(None, f"k \x7e{number}")[number % 2],
                    claim_digest=(None, bytes(range(64)))[number % 2],
                    release_count=number,
                    cancel_requested_at=(None, NOW)[number % 2],
                )
                for number in range(tasks)
            ),
        )
        keys = [
            (bytes([number, *account.id.encode()]), f"key_{account.id}{number}", account.id)
            for number in (0, 10, 39, 92, 255)
        ]
        file.insert(
            "api_keys", KEY_COLUMNS, [(*key, NOW, NOW if key[0][0] else None) for key in keys]
        )
        first = a_task(account_id=account.id, payload=STRANGE)
        add_idempotency(
            file,
            (
                IdempotencyRow(
                    account_id=account.id,
                    key=key,
                    request_digest=bytes(range(32)),
                    created_at=NOW,
                    first=first,
                )
                for key in ("a", "B", "~", "a b", "Z" * 255)
            ),
        )
        counts = [
            RequestCount(
                account_id=account.id,
                key_id=KeyId(f"key_{n}"),
                kind="reads",
                window_at=NOW,
                count=2**31,
            )
            for n in range(3)
        ]
        file.insert("request_counts", COUNT_COLUMNS, map(rows.count_row, counts))
        asks = Asks(account_id=account.id, at={"report": NOW, "a_b-C": Instant(2**53 + 1)})
        add_purchases(file, *some_purchases(account.id))
        file.insert("worker_asks", ("account_id", "asked"), [rows.asks_row(asks)])
        numbers = [(account.id, type_, n, 1, 2**53 + 1) for n, type_ in enumerate(("", "report"))]
        file.insert("task_counts", NUMBER_COLUMNS, [(*one, 0, 0) for one in numbers])
        file.insert("task_minutes", MINUTE_COLUMNS, [(*one, 0, 0, 0, 0) for one in numbers])


def some_purchases(account_id: AccountId) -> list[Purchase]:
    """Make one in every stage, and one that has nothing unset."""
    every = [
        a_purchase(
            stage,
            account_id=account_id,
            id=a_purchase_id(number),
            created_at=Instant(NOW + number),
            order_id=f"{account_id}-{number}" if number else None,
            capture_id=f"{account_id}-{number}" if number == 1 else None,
            price_usd=Decimal("0.10"),
        )
        for number, stage in enumerate(Stage)
    ]
    whole = replace(
        every[1],
        id=a_purchase_id(len(every)),
        created_at=Instant(NOW + len(every)),
        order_id=f"{account_id}-whole",
        capture_id=f"{account_id}-whole",
        capture_begun_at=NOW,
        confirmed_at=NOW,
    )
    return [*every, whole]


async def copied(file: Path, url: str) -> Outcome:
    """Copy the file."""
    return await copy(file, Place(url=url), unseen)


def unseen(_step: str, _done: int, _total: int) -> None:
    """Show nobody how far a copy is."""


@contextmanager
def shared(databases: Databases, url: str) -> Iterator[PostgresDatabase]:
    """Open what a copy was made into."""
    database = PostgresDatabase(databases.postgres.desk, url)
    try:
        yield database
    finally:
        database.close()
