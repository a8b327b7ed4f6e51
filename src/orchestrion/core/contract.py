"""agent_contract: from what happened to what an agent should do next (decisions §2)."""

from collections.abc import Sequence
from urllib.parse import quote

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from orchestrion.core import actions
from orchestrion.core.actions import Action, recommended, unavailable
from orchestrion.core.errors import CATALOGUE, ActionCode, ErrorCode
from orchestrion.core.ids import TaskId
from orchestrion.core.instants import Instant, seconds_left, seconds_until
from orchestrion.core.limits import (
    CHECK_WAIT_SECONDS_MAX,
    EMPTY_CLAIM_WAIT_SECONDS,
    HEARTBEATS_PER_LEASE,
    SERVER_ERROR_WAIT_SECONDS,
    WAITED_CLAIM_WAIT_SECONDS,
)
from orchestrion.core.outcomes import NoTask, Rejection, Situation
from orchestrion.core.task import CLAIMED, Status, Task
from orchestrion.core.watching import Seen


class AgentContract(msgspec.Struct, frozen=True, kw_only=True):
    """The guidance in every answer: exactly one action is recommended, and it stands first."""

    version: str = "1"
    retryable: bool = False
    next_actions: Sequence[Action]
    task_claimable: bool | UnsetType = UNSET
    lease_valid: bool | UnsetType = UNSET
    lease_expires_in_seconds: int | UnsetType = UNSET
    recommended_heartbeat_interval_seconds: int | UnsetType = UNSET
    # Only ever true: the holder of the lease is asked to give the task back.
    cancel_requested: bool | UnsetType = UNSET


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """The request a refusal answers. `repeatable`: a repeat can have no second effect."""

    method: str
    endpoint: str
    task_id: str = ""
    repeatable: bool = False


