"""What the engine asks of the world: protocols that databases and observers fit."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol, TypeVar

import msgspec

from orchestrion.core.account import Account, Principal, RequestCount
from orchestrion.core.asking import Asks
from orchestrion.core.claimable import Claimable
from orchestrion.core.clock import Clock
from orchestrion.core.database_state import DatabaseState
from orchestrion.core.emptiness import TypeLeases, TypeState
from orchestrion.core.found import Found
from orchestrion.core.ids import AccountId, PurchaseId, TaskId
from orchestrion.core.instants import Instant
from orchestrion.core.listing import PageQuery
from orchestrion.core.payment import CaptureAnswer, NewOrder, OpenedOrder, Order
from orchestrion.core.purchase import Purchase, Unsettled
from orchestrion.core.quota import Leases
from orchestrion.core.stats import Minute, Standing
from orchestrion.core.task import Status, Task
from orchestrion.core.view import Needs, TypeKey, View
from orchestrion.core.watching import Marks

__all__ = [
    "BatchRecord",
    "Clock",
    "Found",
    "JobStatus",
    "Observer",
    "Payments",
    "Reader",
    "RequestRecord",
    "Store",
    "Wakeups",
]

R = TypeVar("R")


class Store(Protocol):
    """What the writer asks of a database. Backends fit it; none imports it."""

    @property
    def one_account(self) -> bool:
        """Whether a batch must not concern more than one account."""
        ...

    @property
    def lanes(self) -> int:
        """How many transactions may run at a time."""
        ...

    async def transact(self, needs: Needs, decide: Callable[[View], R]) -> R:
        """Load what `needs` names, run `decide` on it, save what it changed, commit.

        May run `decide` again. Raises Poison, Conflict, Unavailable or Unknown.
        """
        ...


class Reader(Protocol):
    """What handlers and jobs read, beside the writer. Every method may raise Unavailable."""

    async def task(self, account_id: AccountId, task_id: TaskId) -> Found:
        """Read one task; none if it is not the account's."""
        ...

    async def next_due(self, keys: Sequence[TypeKey]) -> dict[TypeKey, Instant]:
        """Tell from when on a task of each type can be claimed, where there is any.

        Of leases only those about to end count, and of these the first few of an account.
        """
        ...

    async def marks(self, account_id: AccountId, ids: Sequence[TaskId]) -> Marks:
        """Read how tasks are, as far as they are the account's."""
        ...

    async def tasks(self, account_id: AccountId, ids: Sequence[TaskId]) -> Found:
        """Read tasks, as far as they are the account's, in any order."""
        ...

    async def page(self, query: PageQuery) -> Found:
        """Read one page, newest first."""
        ...

    async def type_state(self, key: TypeKey) -> TypeState:
        """Read what of a type waits in an account; bounded, whatever it has."""
        ...

    async def type_leases(self, account_id: AccountId, types: Collection[str]) -> TypeLeases:
        """Read what is held of some types, as far as it is among the first leases to end."""
        ...

    async def types(self, account_id: AccountId, limit: int) -> list[str]:
        """Name the types an account has tasks of, up to a limit, by their bytes."""
        ...

    async def ahead(self, task: Task, limit: int) -> int:
        """Count the tasks that claims hand out before a task, up to a limit."""
        ...

    async def leases(self, account_id: AccountId, limit: int) -> Leases:
        """Count an account's live leases, up to a limit."""
        ...

    async def asks(self, account_id: AccountId) -> Asks | None:
        """Read when workers asked for an account's types, as far as it was saved."""
        ...

    async def account(self, account_id: AccountId) -> Account | None:
        """Read an account."""
        ...

    async def principal(self, key_hash: bytes) -> Principal | None:
        """Read whose key this is; None if it is unknown or revoked."""
        ...

    async def purchase(self, account_id: AccountId, purchase_id: PurchaseId) -> Purchase | None:
        """Read a purchase; None if it is not the account's."""
        ...

    async def newest_purchase(self, account_id: AccountId) -> Purchase | None:
        """Read an account's newest purchase."""
        ...

    async def purchase_of_order(self, order_id: str) -> Purchase | None:
        """Read the purchase an order is of."""
        ...

    async def unsettled_purchases(self, after: Unsettled, limit: int) -> list[Purchase]:
        """Read purchases that are due to be settled, the first due first."""
        ...

    async def request_counts(self, since: Instant) -> list[RequestCount]:
        """Read the counters of windows that began after an instant."""
        ...

    async def overdue(self, limit: int) -> list[tuple[AccountId, TaskId]]:
        """Name claimed tasks whose lease has ended, account by account."""
        ...

    async def account_with_ended(self, after: AccountId) -> Account | None:
        """Read the next account, by id, that has tasks that ended."""
        ...

    async def ended_before(
        self, account_id: AccountId, cutoff: Instant, limit: int
    ) -> list[TaskId]:
        """Name an account's tasks that ended up to an instant."""
        ...

    async def idempotency_keys_before(
        self, cutoff: Instant, limit: int
    ) -> list[tuple[AccountId, str]]:
        """Name idempotency keys made up to an instant, in the store's own order."""
        ...

    async def task_counts(self, account_id: AccountId, limit: int) -> Standing:
        """Read an account's counts of so many types, and since when the oldest task waits."""
        ...

    async def task_minutes(
        self, account_id: AccountId, types: Sequence[str], minutes: Sequence[Instant]
    ) -> list[Minute]:
        """Read what happened to tasks of some types in some minutes."""
        ...

    async def minutes_before(
        self, cutoff: Instant, limit: int
    ) -> list[tuple[AccountId, tuple[str, Instant]]]:
        """Name minutes that began up to an instant, by account and type."""
        ...

    async def idle_types(self, account_id: AccountId, limit: int) -> list[str]:
        """Name types that an account has counts but no tasks of."""
        ...

    async def counts(self) -> dict[Status, int]:
        """Count tasks by status; reads a whole index, so ask seldom."""
        ...

    async def state(self) -> DatabaseState:
        """Read how the database is doing; ask seldom."""
        ...


