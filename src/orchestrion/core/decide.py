"""From a command and the rows to an outcome: synchronous, total, and the same when run again."""

from collections.abc import Iterator, Sequence
from typing import assert_never

from msgspec.structs import replace

from orchestrion.core import (
    asking,
    claiming,
    counting,
    idempotency,
    lifecycle,
    purchasing,
    quota,
    repeats,
)
from orchestrion.core.account import Account, ApiKey, RequestCount, new_account
from orchestrion.core.commands import (
    CancelTask,
    ClaimNext,
    ClaimTask,
    Command,
    CompleteTask,
    CountRequests,
    CreateTask,
    ExpireLeases,
    FailTask,
    FinishAndClaim,
    Heartbeat,
    NoteAsks,
    OfHolder,
    OnTask,
    PurgeCounts,
    PurgeFinished,
    PurgeIdempotencyKeys,
    PurgeMinutes,
    RegisterKey,
    ReleaseTask,
    RequestCancel,
    RequeueTask,
    Sweep,
    Together,
    UndoClaim,
)
from orchestrion.core.errors import ErrorCode
from orchestrion.core.instants import SECOND, Instant
from orchestrion.core.limits import (
    SCHEDULE_AHEAD_SECONDS_MAX,
    SCHEDULE_BEHIND_SECONDS_MAX,
    TASK_MINUTES_SECONDS,
)
from orchestrion.core.outcomes import (
    Changed,
    Counted,
    Held,
    Outcome,
    Registered,
    Rejection,
    Replayed,
    Several,
    Swept,
    Window,
)
from orchestrion.core.plans import Catalogue
from orchestrion.core.purchase_commands import OfPlan
from orchestrion.core.task import ENDED, Task
from orchestrion.core.view import IdempotencyRow, View, count_key

TOO_FAR_AHEAD = "scheduledAt must not be more than 30 days ahead."
TOO_FAR_BEHIND = "scheduledAt must not be more than 60 seconds in the past."


def decide_all(commands: Sequence[Command], catalogue: Catalogue, view: View) -> list[Outcome]:
    """Decide the commands in order, each on what the earlier ones left."""
    return [decide(command, catalogue, view) for command in commands]


def decide(command: Command, catalogue: Catalogue, view: View) -> Outcome:
    """Decide one command."""
    match command:
        case CreateTask():
            return _create(command, catalogue, view)
        case ClaimNext():
            return claiming.claim_next(command, catalogue, view)
        case FinishAndClaim():
            return _finish_and_claim(command, catalogue, view)
        case Together():
            return Several(outcomes=tuple(decide_all(command.commands, catalogue, view)))
        case RegisterKey():
            return _register(command, view)
        case (
            ExpireLeases()
            | PurgeFinished()
            | PurgeIdempotencyKeys()
            | PurgeMinutes()
            | PurgeCounts()
            | NoteAsks()
        ):
            return Swept(count=_sweep(command, catalogue, view))
        case CountRequests():
            return Counted(counts=tuple(_count(command, view)))
        case _ if isinstance(command, OfPlan):
            return purchasing.decide(command, catalogue, view)
        case _:
            return _on_task(command, catalogue, view)


def _finish_and_claim(command: FinishAndClaim, catalogue: Catalogue, view: View) -> Outcome:
    finished = _on_task(command.finish, catalogue, view)
    if isinstance(finished, Rejection):
        failed = repeats.failed_before(command, view)
        if failed is None:
            return finished
        finished = Changed(task=failed, now=view.now)
    claimed = claiming.claim_next(command.claim, catalogue, view)
    return Several(outcomes=(finished, claimed))


def _on_task(command: OnTask, catalogue: Catalogue, view: View) -> Outcome:
    now = view.now
    task = view.task(command.account_id, command.task_id)
    if task is None:
        return Rejection(code=ErrorCode.TASK_NOT_FOUND, now=now)
    if isinstance(command, ClaimTask):
        return claiming.claim_task(command, task, catalogue, view)
    if isinstance(command, CancelTask | RequestCancel | RequeueTask):
        changed = _changed_by_owner(command, task, now)
    else:
        changed = _changed_by_holder(command, task, now)
    if isinstance(changed, Rejection):
        return changed
    # A safe repeat gives the task as it is.
    if changed is task:
        view.repeated = True
    else:
        view.put(changed)
    if isinstance(command, Heartbeat):
        return Held(task=changed, now=now)
    return Changed(task=changed, now=now)


def _changed_by_owner(
    command: CancelTask | RequestCancel | RequeueTask, task: Task, now: Instant
) -> Task | Rejection:
    match command:
        case CancelTask():
            return lifecycle.cancel(task, now)
        case RequestCancel():
            return lifecycle.request_cancel(task, now)
        case RequeueTask():
            return lifecycle.requeue(task, now)
        case _:
            assert_never(command)


def _changed_by_holder(command: OfHolder, task: Task, now: Instant) -> Task | Rejection:
    token = command.lease_token
    match command:
        case CompleteTask():
            return lifecycle.complete(task, now, token, command.completion)
        case FailTask():
            return lifecycle.fail(task, now, token, command.failure)
        case Heartbeat():
            return lifecycle.heartbeat(task, now, token)
        case ReleaseTask():
            return lifecycle.release(task, now, command.lease_token, command.failure)
        case UndoClaim():
            return lifecycle.undo(task, now, command.lease_token)
        case _:
            assert_never(command)


