"""What one batch may touch: which rows it needs, and the rows as the batch changes them."""

import heapq
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from orchestrion.core.account import Account, ApiKey, RequestCount
from orchestrion.core.asking import Asks
from orchestrion.core.ids import AccountId, KeyId, TaskId
from orchestrion.core.instants import Instant
from orchestrion.core.limits import CLAIM_OVERDUE_MARGIN, EXPIRE_BATCH_MAX
from orchestrion.core.purchases import PurchaseKey, Purchases
from orchestrion.core.tally import Tally
from orchestrion.core.task import PENDING, Task

TaskKey = tuple[AccountId, TaskId]
TypeKey = tuple[AccountId, str]
IdempotencyKey = tuple[AccountId, str]
CountKey = tuple[AccountId, KeyId, str]
MinuteKey = tuple[AccountId, str, Instant]


class IdempotencyRow(msgspec.Struct, frozen=True, kw_only=True):
    """What is remembered of a create that carried a key."""

    account_id: AccountId
    key: str
    request_digest: bytes
    created_at: Instant
    first: Task


class Needs:
    """The rows a batch must see. Built by `core.needs`, read by the stores."""

    __slots__ = (
        "accounts",
        "asks",
        "claim_keys",
        "claims",
        "deeper",
        "ending",
        "idempotency",
        "leases",
        "naming",
        "newest_purchases",
        "purchases",
        "request_counts",
        "tasks",
    )

    def __init__(self) -> None:
        self.tasks: set[TaskKey] = set()
        self.accounts: set[AccountId] = set()
        self.asks: set[AccountId] = set()
        self.idempotency: set[IdempotencyKey] = set()
        self.claim_keys: set[IdempotencyKey] = set()
        self.request_counts: set[CountKey] = set()
        self.purchases: set[PurchaseKey] = set()
        self.newest_purchases: set[AccountId] = set()
        self.claims: dict[TypeKey, int] = {}
        self.leases: dict[AccountId, int] = {}
        self.ending: dict[AccountId, int] = {}
        self.naming: dict[AccountId, int] = {}
        self.deeper: set[TypeKey] = set()

    def candidates(self, key: TypeKey) -> int:
        """Say how many pending rows to load for a type.

        Cancels and claims by id may take a loaded candidate away before a claim sees it.
        """
        return self.claims[key] + self.naming.get(key[0], 0)

    def lease_count(self, account_id: AccountId, most: int) -> int:
        """Say how many live leases of an account to count, where a plan allows `most`.

        One too many is enough to know, also after the batch has ended what it names.
        """
        return most + 1 + self.ending.get(account_id, 0)

    def overdue(self, key: TypeKey) -> int:
        """Say how many overdue rows to load for a type."""
        # Where a claim looks again there are many, and all of them must go.
        margin = EXPIRE_BATCH_MAX if key in self.deeper else CLAIM_OVERDUE_MARGIN
        return self.candidates(key) + margin


