"""A task followed through its states, and the exit code of its end."""

from collections.abc import Iterator
from time import monotonic, sleep

from orchestrion.cli.reaching import Session
from orchestrion.cli.refusals import Refusal
from orchestrion.client.call import Call, task_path
from orchestrion.client.errors import ConnectionFailed
from orchestrion.client.task import Task, read_task

# A change between two requests is seen when the next of them ends: soon, where much happens.
FOLLOW_SECONDS_FIRST = 1
FOLLOW_SECONDS_MAX = 20
REST_SECONDS = 0.5


def states(session: Session, task_id: str, seconds: float | None) -> Iterator[Task]:
    """Give a task as it is and each state it comes to, until it has ended. Raises Refusal.

    A server that is away meanwhile, as it is while it restarts, is waited for.
    """
    deadline = None if seconds is None else monotonic() + seconds
    task = session.client.tasks.get(task_id)
    yield task
    follow = FOLLOW_SECONDS_FIRST
    while not task.ended:
        left = FOLLOW_SECONDS_MAX if deadline is None else deadline - monotonic()
        if left <= 0:
            # Typing the same again might make another task; who waits in vain asks why.
            verb = "explain" if task.status == "pending" else "watch"
            said = f"{task_id} is {task.status} after {seconds:g} s"
            raise Refusal(said, session.command("tasks", verb, task_id))
        began, seen = monotonic(), task
        task = _next(session, task, min(follow, int(left) + 1))
        follow = min(2 * follow, FOLLOW_SECONDS_MAX)
        if _state(task) != _state(seen):
            yield task
            follow = FOLLOW_SECONDS_FIRST
        elif monotonic() - began < REST_SECONDS:
            # A server that stops answers waits at once: that must not become a busy loop.
            sleep(REST_SECONDS)


def _next(session: Session, task: Task, seconds: int) -> Task:
    try:
        return session.client.call(_change(task.id, seconds))
    except ConnectionFailed as error:
        session.printer.hint(f"{str(error).partition(' Next: ')[0]} Waiting for the server.")
        return task


def judge(session: Session, task: Task) -> None:
    """End as the task has: quietly if it was completed, else as a failure."""
    session.knows(task_type=task.type)
    if task.status == "completed":
        session.advise(task.contract)
        return
    reason = f": {task.last_failure_reason}" if task.last_failure_reason else ""
    # What failed for good would fail again: first look why.
    words = ("dlq", "show") if task.status == "dead_letter" else ("tasks", "get")
    raise Refusal(f"{task.id} is {task.status}{reason}", session.command(*words, task.id))


def _state(task: Task) -> tuple[object, ...]:
    return (task.status, task.attempt_count, task.cancel_requested_at)


def _change(task_id: str, seconds: int) -> Call[Task]:
    return Call(
        method="GET",
        path=task_path(task_id),
        query={"until": "change", "wait_seconds": str(seconds)},
        wait_seconds=seconds,
        decode=read_task,
    )
