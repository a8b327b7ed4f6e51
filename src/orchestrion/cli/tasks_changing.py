"""`orchestrion tasks cancel` and `requeue`: what the owner of a task may do with it."""

import click

from orchestrion.cli.options import at_server
from orchestrion.cli.reaching import Session
from orchestrion.cli.tasks_json import TASK_ID
from orchestrion.cli.tasks_table import print_task


@click.command
@click.argument("task_id", type=TASK_ID, metavar="ID")
@click.option("--force", is_flag=True, help="Have the worker that holds it asked to give it back.")
@at_server()
def cancel(session: Session, task_id: str, *, force: bool) -> None:
    """Cancel a task.

    One that a worker holds takes --force: then its worker is asked to give it back.
    """
    task = session.client.tasks.cancel(task_id, force=force)
    session.knows(task_type=task.type)
    print_task(session.printer, task)
    session.advise(task.contract)


@click.command
@click.argument("task_id", type=TASK_ID, metavar="ID")
@at_server()
def requeue(session: Session, task_id: str) -> None:
    """Put a dead letter back.

    It has all its attempts again. For many at once see `orchestrion dlq requeue`.
    """
    task = session.client.tasks.requeue(task_id)
    session.knows(task_type=task.type)
    print_task(session.printer, task)
    session.advise(task.contract)
