"""A claim as a block of code: the lease is kept while it runs, and ends as the block ends."""

from types import TracebackType
from typing import Protocol, TypeVar

from orchestrion.client import calls
from orchestrion.client.call import Call
from orchestrion.client.contract import Action, AgentContract
from orchestrion.client.errors import InvalidTransition, LeaseExpired, Refusal
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


def ending(lease: Lease, error: BaseException | None) -> Call[Task] | None:
    """Choose how the attempt ends: completed, failed, or released where work was only stopped."""
    task_id, token = lease.task.id, lease.lease_token
    if lease.lost:
        return None
    if error is None:
        done = calls.Ending(result=lease.result, output_id=lease.output_id)
        return calls.complete(task_id, token, done)
    reason = f"{type(error).__name__}: {error}"
    if isinstance(error, Exception):
        return calls.fail(task_id, token, calls.GivingBack(reason=reason))
    # An interrupt says nothing about the task: no attempt is spent on it.
    return calls.release(task_id, token, calls.GivingBack(reason=reason))


class Client(Protocol):
    """What a claim needs of the sync client."""

    exchange: Exchange
    keeper: Keeper

    def run(self, steps: Steps[T]) -> T: ...
    def call(self, call: Call[T]) -> T: ...


class AsyncClient(Protocol):
    """What a claim needs of the async client."""

    exchange: Exchange
    keeper: Keeper

    async def run(self, steps: Steps[T]) -> T: ...
    async def call(self, call: Call[T]) -> T: ...


class _Block:
    def __init__(self, asked: calls.Claiming, wait: float) -> None:
        self._asked = asked
        self._wait = wait
        self._kept: Kept | None = None
        self._lease: Lease | None = None

    def _hold(self, keeper: Keeper, claimed: Claimed) -> Lease | None:
        for kept in keeper.hold_all(claimed):
            self._kept = kept
            self._lease = Lease(kept)
        return self._lease

    def _let_go(self, keeper: Keeper) -> Lease | None:
        if self._kept is not None:
            keeper.drop(self._kept)
        return self._lease


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
        lease = self._let_go(self._client.keeper)
        if lease is None:
            return
        call = ending(lease, error)
        if error is None:
            try:
                if call is None:
                    raise lost_error(lease.task)
                self._client.call(call)
            except InvalidTransition as refused:
                raise LeaseExpired(refused.refusal) from refused
        elif call is not None:
            try:
                self._client.call(call)
            except Exception as trouble:  # noqa: BLE001 - the block's own error is the one to see
                error.add_note(f"The task could not be given back: {trouble}")


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
        lease = self._let_go(self._client.keeper)
        if lease is None:
            return
        call = ending(lease, error)
        if error is None:
            try:
                if call is None:
                    raise lost_error(lease.task)
                await self._client.call(call)
            except InvalidTransition as refused:
                raise LeaseExpired(refused.refusal) from refused
        elif call is not None:
            try:
                await self._client.call(call)
            except Exception as trouble:  # noqa: BLE001 - the block's own error is the one to see
                error.add_note(f"The task could not be given back: {trouble}")
