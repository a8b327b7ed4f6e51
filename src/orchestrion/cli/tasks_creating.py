"""`orchestrion tasks create`: a new task, and if wanted its result."""

from time import monotonic
from typing import TypedDict, Unpack

import click
import msgspec

from orchestrion.cli.options import at_server
from orchestrion.cli.printing import Shape
from orchestrion.cli.reaching import Session
from orchestrion.cli.refusals import WrongUsage
from orchestrion.cli.seconds import Seconds
from orchestrion.cli.steps import KEY_START
from orchestrion.cli.tasks_json import JsonObject
from orchestrion.cli.tasks_states import judge, states
from orchestrion.cli.tasks_table import print_task, print_whole
from orchestrion.client.task import Task


class _Options(TypedDict):
    priority: int
    max_attempts: int
    lease_seconds: int
    run_at: str | None
    idempotency_key: str | None


@click.command
@click.argument("task_type", metavar="TYPE")
@click.argument("payload", type=JsonObject(), metavar="[JSON|-|@FILE]", default="{}")
@click.option(
    "--wait", "waits", is_flag=True, help="Wait until it has ended, and print its result."
)
@click.option("--timeout", "seconds", type=Seconds(), metavar="SECONDS", help="Wait no longer.")
@click.option("--priority", default=0, metavar="0-100", help="Higher goes first. [0]")
@click.option("--run-at", metavar="WHEN", help="Not before +90s, +15m, +2h, +1d or an instant.")
@click.option(
    "--key",
    "--idempotency-key",
    "idempotency_key",
    metavar="TEXT",
    help="Makes a second create with the same key answer the first one's task.",
)
@click.option("--max-attempts", default=3, metavar="1-10", help="Claims before dead_letter. [3]")
@click.option(
    "--lease", "lease_seconds", default=300, metavar="30-3600", help="Seconds of a lease. [300]"
)
@at_server("--api-key")
def create(
    session: Session,
    task_type: str,
    payload: dict[str, msgspec.Raw],
    *,
    waits: bool,
    seconds: float | None,
    **options: Unpack[_Options],
) -> None:
    """Create a task.

    Its payload is a JSON object, {} unless given: as text, - for stdin, or @ and a file. With
    --wait the exit code is that of the task: 0 if it was completed, else 1. The API key is
    --api-key here, for --key is that of the task.
    """
    session.knows(task_type=task_type)
    if (options["idempotency_key"] or "").startswith(KEY_START):
        raise WrongUsage(
            "--key is the task's idempotency key here, and this looks like an API key",
            f"{session.typed.path} --help",
        )
    try:
        task = session.client.tasks.create(task_type, payload, **options)
    except UnicodeError:
        raise
    except ValueError as error:
        raise WrongUsage(str(error), f"{session.typed.path} --help") from error
    if waits:
        _wait(session, task, seconds)
    else:
        print_task(session.printer, task)
        # The server recommends to claim it; whoever types this has workers for that.
        session.advise_to(session.command("tasks", "watch", task.id))


def _wait(session: Session, task: Task, seconds: float | None) -> None:
    began, path = monotonic(), task.status
    session.printer.hint(f"{task.id}  {task.type}  {path}")
    last = task
    for last in states(session, task.id, seconds):
        if last.status != path.rpartition(" -> ")[2].partition(" ")[0]:
            path = f"{path} -> {_named(last)}"
    session.printer.hint(f"{last.id}  {last.type}  {path} in {monotonic() - began:.1f} s")
    if session.printer.single_shape() is not Shape.TABLE:
        print_whole(session.printer, last)
    elif last.result is not None:
        session.printer.json(last.result)
    judge(session, last)


def _named(task: Task) -> str:
    by = f" ({task.claimed_by})" if task.status == "claimed" and task.claimed_by else ""
    return f"{task.status}{by}"