def _create(command: CreateTask, catalogue: Catalogue, view: View) -> Outcome:
    account = quota.rolled(view.accounts[command.account_id], view.now)
    repeated = idempotency.replay(view, command)
    if repeated:
        view.repeated = view.repeated or isinstance(repeated, Replayed)
        return replace(repeated, window=_creates_window(account, catalogue, view))
    refused = _badly_scheduled(command, view) or quota.may_create(account, catalogue, view.now)
    if refused:
        return refused
    account = quota.created(account)
    view.put_account(account)
    task = _new_task(command, view)
    view.insert(task)
    if command.idempotency_key is not None:
        view.remember(
            IdempotencyRow(
                account_id=command.account_id,
                key=command.idempotency_key,
                request_digest=command.request_digest,
                created_at=view.now,
                first=task,
            )
        )
    return Changed(task=task, now=view.now, window=_creates_window(account, catalogue, view))


def _badly_scheduled(command: CreateTask, view: View) -> Rejection | None:
    if command.scheduled_at is None:
        return None
    ahead = command.scheduled_at - view.now
    if ahead > SCHEDULE_AHEAD_SECONDS_MAX * SECOND:
        return Rejection(code=ErrorCode.INVALID_REQUEST, message=TOO_FAR_AHEAD, now=view.now)
    if ahead < -SCHEDULE_BEHIND_SECONDS_MAX * SECOND:
        return Rejection(code=ErrorCode.INVALID_REQUEST, message=TOO_FAR_BEHIND, now=view.now)
    return None


def _new_task(command: CreateTask, view: View) -> Task:
    # A schedule that has come already is no schedule (decisions §6).
    later = command.scheduled_at is not None and command.scheduled_at > view.now
    return Task(
        account_id=command.account_id,
        id=command.task_id,
        type=command.type,
        payload=command.payload,
        status=lifecycle.CREATED,
        priority=command.priority,
        scheduled_at=command.scheduled_at if later else None,
        attempt_count=0,
        max_attempts=command.max_attempts,
        lease_seconds=command.lease_seconds,
        claimed_by=None,
        claimed_at=None,
        lease_expires_at=None,
        last_heartbeat_at=None,
        created_at=view.now,
        updated_at=view.now,
        completed_at=None,
        last_failed_at=None,
        last_failure_reason=None,
        result=None,
        output_id=None,
        lease_token=None,
        traceparent=command.traceparent,
    )


def _creates_window(account: Account, catalogue: Catalogue, view: View) -> Window:
    return quota.creates(account, catalogue.in_force(account, view.now), view.now)


def _register(command: RegisterKey, view: View) -> Outcome:
    account = new_account(command.account_id, command.email, view.now)
    key = ApiKey(
        id=command.key_id,
        account_id=command.account_id,
        hash=command.key_hash,
        created_at=view.now,
    )
    view.insert_account(account, key)
    return Registered(account_id=command.account_id, key_id=command.key_id)


def _sweep(command: Sweep, catalogue: Catalogue, view: View) -> int:
    match command:
        case ExpireLeases():
            return _expire(command, view)
        case PurgeFinished():
            return _purge(command, catalogue, view)
        case PurgeIdempotencyKeys():
            return _forget(command, view)
        case PurgeMinutes():
            return _forget_minutes(command, view)
        case PurgeCounts():
            view.idle_types += [(command.account_id, type_) for type_ in command.types]
            return len(command.types)
        case NoteAsks():
            return _note(command, view)
        case _:
            assert_never(command)


def _expire(command: ExpireLeases, view: View) -> int:
    count = 0
    for task_id in command.task_ids:
        task = view.task(command.account_id, task_id)
        expired = None if task is None else lifecycle.expire(task, view.now)
        if isinstance(expired, Task):
            view.put(expired)
            count += 1
    return count


def _purge(command: PurgeFinished, catalogue: Catalogue, view: View) -> int:
    account = view.accounts.get(command.account_id)
    if account is None:
        return 0
    cutoff = catalogue.retention_cutoff(account, view.now)
    count = 0
    for task_id in command.task_ids:
        task = view.task(command.account_id, task_id)
        if task and task.status in ENDED and task.updated_at <= cutoff:
            view.delete(task)
            count += 1
    return count


def _forget(command: PurgeIdempotencyKeys, view: View) -> int:
    count = 0
    for key in command.keys:
        row = view.remembered(command.account_id, key)
        if row is not None and idempotency.over(row, view.now):
            view.forget(command.account_id, key)
            count += 1
    return count


def _forget_minutes(command: PurgeMinutes, view: View) -> int:
    cutoff = view.now - TASK_MINUTES_SECONDS * SECOND
    old = [
        (command.account_id, type_, minute_at)
        for type_, minute_at in command.minutes
        if minute_at <= cutoff
    ]
    view.old_minutes += old
    return len(old)


def _note(command: NoteAsks, view: View) -> int:
    kept = view.asks(command.account_id)
    noted = asking.merged(kept, command.asks)
    if noted is not kept:
        view.put_asks(noted)
    return int(noted is not kept)


def _count(command: CountRequests, view: View) -> Iterator[RequestCount]:
    for more in command.counts:
        kept = view.request_count(count_key(more))
        counted = counting.merged(kept, more, view.now)
        if counted is None:
            continue
        if counted is not kept:
            view.put_request_count(counted)
        yield counted