class View:
    """The loaded rows, each decision seeing the changes of those before it."""

    def __init__(self, now: Instant) -> None:
        self.now = now
        self.accounts: dict[AccountId, Account] = {}
        self.live_leases: dict[AccountId, int] = {}
        self.lease_ends: dict[AccountId, Instant] = {}
        self.more_overdue: set[TypeKey] = set()
        self.unsettled: set[TypeKey] = set()
        # Somebody is told of what an earlier transaction did: it must be as safe as that one's own.
        self.repeated = False
        self.new_tasks: dict[TaskKey, Task] = {}
        self.changed_tasks: dict[TaskKey, Task] = {}
        self.deleted_tasks: list[TaskKey] = []
        self.new_accounts: list[Account] = []
        self.changed_accounts: set[AccountId] = set()
        self.new_keys: list[ApiKey] = []
        self.new_idempotency: list[IdempotencyRow] = []
        self.deleted_idempotency: list[IdempotencyKey] = []
        self._tasks: dict[TaskKey, Task] = {}
        self._idempotency: dict[IdempotencyKey, IdempotencyRow] = {}
        self._claimed_under: dict[IdempotencyKey, set[TaskKey]] = {}
        self._request_counts: dict[CountKey, RequestCount] = {}
        self._changed_counts: dict[CountKey, RequestCount] = {}
        self._asks: dict[AccountId, Asks] = {}
        self.changed_asks: dict[AccountId, Asks] = {}
        self.purchases = Purchases()
        self.tally = Tally()
        self.old_minutes: list[MinuteKey] = []
        # Types of which there is no task, unless one came meanwhile.
        self.idle_types: list[TypeKey] = []
        self._claimable: dict[TypeKey, list[tuple[tuple[int, Instant, TaskId], TaskKey]]] = {}
        self._overdue: dict[TypeKey, list[TaskKey]] = {}

    # Loading, by the store.

    def load_tasks(self, tasks: Iterable[Task]) -> None:
        """Take rows that commands name."""
        for task in tasks:
            self._tasks.setdefault((task.account_id, task.id), task)

    def load_claimable(self, key: TypeKey, pending: list[Task], overdue: list[Task]) -> None:
        """Take the first pending rows of a type, in claim order, and its overdue rows."""
        self.load_tasks(pending)
        self.load_tasks(overdue)
        # Rows in claim order are a valid heap already.
        self._claimable[key] = [(task.claim_order, (task.account_id, task.id)) for task in pending]
        self._overdue[key] = [(task.account_id, task.id) for task in overdue]

    def load_idempotency(self, rows: Iterable[IdempotencyRow]) -> None:
        """Take remembered creates."""
        for row in rows:
            self._idempotency[row.account_id, row.key] = row

    def load_claim_keys(self, rows: Iterable[tuple[AccountId, str, TaskId]]) -> None:
        """Take which tasks were claimed under which key: by account, key and task."""
        for account_id, key, task_id in rows:
            self._claimed_under.setdefault((account_id, key), set()).add((account_id, task_id))

    def load_request_counts(self, rows: Iterable[RequestCount]) -> None:
        """Take counters as they are kept."""
        self._request_counts.update((count_key(row), row) for row in rows)

    def load_asks(self, rows: Iterable[Asks]) -> None:
        """Take when workers asked."""
        self._asks.update((row.account_id, row) for row in rows)

    # Saving, by the store.

    @property
    def request_counts(self) -> list[RequestCount]:
        """The counters that changed, each once."""
        return list(self._changed_counts.values())

    # Reading and changing, by decisions.

    def task(self, account_id: AccountId, task_id: TaskId) -> Task | None:
        """Give the account's task as it is now within the batch."""
        return self._tasks.get((account_id, task_id))

    def remembered(self, account_id: AccountId, key: str) -> IdempotencyRow | None:
        """Give what is remembered of an idempotency key."""
        return self._idempotency.get((account_id, key))

    def held_under(self, account_id: AccountId, key: str) -> list[Task]:
        """Give the tasks whose live leases were claimed under a key."""
        named = self._claimed_under.get((account_id, key), ())
        found = (self._tasks.get(task_key) for task_key in named)
        return [
            task
            for task in found
            if task is not None and task.claim_key == key and task.lease_alive(self.now)
        ]

    def remember(self, row: IdempotencyRow) -> None:
        """Keep a create for its repeats; a key whose life was over is replaced."""
        key = (row.account_id, row.key)
        self._idempotency[key] = row
        self.new_idempotency.append(row)
        # A key purged earlier in the batch lives again: its deletion must not be saved.
        if key in self.deleted_idempotency:
            self.deleted_idempotency.remove(key)

    def forget(self, account_id: AccountId, key: str) -> None:
        """Drop a remembered create."""
        self._idempotency.pop((account_id, key), None)
        self.deleted_idempotency.append((account_id, key))

    def request_count(self, key: CountKey) -> RequestCount | None:
        """Give a counter as it is now within the batch."""
        return self._request_counts.get(key)

    def put_request_count(self, row: RequestCount) -> None:
        """Replace a counter by its changed self, or add it."""
        key = count_key(row)
        self._request_counts[key] = row
        self._changed_counts[key] = row

    def asks(self, account_id: AccountId) -> Asks | None:
        """Give when workers of an account asked, as it is now within the batch."""
        return self._asks.get(account_id)

    def put_asks(self, row: Asks) -> None:
        """Replace what is kept of an account's asks."""
        self._asks[row.account_id] = row
        self.changed_asks[row.account_id] = row

    def insert(self, task: Task) -> None:
        """Add a new task."""
        key = (task.account_id, task.id)
        self.new_tasks[key] = task
        self.tally.created(task)
        self._put(key, task)

    def put(self, task: Task) -> None:
        """Replace a task by its changed self."""
        key = (task.account_id, task.id)
        if task.claim_key is not None:
            self._claimed_under.setdefault((task.account_id, task.claim_key), set()).add(key)
        before = self._tasks.get(key)
        if before is not None:
            self.tally.moved(before, task, self.now)
        self._count_lease(before, task)
        if key in self.new_tasks:
            self.new_tasks[key] = task
        else:
            self.changed_tasks[key] = task
        self._put(key, task)

    def delete(self, task: Task) -> None:
        """Remove a task."""
        key = (task.account_id, task.id)
        self._tasks.pop(key, None)
        self.changed_tasks.pop(key, None)
        self.deleted_tasks.append(key)
        self.tally.deleted(task)

    def put_account(self, account: Account) -> None:
        """Replace an account by its changed self."""
        self.accounts[account.id] = account
        self.changed_accounts.add(account.id)

    def insert_account(self, account: Account, key: ApiKey) -> None:
        """Add an account with its first key."""
        self.new_accounts.append(account)
        self.new_keys.append(key)

    def take_overdue(self, key: TypeKey) -> Iterator[Task]:
        """Hand out each row of a type that was loaded overdue once, as it is now."""
        for task_key in self._overdue.pop(key, ()):
            task = self._tasks.get(task_key)
            if task is not None:
                yield task

    def first_claimable(self, keys: Sequence[TypeKey]) -> Task | None:
        """Give the first pending, due task of some types; it stays until it changes."""
        if len(keys) == 1:
            return self._first_of(keys[0])
        firsts = (task for key in keys if (task := self._first_of(key)))
        return min(firsts, key=_claim_order, default=None)

    def _first_of(self, key: TypeKey) -> Task | None:
        heap = self._claimable.get(key)
        while heap:
            order, task_key = heap[0]
            task = self._tasks.get(task_key)
            if task is not None and task.status is PENDING and task.claim_order == order:
                return task
            heapq.heappop(heap)
        return None

    def _put(self, key: TaskKey, task: Task) -> None:
        self._tasks[key] = task
        heap = self._claimable.get((task.account_id, task.type))
        if heap is not None and task.status is PENDING and task.due(self.now):
            heapq.heappush(heap, (task.claim_order, key))

    def _count_lease(self, before: Task | None, after: Task) -> None:
        account_id = after.account_id
        if account_id not in self.live_leases:
            return
        held = before is not None and before.lease_alive(self.now)
        self.live_leases[account_id] += after.lease_alive(self.now) - held


def _claim_order(task: Task) -> tuple[int, Instant, TaskId]:
    return task.claim_order


def count_key(row: RequestCount) -> CountKey:
    """Name a counter."""
    return (row.account_id, row.key_id, row.kind)
