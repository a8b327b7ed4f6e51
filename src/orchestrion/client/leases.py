"""A claim as a block of code: the lease is kept while it runs, and ends as the block ends."""

from types import TracebackType
from typing import Protocol, TypeVar

from orchestrion.client import calls
from orchestrion.client.call import Call
from orchestrion.client.contract import Action, AgentContract
from orchestrion.client.errors import (
    InvalidRequest,
    InvalidTransition,
    LeaseExpired,
    OrchestrionError,
    Refusal,
)
from orchestrion.client.exchange import Exchange, Steps
from orchestrion.client.keeping import Keeper, Kept
from orchestrion.client.payload import Payload
from orchestrion.client.task import Claimed, Task
from orchestrion.client.waiting import claim_within

T = TypeVar("T")
_CONFLICT = 409


class Lease:
    """A task you hold. Set `result` (a JSON object) or `output_id` before the block ends."""

    def __init__(self, kept: Kept) -> None:
        self._kept = kept
        self.task = kept.held.task
        self.lease_token = kept.held.lease_token
        self.result: Payload | None = None
        self.output_id: str | None = None

    @property
    def lost(self) -> bool:
        """Whether the task is no longer yours: stop, nothing you do with it counts."""
        return self._kept.lost

    @property
    def cancel_requested(self) -> bool:
        """Whether somebody no longer wants the work: stop, and raise to give it back."""
        return self._kept.cancel_requested

    @property
    def remaining(self) -> float:
        """Seconds until the lease ends unless it is renewed, as it is in the background."""
        return self._kept.remaining

    def raise_if_lost(self) -> None:
        """Raise LeaseExpired if the task is no longer yours."""
        if self.lost:
            raise lost_error(self.task)


def lost_error(task: Task) -> LeaseExpired:
    """Give the error of a lease that heartbeats found lost."""
    look = Action(
        action="check_task_status",
        available=True,
        recommended=True,
        description="Stop working on the task, discard the result, look at the task.",
        method="GET",
        endpoint=f"/v1/tasks/{task.id}",
    )
    return LeaseExpired(
        Refusal(
            code="lease_expired",
            status=_CONFLICT,
            message=f"The lease on {task.id} was lost while it was worked on.",
            contract=AgentContract(next_actions=(look,)),
        )
    )


def finished(exchange: Exchange, lease: Lease, error: BaseException | None) -> Steps[None]:
    """End the attempt as its block ended; an error of the block is the one its caller sees."""
    if error is None:
        yield from _completed(exchange, lease)
    elif lease.lost:
        error.add_note(f"The lease on {lease.task.id} was lost before.")
    else:
        try:
            yield from exchange.call(_give_back(lease, error))
        except OrchestrionError as trouble:
            error.add_note(f"The task could not be given back: {trouble}")


def _completed(exchange: Exchange, lease: Lease) -> Steps[None]:
    lease.raise_if_lost()
    done = calls.Ending(result=lease.result, output_id=lease.output_id)
    try:
        call = calls.complete(lease.task.id, lease.lease_token, done)
    except Exception as unfit:
        yield from finished(exchange, lease, unfit)
        raise
    try:
        yield from exchange.call(call)
    except InvalidTransition as refused:
        raise LeaseExpired(refused.refusal) from refused
    except InvalidRequest as unfit:
        # A result that the server does not take is a failure of the work, as one that is no JSON.
        yield from finished(exchange, lease, unfit)
        raise


def _give_back(lease: Lease, error: BaseException) -> Call[Task]:
    task_id, token = lease.task.id, lease.lease_token
    back = calls.GivingBack(reason=f"{type(error).__name__}: {error}")
    # An interrupt says nothing about the task: no attempt is spent on it.
    verb = calls.fail if isinstance(error, Exception) else calls.release
    return verb(task_id, token, back)


class Client(Protocol):
    """What a claim needs of the sync client."""

    exchange: Exchange
    keeper: Keeper

    def run(self, steps: Steps[T]) -> T: ...


class AsyncClient(Protocol):
    """What a claim needs of the async client."""

    exchange: Exchange
    keeper: Keeper

    async def run(self, steps: Steps[T]) -> T: ...


class _Block:
    def __init__(self, asked: calls.Claiming, wait: float) -> None:
        self._asked = asked
        self._wait = wait
        self._kept: Kept | None = None
        self._lease: Lease | None = None

    def _hold(self, keeper: Keeper, claimed: Claimed) -> Lease | None:
        self._kept = self._lease = None
        for kept in keeper.hold_all(claimed):
            self._kept = kept
            self._lease = Lease(kept)
        return self._lease

    def _let_go(self, keeper: Keeper) -> None:
        if self._kept is not None:
            keeper.drop(self._kept)


class ClaimBlock(_Block):
    """What `Orchestrion.claim` gives."""

    def __init__(self, client: Client, asked: calls.Claiming, wait: float) -> None:
        super().__init__(asked, wait)
        self._client = client

    def __enter__(self) -> Lease | None:
        claimed = self._client.run(claim_within(self._client.exchange, self._asked, self._wait))
        return self._hold(self._client.keeper, claimed)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._lease is None:
            return
        try:
            self._client.run(finished(self._client.exchange, self._lease, error))
        finally:
            self._let_go(self._client.keeper)


class AsyncClaimBlock(_Block):
    """What `AsyncOrchestrion.claim` gives."""

    def __init__(self, client: AsyncClient, asked: calls.Claiming, wait: float) -> None:
        super().__init__(asked, wait)
        self._client = client

    async def __aenter__(self) -> Lease | None:
        steps = claim_within(self._client.exchange, self._asked, self._wait)
        claimed = await self._client.run(steps)
        return self._hold(self._client.keeper, claimed)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._lease is None:
            return
        try:
            await self._client.run(finished(self._client.exchange, self._lease, error))
        finally:
            self._let_go(self._client.keeper)
