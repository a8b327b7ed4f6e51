"""`orchestrion tasks list`, `get` and `explain`: what the server knows, changing nothing."""

from collections.abc import Iterator
from itertools import islice
from typing import TypedDict, Unpack

import click
import msgspec

from orchestrion.cli.answers import whole
from orchestrion.cli.options import at_server
from orchestrion.cli.printing import Shape
from orchestrion.cli.reaching import Session
from orchestrion.cli.steps import FIRST_TYPE
from orchestrion.cli.tasks_json import TASK_ID
from orchestrion.cli.tasks_table import clock_time, print_json, print_list, print_whole
from orchestrion.client.insight import Explanation
from orchestrion.client.insight import explain as explanation
from orchestrion.client.task import Task

STATUSES = ("pending", "claimed", "completed", "dead_letter", "cancelled")
LIMIT = 20
LIMIT_HELP = f"So many at most. [{LIMIT}]"
PAGE_MAX = 100


class _Filters(TypedDict):
    status: str | None
    type: str | None
    claimed_by: str | None


@click.command("list")
@click.option("--status", type=click.Choice(STATUSES), help="Only those in a state.")
@click.option("--type", metavar="TYPE", help="Only those of a type.")
@click.option("--claimed-by", metavar="WORKER", help="Only those a worker claimed.")
@click.option("--limit", type=click.IntRange(1), default=LIMIT, metavar="N", help=LIMIT_HELP)
@click.option("--all", "everything", is_flag=True, help="All of them, however many.")
@click.option("--cursor", metavar="TEXT", help="Go on where an earlier list ended.")
@at_server()
def list_(
    session: Session,
    *,
    limit: int,
    everything: bool,
    cursor: str | None,
    **filters: Unpack[_Filters],
) -> None:
    """List tasks, the newest first."""
    session.knows(task_type=filters["type"])
    if everything or limit > PAGE_MAX:
        found = islice(_walk(session, filters, cursor), None if everything else limit)
        if session.printer.list_shape() is Shape.JSONL:
            for task in found:
                session.printer.line(msgspec.Raw(task.json))
        else:
            print_list(session.printer, list(found), None)
        return
    page = session.client.tasks.list(**filters, limit=limit, cursor=cursor)
    print_list(session.printer, page.items, page.next_cursor)
    if page.next_cursor:
        given = [f"--{name.replace('_', '-')}={value}" for name, value in filters.items() if value]
        more = [f"--limit={limit}", f"--cursor={page.next_cursor}"]
        session.advise_to(session.command("tasks", "list", *given, *more))
    elif not page.items:
        session.advise_to(session.command("tasks", "create", filters["type"] or FIRST_TYPE, "{}"))


def _walk(session: Session, filters: _Filters, cursor: str | None) -> Iterator[Task]:
    while True:
        page = session.client.tasks.list(**filters, limit=PAGE_MAX, cursor=cursor)
        yield from page.items
        cursor = page.next_cursor
        if cursor is None:
            return


@click.command
@click.argument("task_id", type=TASK_ID, metavar="ID")
@at_server()
def get(session: Session, task_id: str) -> None:
    """Show a task with its payload and its result."""
    task = session.client.tasks.get(task_id)
    print_whole(session.printer, task)
    session.knows(task_type=task.type)
    session.advise(task.contract)


@click.command
@click.argument("task_id", type=TASK_ID, metavar="ID")
@at_server()
def explain(session: Session, task_id: str) -> None:
    """Tell why a task waits.

    Whether a claim of it would succeed now, and if not, why not and until when.
    """
    found, text = session.client.call(whole(explanation(task_id)))
    if session.printer.single_shape() is Shape.TABLE:
        session.printer.fields(_explained(found))
    else:
        print_json(session.printer, text)
    session.knows(task_type=found.type)
    session.advise(found.contract)


def _explained(found: Explanation) -> dict[str, str | None]:
    place = found.place_in_line
    ahead = None if place is None else f"{place.ahead}{' or more' if place.capped else ''} ahead"
    blocks = {
        block.reason: f"since {clock_time(block.since) or 'an unknown time'}, "
        f"until {clock_time(block.clears_at) or 'something is done'}"
        for block in found.blocked_by
    }
    return {
        "id": found.task_id,
        "type": found.type,
        "status": found.status,
        "claimable": "yes" if found.claimable else "no",
        **blocks,
        "in line": ahead,
        "last asked": clock_time(found.last_asked_at) or "not as far as is remembered",
    }
