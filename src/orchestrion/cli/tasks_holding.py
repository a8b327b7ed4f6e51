"""`orchestrion tasks complete`, `fail`, `heartbeat` and `release`: for the holder of a lease."""

from collections.abc import Callable
from typing import TypeVar

import click
import msgspec

from orchestrion.cli.options import at_server
from orchestrion.cli.reaching import Session
from orchestrion.cli.tasks_json import TASK_ID, JsonObject
from orchestrion.cli.tasks_table import print_task
from orchestrion.client.task import Task

TOKEN_VARIABLE = "ORCHESTRION_LEASE_TOKEN"  # noqa: S105 - the name of a variable

_Command = TypeVar("_Command", bound=Callable[..., object])


def _of_lease(command: _Command) -> _Command:
    token = click.option(
        "--token",
        envvar=TOKEN_VARIABLE,
        callback=_required,
        metavar="LEASE_TOKEN",
        help=f"The lease_token that the claim printed. [{TOKEN_VARIABLE}]",
    )
    return click.argument("task_id", type=TASK_ID, metavar="ID")(token(command))


def _required(ctx: click.Context, _parameter: click.Parameter, value: str | None) -> str:
    if value is None:
        raise click.UsageError(f"Give the lease_token by --token or {TOKEN_VARIABLE}.", ctx)
    return value


_reason = click.option("--reason", metavar="TEXT", help="Why, in at most 500 characters.")
_retry_after = click.option(
    "--retry-after",
    type=click.IntRange(1),
    metavar="SECONDS",
    help="Let it be claimed again only after that.",
)


@click.command
@_of_lease
@click.argument("result", type=JsonObject(), metavar="[JSON|-|@FILE]", required=False)
@click.option("--output-id", metavar="ID", help="An artifact that is kept elsewhere.")
@at_server()
def complete(
    session: Session,
    task_id: str,
    token: str,
    result: dict[str, msgspec.Raw] | None,
    output_id: str | None,
) -> None:
    """Complete a task you hold.

    Its result is a JSON object: as text, - for stdin, or @ and a file.
    """
    session.knows(token=token)
    task = session.client.tasks.complete(task_id, token, result, output_id=output_id)
    _tell(session, task)


@click.command
@_of_lease
@_reason
@_retry_after
@at_server()
def fail(
    session: Session, task_id: str, token: str, reason: str | None, retry_after: int | None
) -> None:
    """Give a task you hold back as failed.

    It can be claimed again while it has attempts left; then it is a dead letter.
    """
    session.knows(token=token)
    task = session.client.tasks.fail(task_id, token, reason or "", retry_after=retry_after)
    _tell(session, task)


@click.command
@_of_lease
@at_server()
def heartbeat(session: Session, task_id: str, token: str) -> None:
    """Renew the lease of a task you hold."""
    session.knows(token=token)
    task = session.client.tasks.heartbeat(task_id, token)
    _tell(session, task)


@click.command
@_of_lease
@_reason
@_retry_after
@at_server()
def release(
    session: Session, task_id: str, token: str, reason: str | None, retry_after: int | None
) -> None:
    """Give a task back as if unclaimed.

    It waits as before, and no attempt is spent.
    """
    session.knows(token=token)
    task = session.client.tasks.release(task_id, token, reason=reason, retry_after=retry_after)
    _tell(session, task)


def _tell(session: Session, task: Task) -> None:
    session.knows(task_type=task.type)
    print_task(session.printer, task)
    session.advise(task.contract)
