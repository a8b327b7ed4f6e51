"""What agent_contract must say (decisions §2), stated anew; the sentences are left out."""

from typing import Final

from tests.statemachine.task import SECOND, Json, Task

_LOOK_AGAIN_SECONDS: Final = 30
_ARTIFACTS: Final = "https://api.outputlayer.dev/v1/outputs"


def contract(*actions: Json, retryable: bool = False, **more: object) -> Json:
    """Put actions together: the first is recommended."""
    steps = [{**one, "recommended": number == 0} for number, one in enumerate(actions)]
    return {"version": "1", "retryable": retryable, "next_actions": steps, **more}


def step(action: str, endpoint: str, method: str = "POST", wait: int | None = None) -> Json:
    """Write an action that is possible."""
    waits = {} if wait is None else {"retry_after_seconds": wait}
    return {
        "action": action,
        "available": True,
        "method": method,
        "endpoint": endpoint,
        **waits,
    }


CREATE: Final = step("create_task", "/v1/tasks")
CLAIM_NEXT: Final = step("claim_task", "/v1/tasks/claim")
NEXT: Final = contract(CREATE, CLAIM_NEXT)
FIX: Final = contract(step("fix_request", "/v1/schema", "GET"))
LIST: Final = contract(step("list_tasks", "/v1/tasks", "GET"))
CREATE_ELSE: Final = contract(CREATE)
CLAIM_ELSE: Final = contract(CLAIM_NEXT)
_POLL: Final = step("retry_after_wait", "/v1/tasks/claim", wait=5)
EMPTY: Final = contract(_POLL, retryable=True, task_claimable=False)
EMPTY_AFTER: Final = contract(_POLL)


def seconds_until(instant: int, now: int) -> int:
    """Round a wait up, to one second at least."""
    return max(1, -((now - instant) // SECOND))


def viewing(task: Task, now: int) -> Json:
    """Guide whoever reads a task."""
    if task.live(now):
        return _leased(task, now, _look(task, now), *_of_holder(task))
    if task.status == "claimed":
        return {**_overdue(task), "lease_valid": False, "lease_expires_in_seconds": 0}
    return _resting(task, now)


def holding(task: Task, now: int) -> Json:
    """Guide whoever holds the lease."""
    complete, fail, beat = _of_holder(task)
    ways = (complete, fail) if task.asked_back is None else (fail, complete)
    return _leased(task, now, *ways, beat, _check(task))


def refused_by_state(task: Task, now: int) -> Json:
    """Guide whoever the state refused: to look, and to what is possible."""
    others = [
        {name: value for name, value in one.items() if name != "recommended"}
        for one in viewing(task, now)["next_actions"]
        if one["action"] != "check_task_status"
    ]
    return contract(_look(task, now), *others)


def lease_expired(task: Task) -> Json:
    """Guide whoever lost the lease."""
    return contract(_check(task), CLAIM_NEXT)


def currently_claimed(task: Task, now: int) -> Json:
    """Guide whoever cannot cancel yet."""
    wait = seconds_until(task.expires or now, now)
    again = step("retry_after_wait", _path(task, "/cancel"), wait=wait)
    return contract(_look(task, now), again, retryable=True)


def not_yet(task: Task, now: int) -> Json:
    """Guide whoever came before the schedule."""
    return contract(_wait_to_claim(task, now), _check(task), retryable=True)


def workers_full(endpoint: str, wait: int) -> Json:
    """Guide whoever holds as much as the plan allows."""
    return contract(step("retry_after_wait", endpoint, wait=wait), retryable=True)


def listed(following: str | None) -> Json:
    """Guide the reader of a page."""
    if following is None:
        return contract(CLAIM_NEXT, CREATE)
    return contract(step("list_tasks", following, "GET"), CREATE)


def _resting(task: Task, now: int) -> Json:
    if task.status == "pending" and task.due(now):
        return contract(step("claim_task", _path(task, "/claim")), _check(task))
    if task.status == "pending":
        later = {**step("claim_task", _path(task, "/claim")), "available": False}
        return contract(_wait_to_claim(task, now), later, _check(task))
    if task.status == "dead_letter":
        return contract(step("requeue_task", _path(task, "/requeue")), CREATE, _check(task))
    if task.status == "completed" and task.output is not None:
        url = f"{_ARTIFACTS}/{task.output}/content"
        return contract(step("download_artifact", url, "GET"), CLAIM_NEXT, CREATE)
    return NEXT


def _overdue(task: Task) -> Json:
    if task.asked_back is not None:
        return NEXT
    claim = step("claim_task", _path(task, "/claim"))
    if task.attempts_left:
        return contract(claim, _check(task))
    requeue = step("requeue_task", _path(task, "/requeue"))
    return contract(requeue, _check(task), {**claim, "available": False})


def _leased(task: Task, now: int, *steps: Json) -> Json:
    asked_back = {} if task.asked_back is None else {"cancel_requested": True}
    return contract(
        *steps,
        lease_valid=True,
        lease_expires_in_seconds=((task.expires or now) - now) // SECOND,
        recommended_heartbeat_interval_seconds=task.lease_seconds // 3,
        **asked_back,
    )


def _of_holder(task: Task) -> tuple[Json, Json, Json]:
    return (
        step("complete_task", _path(task, "/complete")),
        step("fail_task", _path(task, "/fail")),
        step("heartbeat", _path(task, "/heartbeat")),
    )


def _look(task: Task, now: int) -> Json:
    if not task.live(now):
        return _check(task)
    wait = min(_LOOK_AGAIN_SECONDS, seconds_until(task.expires or now, now))
    return step("check_task_status", _path(task), "GET", wait)


def _check(task: Task) -> Json:
    return step("check_task_status", _path(task), "GET")


def _wait_to_claim(task: Task, now: int) -> Json:
    wait = seconds_until(task.scheduled or now, now)
    return step("retry_after_wait", _path(task, "/claim"), wait=wait)


def _path(task: Task, verb: str = "") -> str:
    return f"/v1/tasks/{task.name}{verb}"