class Payments(Protocol):
    """Who takes the money. Never called while a transaction is open.

    Every method may raise PaymentsUnavailable: what was asked may have happened or not.
    """

    async def create_order(self, order: NewOrder) -> OpenedOrder:
        """Have an order made that a human can approve; made once, however often it is asked."""
        ...

    async def order(self, order_id: str) -> Order | None:
        """Read an order; None if it is gone."""
        ...

    async def capture(self, order_id: str, request_id: str) -> CaptureAnswer:
        """Take the money; what has the same `request_id` is one request."""
        ...

    async def event(self, headers: Mapping[bytes, bytes], body: bytes) -> str | None:
        """Tell which order a notification is about; None if it is not genuine or of no order."""
        ...


class Wakeups(Protocol):
    """Tells other processes of the same database what became claimable, and hears it from them.

    Hints, which may be lost or late: the truth is in the database.
    """

    @property
    def listening(self) -> bool:
        """Whether the others are heard just now."""
        ...

    def announce(self, ready: Sequence[Claimable]) -> None:
        """Tell the others soon; never waits and never raises."""
        ...

    async def heard(self) -> Sequence[Claimable] | None:
        """Wait for what the others tell; None where something of it may have been missed."""
        ...

    async def run(self, lost: Callable[[Exception], None]) -> None:
        """Keep in touch with the others until cancelled; `lost` is told when that breaks."""
        ...


class RequestRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP answer, for logs and metrics; `operation` is "unknown" where none matched."""

    request_id: str
    operation: str
    method: str
    account_id: str
    status: int
    seconds: float
    error: str = ""


class BatchRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One commit: how many commands it carried and how long it took, load to commit."""

    commands: int
    seconds: float


class Observer(Protocol):
    """Who is told what happened; never raises."""

    def request(self, record: RequestRecord) -> None:
        """Take note of an HTTP answer."""
        ...

    def batch(self, record: BatchRecord) -> None:
        """Take note of a commit."""
        ...

    def fault(self, event: str, request_id: str, error: BaseException) -> None:
        """Take note of something broken."""
        ...

    def refused(self, reason: str) -> None:
        """Take note of load that was shed."""
        ...


class JobStatus(Protocol):
    """When each background job last ran."""

    def started(self, job: str) -> None:
        """Take note of a start."""
        ...

    def finished(self, job: str) -> None:
        """Take note of a run that went well."""
        ...

    def failed(self, job: str, error: BaseException) -> None:
        """Take note of a run that broke."""
        ...

    def last_run_at(self, job: str) -> Instant | None:
        """Tell when a job last finished well."""
        ...
