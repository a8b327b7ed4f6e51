"""`orchestrion tasks watch` and `tail`: what becomes of tasks, as it happens."""

from collections.abc import Callable, Iterator
from functools import partial
from time import sleep

import click
import msgspec
from rich.console import RenderableType

from orchestrion.cli.endings import pause_after
from orchestrion.cli.options import at_server
from orchestrion.cli.printing import Shape, table_of
from orchestrion.cli.reaching import Session
from orchestrion.cli.refusals import WrongUsage
from orchestrion.cli.screen import every, show
from orchestrion.cli.seconds import Seconds
from orchestrion.cli.tasks_json import TASK_ID
from orchestrion.cli.tasks_states import judge, states
from orchestrion.cli.tasks_table import about, clock_time, print_whole, rows
from orchestrion.client.errors import OrchestrionError
from orchestrion.client.task import Task

# The newest tasks; what changes further back is not seen.
WINDOW = 100
FIRST_SHOWN = 10


@click.command
@click.argument("task_id", type=TASK_ID, metavar="[ID]", required=False)
@click.option("--type", "task_type", metavar="TYPE", help="Watch the newest tasks of a type.")
@click.option("--timeout", "seconds", type=Seconds(), metavar="SECONDS", help="Watch no longer.")
@every
@at_server()
def watch(
    session: Session,
    task_id: str | None,
    task_type: str | None,
    seconds: float | None,
    interval: float,
) -> None:
    """Watch what becomes of a task.

    Until it has ended; or with --type the newest tasks of a type, until you press q. Each state
    of the one task is a line, and its end decides the exit code: 0 where it was completed, else
    1.
    """
    if (task_id is None) == (task_type is None):
        raise WrongUsage("give the id of a task, or --type", f"{session.typed.path} --help")
    if task_id is not None:
        _watch_one(session, task_id, seconds)
    elif session.printer.list_shape() is Shape.TABLE:
        show(session.printer, interval, partial(_table, session, task_type))
    else:
        _print_changes(session, task_type, interval)


@click.command
@click.option("--type", "task_type", metavar="TYPE", help="Only tasks of a type.")
@every
@at_server()
def tail(session: Session, task_type: str | None, interval: float) -> None:
    """Print each task as it changes.

    A line for each that is created or changes, until you press Ctrl-C. Each look sees the
    newest 100 tasks, and of several changes since the last look the latest.
    """
    _print_changes(session, task_type, interval)


def _watch_one(session: Session, task_id: str, seconds: float | None) -> None:
    put = _line_printer(session)
    last: Task | None = None
    for task in states(session, task_id, seconds):
        last = task
        put(task)
    if last is not None:
        if session.printer.list_shape() is Shape.JSON:
            print_whole(session.printer, last)
        judge(session, last)


def _line_printer(session: Session) -> Callable[[Task], None]:
    match session.printer.list_shape():
        case Shape.TABLE:
            return lambda task: session.printer.text(_line(task))
        case Shape.JSONL:
            return lambda task: session.printer.line(msgspec.Raw(task.json))
        case Shape.JSON:
            return lambda task: session.printer.hint(_line(task))


def _line(task: Task) -> str:
    when = clock_time(task.updated_at)[-8:]
    attempt = f"attempt {task.attempt_count} of {task.max_attempts}"
    return "  ".join(filter(None, [when, task.id, task.type, task.status, attempt, about(task)]))


def _table(session: Session, task_type: str | None, width: int) -> RenderableType:
    return table_of(rows(_newest(session, task_type)), width)


def _print_changes(session: Session, task_type: str | None, interval: float) -> None:
    try:
        for task in _changes(session, task_type, interval):
            if session.printer.list_shape() is Shape.TABLE:
                session.printer.text(_line(task))
            else:
                session.printer.line(msgspec.Raw(task.json))
    except KeyboardInterrupt:
        # The usual way to leave.
        return


def _changes(session: Session, task_type: str | None, interval: float) -> Iterator[Task]:
    newest = _newest(session, task_type)
    yield from reversed(newest[:FIRST_SHOWN])
    pause = interval
    while True:
        seen = {task.id: _mark(task) for task in newest}
        sleep(pause)
        try:
            newest = _newest(session, task_type)
        except OrchestrionError as error:
            pause = pause_after(error, interval)
            session.tell_of(error, pause)
            continue
        pause = interval
        yield from (task for task in reversed(newest) if seen.get(task.id) != _mark(task))


def _mark(task: Task) -> tuple[object, ...]:
    return (task.status, task.attempt_count, task.updated_at, task.cancel_requested_at)


def _newest(session: Session, task_type: str | None) -> tuple[Task, ...]:
    return session.client.tasks.list(type=task_type, limit=WINDOW).items