class Guide(msgspec.Struct, frozen=True, kw_only=True):
    """Gives guidance under this server's settings."""

    artifact_base_url: str = "https://api.outputlayer.dev"
    sells_plans: bool = False
    registration: str = "open"

    def viewing(self, task: Task, now: Instant) -> AgentContract:
        """Guide whoever reads a task: a producer, or a worker that may have lost it."""
        if task.status is not CLAIMED:
            return AgentContract(next_actions=self._resting(task, now))
        if not task.lease_alive(now):
            return AgentContract(
                next_actions=_overdue(task),
                lease_valid=False,
                lease_expires_in_seconds=0,
            )
        return _leased(
            task,
            now,
            (
                recommended(_look(task, now)),
                actions.complete(task.id),
                actions.fail(task.id),
                actions.heartbeat(task.id),
            ),
        )

    def holding(self, task: Task, now: Instant) -> AgentContract:
        """Guide the holder of the lease: claim and heartbeat answers."""
        complete = actions.complete(task.id)
        if task.cancel_requested_at is None:
            ways = (recommended(complete), actions.fail(task.id))
        else:
            ways = (recommended(actions.give_back(task.id)), complete)
        return _leased(task, now, (*ways, actions.heartbeat(task.id), actions.check(task.id)))

    def claimed(self, task: Task, now: Instant) -> AgentContract:
        """Guide a worker that was just handed a task."""
        return replace(self.holding(task, now), task_claimable=True)

    def refused(self, rejection: Rejection, attempt: Attempt) -> AgentContract:
        """Guide whoever was refused."""
        row = CATALOGUE[rejection.code]
        found = _BY_SITUATION.get(rejection.situation)
        if found is not None:
            return AgentContract(next_actions=found)
        if rejection.situation is Situation.COMMIT_UNKNOWN:
            return _unknown(attempt)
        if rejection.situation is Situation.PAYMENT_PENDING:
            return _not_paid_yet(attempt, rejection.wait_seconds)
        return AgentContract(retryable=row.retryable, next_actions=self._after(rejection, attempt))

    def _after(self, rejection: Rejection, attempt: Attempt) -> Sequence[Action]:
        wait = rejection.wait_seconds
        match rejection.code:
            case ErrorCode.MISSING_API_KEY | ErrorCode.INVALID_API_KEY:
                return _AUTHENTICATE if self.registration == "open" else _ASK
            case ErrorCode.INVALID_REQUEST:
                return _FIX
            case ErrorCode.TASK_NOT_FOUND:
                return _LIST
            case ErrorCode.IDEMPOTENCY_CONFLICT:
                return _ANOTHER_KEY
            case ErrorCode.QUOTA_EXCEEDED | ErrorCode.PLAN_EXPIRED:
                return self._pay(rejection.code)
            case ErrorCode.MAX_WORKERS_REACHED:
                again = recommended(actions.wait_to_repeat(attempt.method, attempt.endpoint, wait))
                return (again, actions.UPGRADE) if self.sells_plans else (again,)
            case ErrorCode.PAYMENT_FAILED:
                return _CHECKOUT_AGAIN
            case ErrorCode.RATE_LIMITED | ErrorCode.SERVER_ERROR | ErrorCode.IDEMPOTENCY_IN_FLIGHT:
                return (
                    recommended(actions.wait_to_repeat(attempt.method, attempt.endpoint, wait)),
                )
            case _:
                return self._by_state(rejection)

    def _by_state(self, rejection: Rejection) -> Sequence[Action]:
        task, now = rejection.task, rejection.now
        assert task is not None, "a refusal by state names its task"
        check = recommended(_look(task, now))
        match rejection.code:
            case ErrorCode.LEASE_EXPIRED:
                return (recommended(actions.check(task.id)), actions.CLAIM_NEXT)
            case ErrorCode.TASK_CURRENTLY_CLAIMED:
                path = f"/v1/tasks/{task.id}/cancel"
                return (check, actions.wait_to_repeat("POST", path, rejection.wait_seconds))
            case ErrorCode.NOT_YET_CLAIMABLE:
                wait = actions.wait_to_claim(task.id, rejection.wait_seconds)
                return (recommended(wait), actions.check(task.id))
            case _:
                return (check, *_others(self.viewing(task, now).next_actions))

    def _resting(self, task: Task, now: Instant) -> Sequence[Action]:
        match task.status:
            case Status.PENDING:
                return _pending(task, now)
            case Status.COMPLETED if task.output_id is not None:
                name = quote(task.output_id, safe="")
                url = f"{self.artifact_base_url}/v1/outputs/{name}/content"
                return (
                    recommended(actions.download(url)),
                    actions.CLAIM_NEXT,
                    actions.CREATE,
                )
            case Status.DEAD_LETTER:
                return (
                    recommended(actions.requeue(task.id)),
                    actions.CREATE,
                    actions.check(task.id),
                )
            case _:
                return _NEXT_TASK

    def _pay(self, code: ErrorCode) -> Sequence[Action]:
        if not self.sells_plans:
            return _BILLING
        step = actions.RENEW if code is ErrorCode.PLAN_EXPIRED else actions.UPGRADE
        return (recommended(step), actions.CHECK_BILLING)


def brief(guidance: AgentContract) -> AgentContract:
    """Keep the one step that is recommended, in codes alone."""
    first = replace(guidance.next_actions[0], description=UNSET)
    return replace(guidance, next_actions=(first,), recommended_heartbeat_interval_seconds=UNSET)


def nothing_claimed(outcome: NoTask) -> AgentContract:
    """Guide whoever found nothing: who waited for it may do so again at once."""
    return EMPTY_WAITED_CLAIM if outcome.waited else EMPTY_CLAIM


def listed(next_endpoint: str | None) -> AgentContract:
    """Guide the reader of a list, beside the guidance on each item."""
    if next_endpoint is None:
        return AgentContract(next_actions=(recommended(actions.CLAIM_NEXT), actions.CREATE))
    return AgentContract(
        next_actions=(recommended(actions.next_page(next_endpoint)), actions.CREATE)
    )


