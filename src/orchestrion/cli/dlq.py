"""`orchestrion dlq`: dead letters, which no worker gets until they are put back."""

from itertools import islice

import click

from orchestrion.cli.dlq_letters import ERROR_HELP, Choice, letters, print_letters
from orchestrion.cli.dlq_requeue import requeue
from orchestrion.cli.options import at_server
from orchestrion.cli.reaching import Session
from orchestrion.cli.refusals import Conflict
from orchestrion.cli.tasks_json import TASK_ID
from orchestrion.cli.tasks_table import print_whole

LIMIT = 20
LIMIT_HELP = f"So many at most. [{LIMIT}]"


@click.group
def dlq() -> None:
    """Look through dead letters and put them back.

    A task whose attempts are used up becomes a dead letter. Mend the cause, then requeue it.
    """


dlq.add_command(requeue)


@dlq.command("list")
@click.option("--type", "task_type", metavar="TYPE", help="Only those of a type.")
@click.option("--error", metavar="TEXT", help=ERROR_HELP)
@click.option("--limit", type=click.IntRange(1), default=LIMIT, metavar="N", help=LIMIT_HELP)
@click.option("--all", "everything", is_flag=True, help="All of them, however many.")
@at_server()
def list_(
    session: Session, *, task_type: str | None, error: str | None, limit: int, everything: bool
) -> None:
    """List dead letters with their last failure, the newest task first."""
    choice = Choice(task_type=task_type, error=error)
    found = filter(choice.fits, letters(session.client, task_type))
    shown = list(islice(found, None if everything else limit))
    print_letters(session.printer, shown)
    if shown:
        session.advise_to(session.command("dlq", "show", shown[0].id))
    else:
        session.printer.hint("There are no such dead letters.")


@dlq.command
@click.argument("task_id", type=TASK_ID, metavar="ID")
@at_server()
def show(session: Session, task_id: str) -> None:
    """Show a dead letter with its payload and its last failure."""
    task = session.client.tasks.get(task_id)
    if task.status != "dead_letter":
        raise Conflict(
            f"{task.id} is no dead letter, it is {task.status}",
            session.command("tasks", "get", task.id),
        )
    print_whole(session.printer, task)
    session.advise_to(session.command("dlq", "requeue", task.id))
