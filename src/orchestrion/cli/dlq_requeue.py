"""`orchestrion dlq requeue`: one dead letter, some, or all of them put back."""

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TypedDict, Unpack

import click
import msgspec
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from orchestrion.cli.dlq_letters import ERROR_HELP, Choice, letters, print_letters
from orchestrion.cli.options import at_server
from orchestrion.cli.printing import Printer, Shape
from orchestrion.cli.reaching import Session
from orchestrion.cli.refusals import Conflict, WrongUsage
from orchestrion.cli.tasks_json import TASK_ID
from orchestrion.cli.tasks_table import clock_time, print_json
from orchestrion.client.errors import InvalidTransition, TaskNotFound
from orchestrion.client.sync import Orchestrion
from orchestrion.client.task import Task

# One run holds its choice in memory; more than this takes another run.
CHOSEN_MAX = 100_000
# Long work waits out a rate limit.
RETRY_SECONDS = 600.0
BAR_FROM = 10


class Outcome(msgspec.Struct, kw_only=True):
    """What became of the dead letters; `gone`: somebody else was quicker."""

    requeued: int = 0
    gone: int = 0
    last: Task | None = None


class _Asked(TypedDict):
    everything: bool
    dry_run: bool
    yes: bool


@click.command
@click.argument("task_ids", type=TASK_ID, nargs=-1, metavar="[ID]...")
@click.option("--type", "task_type", metavar="TYPE", help="Those of a type.")
@click.option("--error", metavar="TEXT", help=ERROR_HELP)
@click.option("--all", "everything", is_flag=True, help="All dead letters.")
@click.option("--dry-run", is_flag=True, help="Only show what would be requeued.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@at_server()
def requeue(
    session: Session,
    task_ids: tuple[str, ...],
    task_type: str | None,
    error: str | None,
    **asked: Unpack[_Asked],
) -> None:
    """Give dead letters a new start with all their attempts.

    Name them by id, or choose them by --type and --error, or take --all. Each is requeued by a
    request of its own; one that somebody else has taken away meanwhile is passed over.
    """
    choice = Choice(task_type=task_type, error=error)
    if sum([bool(task_ids), choice != Choice(), asked["everything"]]) != 1:
        raise WrongUsage(
            "give ids, or --type and --error, or --all", f"{session.typed.path} --help"
        )
    client = session.client_for(RETRY_SECONDS)
    chosen = (
        _named(session, client, task_ids) if task_ids else _chosen(session.printer, client, choice)
    )
    if not chosen:
        session.printer.hint("There are no such dead letters.")
    if asked["dry_run"]:
        _show(session, chosen)
        return
    if chosen and not task_ids and not asked["yes"]:
        _ask(session, chosen)
    _requeue(session, client, chosen)


def _named(session: Session, client: Orchestrion, task_ids: Sequence[str]) -> list[Task]:
    found = [client.tasks.get(task_id) for task_id in dict.fromkeys(task_ids)]
    for task in found:
        if task.status != "dead_letter":
            raise Conflict(
                f"{task.id} is no dead letter, it is {task.status}; nothing was requeued",
                session.command("tasks", "get", task.id),
            )
    return found


def _chosen(printer: Printer, client: Orchestrion, choice: Choice) -> list[Task]:
    columns = (TextColumn("Reading"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with _bar(printer, columns) as bar:
        # How many there are is known at the end.
        read = bar.track(letters(client, choice.task_type), total=None)
        found = list(islice(filter(choice.fits, read), CHOSEN_MAX))
    if len(found) == CHOSEN_MAX:
        printer.hint(f"These are the first {CHOSEN_MAX:,}: run this again for the rest.")
    return found


def _show(session: Session, chosen: Sequence[Task]) -> None:
    print_letters(session.printer, chosen)
    session.printer.hint(f"would requeue {_summary(chosen)}")
    if chosen:
        session.advise_to(session.again(without="--dry-run"))


def _ask(session: Session, chosen: Sequence[Task]) -> None:
    if not sys.stdin.isatty():
        raise WrongUsage("nobody is here to ask: add -y", session.again("-y"))
    click.confirm(f"Requeue {_summary(chosen)}?", abort=True, err=True)


def _summary(chosen: Sequence[Task]) -> str:
    noun = "dead letter" if len(chosen) == 1 else "dead letters"
    if not chosen:
        return f"0 {noun}"
    types = Counter(task.type for task in chosen)
    named = ", ".join(f"{count} {name}" for name, count in types.most_common())
    first = min(filter(None, (task.last_failed_at or task.updated_at for task in chosen)))
    return f"{len(chosen):,} {noun} ({named}; first {clock_time(first)} UTC)"


def _requeue(session: Session, client: Orchestrion, chosen: Sequence[Task]) -> None:
    outcome = Outcome()
    lines = session.printer.list_shape() is Shape.JSONL
    try:
        for task in _put_back(client, _with_bar(session.printer, chosen), outcome):
            if lines:
                session.printer.line(msgspec.Raw(task.json))
    finally:
        gone = f", {outcome.gone} were no dead letters any more" if outcome.gone else ""
        said = f"requeued {outcome.requeued:,} of {len(chosen):,} dead letters{gone}"
        if session.printer.list_shape() is Shape.TABLE:
            session.printer.text(said)
        else:
            session.printer.hint(said)
    if session.printer.list_shape() is Shape.JSON:
        counts = {"requeued": outcome.requeued, "gone": outcome.gone, "chosen": len(chosen)}
        print_json(session.printer, counts)
    if outcome.last is not None:
        session.knows(task_type=outcome.last.type)
        session.advise(outcome.last.contract)


def _put_back(client: Orchestrion, chosen: Iterable[Task], outcome: Outcome) -> Iterator[Task]:
    for letter in chosen:
        try:
            task = client.tasks.requeue(letter.id)
        except (InvalidTransition, TaskNotFound):
            outcome.gone += 1
            continue
        outcome.requeued += 1
        outcome.last = task
        yield task


def _with_bar(printer: Printer, chosen: Sequence[Task]) -> Iterator[Task]:
    columns = (TextColumn("Requeueing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with _bar(printer, columns, hidden=len(chosen) < BAR_FROM) as bar:
        yield from bar.track(chosen)


def _bar(printer: Printer, columns: Iterable[ProgressColumn], *, hidden: bool = False) -> Progress:
    console = printer.errors()
    # Off a terminal it would leave an empty line.
    hidden = hidden or printer.quiet or not console.is_terminal
    return Progress(*columns, console=console, transient=True, disable=hidden)