def awaited(seen: Seen, wait_seconds: int) -> AgentContract:
    """Guide whoever waited for tasks: look at what came, or wait on where time was up.

    Looking comes second then: at a task that waits it would lead a producer to claim its own.
    """
    shown = (*seen.met, *seen.remaining)
    look = actions.check(shown[0]) if shown else actions.LIST
    if not seen.remaining:
        return AgentContract(next_actions=(recommended(look),))
    again = replace(actions.WAIT_FOR_TASKS, retry_after_seconds=wait_seconds)
    first, second = (again, look) if seen.timed_out else (look, again)
    return AgentContract(next_actions=(recommended(first), second))


def billing_status(*, guide: Guide, quota_left: int, lapsed: str) -> AgentContract:
    """Guide by what is left: `lapsed` names the paid plan that ran out, or is empty."""
    if lapsed and guide.sells_plans:
        first = actions.RENEW
    elif quota_left > 0:
        first = actions.CREATE
    else:
        first = actions.UPGRADE if guide.sells_plans else actions.CLAIM_NEXT
    rest = (actions.CHECK_BILLING, actions.CLAIM_NEXT)
    return AgentContract(
        next_actions=(recommended(first), *(one for one in rest if one is not first))
    )


def _look(task: Task, now: Instant) -> Action:
    """Advise to read the task; at a pace, while a worker holds it and others can only wait."""
    ends = task.lease_expires_at
    if ends is None or not task.lease_alive(now):
        return actions.check(task.id)
    return actions.check_again(task.id, min(CHECK_WAIT_SECONDS_MAX, seconds_until(ends, now)))


def _pending(task: Task, now: Instant) -> Sequence[Action]:
    if task.due(now):
        return (recommended(actions.claim_by_id(task.id)), actions.check(task.id))
    return (
        recommended(actions.wait_to_claim(task.id, seconds_until(task.due_at, now))),
        unavailable(actions.claim_by_id(task.id)),
        actions.check(task.id),
    )


def _overdue(task: Task) -> Sequence[Action]:
    if task.cancel_requested_at is not None:
        # Whoever acts on it next finds it cancelled.
        return _NEXT_TASK
    if task.attempts_left:
        return (recommended(actions.claim_by_id(task.id)), actions.check(task.id))
    return (
        recommended(actions.requeue(task.id)),
        actions.check(task.id),
        unavailable(actions.claim_by_id(task.id)),
    )


def _leased(task: Task, now: Instant, steps: Sequence[Action]) -> AgentContract:
    ends = task.lease_expires_at if task.lease_expires_at is not None else now
    return AgentContract(
        next_actions=steps,
        lease_valid=True,
        lease_expires_in_seconds=seconds_left(ends, now),
        recommended_heartbeat_interval_seconds=task.lease_seconds // HEARTBEATS_PER_LEASE,
        cancel_requested=UNSET if task.cancel_requested_at is None else True,
    )


def _unknown(attempt: Attempt) -> AgentContract:
    # The commit may have happened: look before acting; repeat only what cannot act twice.
    look = actions.LIST_AFTER_UNKNOWN
    if attempt.task_id:
        look = actions.check(TaskId(attempt.task_id))
    elif attempt.endpoint in _OF_BILLING:
        look = actions.CHECK_BILLING_AFTER_UNKNOWN
    steps = [recommended(look)]
    if attempt.repeatable:
        steps.append(
            actions.wait_to_repeat(attempt.method, attempt.endpoint, SERVER_ERROR_WAIT_SECONDS)
        )
    return AgentContract(retryable=attempt.repeatable, next_actions=steps)


def _not_paid_yet(attempt: Attempt, wait_seconds: int) -> AgentContract:
    again = actions.wait_to_repeat(attempt.method, attempt.endpoint, wait_seconds)
    return AgentContract(retryable=True, next_actions=(recommended(again), actions.VERIFY))


