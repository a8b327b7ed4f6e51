"""Commands as a caller would send them, with everything optional left to its default."""

from msgspec.structs import replace

from orchestrion.core.commands import (
    CancelTask,
    ClaimNext,
    ClaimTask,
    CompleteTask,
    CreateTask,
    ExpireLeases,
    FailTask,
    Heartbeat,
    ReleaseTask,
    RequestCancel,
    RequeueTask,
    UndoClaim,
)
from orchestrion.core.ids import AccountId, LeaseToken, TaskId
from orchestrion.core.lease import Completion, Failure, Lease, digest_of_claim
from orchestrion.core.task import Task
from tests.factories import ACCOUNT_ID, a_task_id

SAME = digest_of_claim(types=["report"])


def create(number: int = 99, **changes: object) -> CreateTask:
    command = CreateTask(
        account_id=ACCOUNT_ID,
        task_id=a_task_id(number),
        type="report",
        payload="{}",
        priority=0,
        max_attempts=3,
        lease_seconds=300,
        scheduled_at=None,
    )
    return replace(command, **changes)


def a_token(number: int) -> LeaseToken:
    return LeaseToken(f"lse_{number:034x}")


def a_lease(number: int, worker_id: str | None = "me") -> Lease:
    return Lease(worker_id=worker_id, token=a_token(number))


def a_keyed_lease(number: int, key: str = "k", digest: bytes = SAME) -> Lease:
    return Lease(worker_id="me", token=a_token(number), key=key, digest=digest)


def claim_next(number: int = 99, **changes: object) -> ClaimNext:
    command = ClaimNext(account_id=ACCOUNT_ID, types=("report",), lease=a_lease(number))
    return replace(command, **changes)


def claim_task(task_id: TaskId, number: int = 99, **changes: object) -> ClaimTask:
    command = ClaimTask(account_id=ACCOUNT_ID, task_id=task_id, lease=a_lease(number))
    return replace(command, **changes)


def complete(task_id: TaskId, token: LeaseToken | None = None, **changes: object) -> CompleteTask:
    command = CompleteTask(
        account_id=ACCOUNT_ID, task_id=task_id, lease_token=token, completion=Completion()
    )
    return replace(command, **changes)


def fail(task_id: TaskId, token: LeaseToken | None = None, **changes: object) -> FailTask:
    command = FailTask(account_id=ACCOUNT_ID, task_id=task_id, lease_token=token, failure=Failure())
    return replace(command, **changes)


def release(task_id: TaskId, token: LeaseToken, **changes: object) -> ReleaseTask:
    command = ReleaseTask(
        account_id=ACCOUNT_ID, task_id=task_id, lease_token=token, failure=Failure()
    )
    return replace(command, **changes)


def undo(task_id: TaskId, token: LeaseToken, **changes: object) -> UndoClaim:
    command = UndoClaim(account_id=ACCOUNT_ID, task_id=task_id, lease_token=token)
    return replace(command, **changes)


def heartbeat(task_id: TaskId, token: LeaseToken | None = None, **changes: object) -> Heartbeat:
    command = Heartbeat(account_id=ACCOUNT_ID, task_id=task_id, lease_token=token)
    return replace(command, **changes)


def cancel(task_id: TaskId, **changes: object) -> CancelTask:
    return replace(CancelTask(account_id=ACCOUNT_ID, task_id=task_id), **changes)


def request_cancel(task_id: TaskId, **changes: object) -> RequestCancel:
    return replace(RequestCancel(account_id=ACCOUNT_ID, task_id=task_id), **changes)


def requeue(task_id: TaskId, **changes: object) -> RequeueTask:
    return replace(RequeueTask(account_id=ACCOUNT_ID, task_id=task_id), **changes)


def expire(*tasks: Task, account_id: AccountId = ACCOUNT_ID) -> ExpireLeases:
    return ExpireLeases(account_id=account_id, task_ids=tuple(task.id for task in tasks))
