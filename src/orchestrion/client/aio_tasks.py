"""`client.tasks`, `client.keys` and `client.plan` for asyncio."""

from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import timedelta
from typing import Protocol, TypeVar

from orchestrion.client import account, batches, calls, insight
from orchestrion.client.batches import Outcome
from orchestrion.client.call import Call
from orchestrion.client.exchange import Exchange, Steps
from orchestrion.client.payload import Payload
from orchestrion.client.schedule import RunAt
from orchestrion.client.task import (
    Beat,
    Claimed,
    Completion,
    Failure,
    Held,
    NewTask,
    Page,
    Task,
)
from orchestrion.client.waiting import Mode, Waiting, several, wait_many

PAGE_SIZE = 100

T = TypeVar("T")


class AsyncClient(Protocol):
    """What the namespaces need of the client."""

    exchange: Exchange

    async def call(self, call: Call[T]) -> T: ...
    async def run(self, steps: Steps[T]) -> T: ...


class AsyncTasks:
    """The operations on tasks. Each raises APIError if refused, ConnectionFailed if unanswered."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def create(  # noqa: PLR0913 - a call reads better than a struct
        self,
        type: str,  # noqa: A002 - the wire's name
        payload: Payload,
        *,
        priority: int = 0,
        max_attempts: int = 3,
        lease_seconds: int = 300,
        run_at: RunAt | None = None,
        idempotency_key: str | None = None,
    ) -> Task:
        """Create a task: `payload` is an object of at most 64 KiB as JSON and 5 levels.

        `priority` 0 to 100, higher first; `max_attempts` 1 to 10; `lease_seconds` 30 to 3600.
        `run_at` is an aware datetime, a timedelta from now, or a text such as "+15m"; at most
        30 days ahead. A key is made where none is given, so a lost answer makes no second task.
        Raises ValueError for a `run_at` that names no instant.
        """
        task = NewTask(
            type, payload, priority, max_attempts, lease_seconds, run_at, idempotency_key
        )
        return await self._client.call(calls.create(task, self._client.exchange.present()))

    async def create_many(self, tasks: Iterable[NewTask]) -> list[Outcome]:
        """Create tasks, 100 in a request; gives for each, in order, the task or its refusal."""
        return await self._all(batches.create_many(tasks, self._client.exchange.present()))

    async def get(self, task_id: str) -> Task:
        """Read a task. Raises TaskNotFound."""
        return await self._client.call(calls.get(task_id))

    async def list(
        self,
        *,
        status: str | None = None,
        type: str | None = None,  # noqa: A002 - the wire's name
        claimed_by: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Page:
        """Read a page of tasks, newest first: `limit` 1 to 100, 20 unless given."""
        filters = calls.Filters(
            status=status, type=type, claimed_by=claimed_by, limit=limit, cursor=cursor
        )
        return await self._client.call(calls.list_page(filters))

    async def iter(
        self,
        *,
        status: str | None = None,
        type: str | None = None,  # noqa: A002 - the wire's name
        claimed_by: str | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[Task]:
        """Read all tasks page by page, newest first; `limit` is the size of a page, 100."""
        size = PAGE_SIZE if limit is None else limit
        cursor: str | None = None
        while True:
            page = await self.list(
                status=status,
                type=type,
                claimed_by=claimed_by,
                limit=size,
                cursor=cursor,
            )
            for task in page.items:
                yield task
            cursor = page.next_cursor
            if cursor is None:
                return

    async def wait(
        self,
        task_id: str,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - the server ends the wait
    ) -> Task:
        """Wait until a task has ended, `timeout` seconds at most. Raises Timeout."""
        (task,) = await self.wait_many([task_id], timeout=timeout)
        return task

    async def wait_many(
        self,
        task_ids: Iterable[str],
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - the server ends the wait
        mode: Mode = "all",
    ) -> "list_of[Task]":
        """Wait until all, or with mode "any" one of the tasks have ended; gives those that have.

        They come in the order of the ids, each once. Raises Timeout, and TaskNotFound.
        """
        waiting = Waiting(ids=several(task_ids), timeout=timeout, mode=mode)
        return await self._client.run(wait_many(self._client.exchange, waiting))

    async def cancel(self, task_id: str, *, force: bool = False) -> Task:
        """Cancel a task; with `force` its worker is asked to give it back first.

        Raises TaskCurrentlyClaimed without `force` while a worker holds it, and
        InvalidTransition where it has ended otherwise.
        """
        return await self._client.call(calls.cancel(task_id, force=force))

    async def requeue(self, task_id: str) -> Task:
        """Give a dead-lettered task a new start. Raises InvalidTransition for any other.

        Where no answer comes it is not sent again, for the task may have failed anew in between,
        and a second requeue would give it a second start: ConnectionFailed says `sent`; look at
        the task then.
        """
        return await self._client.call(calls.requeue(task_id))

    async def explain(self, task_id: str) -> insight.Explanation:
        """Tell whether a claim of the task would succeed now, and why not."""
        return await self._client.call(insight.explain(task_id))

    async def claim(
        self,
        types: str | Sequence[str],
        *,
        worker_id: str | None = None,
        wait_seconds: int = 0,
        max_tasks: int = 1,
        idempotency_key: str | None = None,
    ) -> Claimed:
        """Claim the next tasks of 1 to 10 types; `leases` is empty where there is nothing.

        `wait_seconds` 0 to 50 in this request; `max_tasks` 1 to 50. A key is made for each call,
        so a lost answer costs no attempt. Raises MaxWorkersReached, RateLimited.
        """
        asked = calls.Claiming(
            types=(types,) if isinstance(types, str) else tuple(types),
            worker_id=worker_id,
            wait_seconds=wait_seconds,
            max_tasks=max_tasks,
            idempotency_key=idempotency_key,
        )
        return await self._client.call(calls.claim(asked))

    async def claim_by_id(self, task_id: str, *, worker_id: str | None = None) -> Held:
        """Claim a certain task. Raises NotYetClaimable, InvalidTransition."""
        return await self._client.call(calls.claim_by_id(task_id, worker_id))

    async def heartbeat(self, task_id: str, lease_token: str) -> Task:
        """Renew a lease. Raises LeaseExpired or InvalidTransition: stop, it is not yours now."""
        return await self._client.call(calls.heartbeat(task_id, lease_token))

    async def complete(
        self,
        task_id: str,
        lease_token: str,
        result: Payload | None = None,
        *,
        output_id: str | None = None,
    ) -> Task:
        """Finish an attempt with its result, an object as `payload` is.

        Raises LeaseExpired or InvalidTransition: the attempt was lost, discard the result.
        """
        ending = calls.Ending(result=result, output_id=output_id)
        return await self._client.call(calls.complete(task_id, lease_token, ending))

    async def fail(
        self,
        task_id: str,
        lease_token: str,
        reason: str,
        *,
        retry_after: float | timedelta | None = None,
    ) -> Task:
        """Give an attempt back as failed; `reason` is cut to 500 characters.

        `retry_after`, 1 s to 86,400 s: how long nobody may claim it. Raises as `complete`.
        """
        back = calls.GivingBack(reason=reason, retry_after=retry_after)
        return await self._client.call(calls.fail(task_id, lease_token, back))

    async def release(
        self,
        task_id: str,
        lease_token: str,
        *,
        reason: str | None = None,
        retry_after: float | timedelta | None = None,
    ) -> Task:
        """Take a claim back: no attempt is spent. Arguments and errors as in `fail`."""
        back = calls.GivingBack(reason=reason, retry_after=retry_after)
        return await self._client.call(calls.release(task_id, lease_token, back))

    async def complete_many(self, items: Iterable[Completion]) -> "list_of[Outcome]":
        """Finish attempts, 100 in a request; gives for each the task or its refusal."""
        return await self._all(batches.complete_many(items))

    async def fail_many(self, items: Iterable[Failure]) -> "list_of[Outcome]":
        """Give attempts back, 100 in a request; gives for each the task or its refusal."""
        return await self._all(batches.fail_many(items))

    async def heartbeat_many(self, items: Iterable[Beat]) -> "list_of[Outcome]":
        """Renew leases, 100 in a request; gives for each the task or its refusal."""
        return await self._all(batches.heartbeat_many(items))

    async def _all(self, batch: batches.Batch) -> "list_of[Outcome]":
        return await self._client.run(batches.outcomes(self._client.exchange, batch))


# Within the class `list` is the operation.
list_of = list


class AsyncKeys:
    """The operations on keys."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def register(self, email: str | None = None) -> account.RegisteredKey:
        """Make an account and its key, shown this once; no key is needed for it.

        Where no answer comes it is not sent again: that would make another account and count
        against the registrations of this address. Raises RateLimited, InvalidRequest.
        """
        return await self._client.call(account.register(email))


class AsyncPlanDesk:
    """The operations on the account's plan."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def show(self) -> account.PlanStatus:
        """Read the plan and what is used of it."""
        return await self._client.call(account.plan_status())

    async def list(self) -> "list_of[account.Plan]":
        """Read the catalogue; no key is needed for it."""
        return await self._client.call(account.plans())

    async def checkout(self, plan_id: str) -> account.Checkout:
        """Start to buy a plan: a human then approves it at `checkout_url`, within 3 hours."""
        return await self._client.call(account.checkout(plan_id))

    async def verify(self, purchase_id: str) -> account.Verification:
        """Take the money of an approved purchase, once. Raises PaymentFailed until it is."""
        return await self._client.call(account.verify(purchase_id))