def _others(steps: Sequence[Action]) -> list[Action]:
    return [
        replace(step, recommended=False)
        for step in steps
        if step.action is not ActionCode.CHECK_TASK_STATUS
    ]


_AUTHENTICATE = (recommended(actions.AUTHENTICATE),)
_ASK = (
    recommended(
        replace(
            actions.AUTHENTICATE,
            description=(
                "Registration is closed here: ask this server's operator for an API key, then send "
                "it as a bearer token."
            ),
        )
    ),
)
_FIX = (recommended(actions.FIX_BY_SCHEMA),)
_LIST = (recommended(actions.LIST),)
_ANOTHER_KEY = (recommended(actions.CREATE_WITH_ANOTHER_KEY),)
_ANOTHER_CLAIM_KEY = (recommended(actions.CLAIM_WITH_ANOTHER_KEY),)
_BILLING = (recommended(actions.CHECK_BILLING),)
_NEXT_TASK = (recommended(actions.CREATE), actions.CLAIM_NEXT)
_CHECKOUT_AGAIN = (recommended(actions.RETRY_CHECKOUT), actions.CHECK_BILLING)
_DECLINED = (recommended(actions.RETRY_DECLINED), actions.CHECK_BILLING)
_VERIFY_FIRST = (recommended(actions.VERIFY_AFTER_APPROVAL), actions.CHECK_BILLING)
_OF_BILLING = frozenset({actions.UPGRADE.endpoint, actions.VERIFY.endpoint})
_FIX_OR_BILLING = (recommended(actions.FIX_BY_SCHEMA), actions.CHECK_BILLING)

_BY_SITUATION = {
    Situation.CLAIM_KEY_IN_USE: _ANOTHER_CLAIM_KEY,
    Situation.UNKNOWN_ROUTE: (recommended(actions.FIX_BY_CAPABILITIES),),
    Situation.REGISTRATION_CLOSED: (recommended(actions.ASK_THE_OPERATOR),),
    Situation.UNKNOWN_PURCHASE: _FIX_OR_BILLING,
    Situation.UNKNOWN_PLAN: _FIX_OR_BILLING,
    Situation.PAYMENTS_OFF: _BILLING,
    Situation.CHECKOUT_PENDING: _VERIFY_FIRST,
    Situation.PAYMENT_DECLINED: _DECLINED,
    Situation.PAYMENT_UNCOUNTED: _BILLING,
    Situation.PLAN_WITHDRAWN: _CHECKOUT_AGAIN,
    Situation.CHECKOUT_EXPIRED: _CHECKOUT_AGAIN,
}

EMPTY_CLAIM = AgentContract(
    retryable=True,
    task_claimable=False,
    next_actions=(
        recommended(replace(actions.POLL_AGAIN, retry_after_seconds=EMPTY_CLAIM_WAIT_SECONDS)),
    ),
)
# Whoever waited may wait again at once.
EMPTY_WAITED_CLAIM = AgentContract(
    retryable=True,
    task_claimable=False,
    next_actions=(
        recommended(
            replace(
                actions.POLL_AGAIN,
                description="Nothing became claimable while you waited: claim again.",
                retry_after_seconds=WAITED_CLAIM_WAIT_SECONDS,
            )
        ),
    ),
)
REGISTERED = AgentContract(next_actions=(recommended(actions.CREATE), actions.CLAIM_NEXT))
PLANS = AgentContract(next_actions=_BILLING)
CHECKOUT_STARTED = AgentContract(next_actions=_VERIFY_FIRST)
PAID = AgentContract(next_actions=(recommended(actions.CHECK_BILLING), actions.CREATE))
# A create whose task was purged since: nothing is left to point at.
REPLAYED_PURGED = AgentContract(next_actions=_NEXT_TASK)
