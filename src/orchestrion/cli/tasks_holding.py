"""`orchestrion tasks claim` and what the holder of a lease may do with it."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import click
import msgspec

from orchestrion.cli.options import at_server
from orchestrion.cli.printing import Printer, Rows, Shape
from orchestrion.cli.reaching import Session
from orchestrion.cli.refusals import WrongUsage
from orchestrion.cli.tasks_json import JsonObject
from orchestrion.cli.tasks_table import clock_time, print_json, print_task
from orchestrion.client.calls import Claiming
from orchestrion.client.contract import NO_CONTRACT
from orchestrion.client.task import Claimed, Held
from orchestrion.client.waiting import claim_within

TOKEN_VARIABLE = "ORCHESTRION_LEASE_TOKEN"  # noqa: S105 - the name of a variable
HEADINGS = ("id", "lease_token", "type", "lease ends (UTC)", "payload")

_Command = TypeVar("_Command", bound=Callable[..., object])


def _of_lease(command: _Command) -> _Command:
    token = click.option(
        "--token",
        envvar=TOKEN_VARIABLE,
        required=True,
        metavar="LEASE_TOKEN",
        help=f"The lease_token that the claim printed. [{TOKEN_VARIABLE}]",
    )
    return click.argument("task_id", metavar="ID")(token(command))


_reason = click.option("--reason", metavar="TEXT", help="Why, in at most 500 characters.")
_retry_after = click.option(
    "--retry-after",
    type=click.IntRange(1),
    metavar="SECONDS",
    help="Let it be claimed again only after that.",
)


@click.command
@click.argument("types", nargs=-1, metavar="[TYPE]...")
@click.option("--id", "task_id", metavar="ID", help="Claim this very task instead.")
@click.option("--worker-id", metavar="TEXT", help="A label that others see on the task.")
@click.option("--wait", type=float, default=0, metavar="SECONDS", help="Wait so long for a task.")
@click.option("--max-tasks", default=1, metavar="1-50", help="Claim up to so many. [1]")
@at_server()
def claim(
    session: Session,
    types: tuple[str, ...],
    task_id: str | None,
    *,
    worker_id: str | None,
    wait: float,
    max_tasks: int,
) -> None:
    """Claim the next task of a type, or one task by its id.

    Prints its lease_token, which complete, fail, heartbeat and release want. Nothing to claim is
    no failure: "task" is null then.
    """
    if bool(types) == bool(task_id):
        raise WrongUsage("give a type, or --id", f"{session.typed.path} --help")
    session.knows(task_type=types[0] if types else None)
    if task_id:
        held = session.client.tasks.claim_by_id(task_id, worker_id=worker_id)
        claimed = Claimed(leases=(held,), contract=NO_CONTRACT)
    else:
        claiming = Claiming(types=types, worker_id=worker_id, max_tasks=max_tasks)
        claimed = session.client.run(claim_within(session.client.exchange, claiming, wait))
    _print_claimed(session.printer, claimed)
    _advise(session, claimed)


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
    """Complete a task you hold, with a JSON object as its result."""
    session.knows(token=token)
    task = session.client.tasks.complete(task_id, token, result, output_id=output_id)
    session.knows(task_type=task.type)
    print_task(session.printer, task)
    session.advise(task.contract)


@click.command
@_of_lease
@_reason
@_retry_after
@at_server()
def fail(
    session: Session, task_id: str, token: str, reason: str | None, retry_after: int | None
) -> None:
    """Give a task you hold back as failed; without attempts left it becomes a dead letter."""
    session.knows(token=token)
    task = session.client.tasks.fail(task_id, token, reason or "", retry_after=retry_after)
    session.knows(task_type=task.type)
    print_task(session.printer, task)
    session.advise(task.contract)


@click.command
@_of_lease
@at_server()
def heartbeat(session: Session, task_id: str, token: str) -> None:
    """Renew the lease of a task you hold."""
    session.knows(token=token)
    task = session.client.tasks.heartbeat(task_id, token)
    session.knows(task_type=task.type)
    print_task(session.printer, task)
    session.advise(task.contract)


@click.command
@_of_lease
@_reason
@_retry_after
@at_server()
def release(
    session: Session, task_id: str, token: str, reason: str | None, retry_after: int | None
) -> None:
    """Take a claim back: the task waits as before, and no attempt is spent."""
    session.knows(token=token)
    task = session.client.tasks.release(task_id, token, reason=reason, retry_after=retry_after)
    session.knows(task_type=task.type)
    print_task(session.printer, task)
    session.advise(task.contract)


def _print_claimed(printer: Printer, claimed: Claimed) -> None:
    found = [_plain(held) for held in claimed.leases]
    match printer.single_shape():
        case Shape.TABLE if found:
            printer.rows(_rows(claimed.leases))
        case Shape.JSONL:
            for one in found:
                printer.line(one)
        case Shape.JSON:
            first = found[0] if found else {"task": None, "empty_reason": claimed.empty_reason}
            several = {"tasks": found} if len(found) > 1 else {}
            print_json(printer, {**first, **several})


def _plain(held: Held) -> dict[str, object]:
    return {"task": msgspec.Raw(held.task.json), "lease_token": held.lease_token}


def _rows(leases: Sequence[Held]) -> Rows:
    return Rows(
        headings=HEADINGS,
        lines=[
            (
                held.task.id,
                held.lease_token,
                held.task.type,
                clock_time(held.task.lease_expires_at),
                msgspec.json.encode(held.task.payload).decode(),
            )
            for held in leases
        ],
    )


def _advise(session: Session, claimed: Claimed) -> None:
    if not claimed.leases:
        why = {
            "unknown_type": "no task of the type is stored",
            "no_tasks": "all tasks of the type have ended",
            "all_scheduled": "what there is waits for its time",
            "all_leased": "what there is, workers hold",
        }.get(claimed.empty_reason or "", "another claim was quicker")
        session.printer.hint(f"Nothing to claim: {why}.")
        if claimed.similar_types:
            session.printer.hint(f"Did you mean {', '.join(claimed.similar_types)}?")
        session.advise(claimed.contract)
        return
    first = claimed.leases[0]
    session.knows(task_type=first.task.type, token=first.lease_token)
    if claimed.contract is NO_CONTRACT:
        session.advise_to(
            session.command("tasks", "complete", first.task.id, "--token", first.lease_token)
        )
    else:
        session.advise(claimed.contract)
