"""How tasks look to people: as rows of a table, as fields below each other, as JSON."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import msgspec

from orchestrion.cli.printing import Printer, Rows, Shape
from orchestrion.client.task import Task

HEADINGS = ("id", "type", "status", "tries", "about", "created (UTC)")


def print_task(printer: Printer, task: Task) -> None:
    """Print a task that a command has changed: on a terminal one row of what matters."""
    if printer.single_shape() is Shape.TABLE:
        printer.rows(rows([task]))
    else:
        print_json(printer, msgspec.Raw(task.json))


def print_whole(printer: Printer, task: Task) -> None:
    """Print all there is of a task."""
    if printer.single_shape() is not Shape.TABLE:
        print_json(printer, msgspec.Raw(task.json))
        return
    printer.fields(_fields(task))
    if not printer.quiet:
        printer.console().print()
    printer.json({"payload": task.payload, "result": task.result})


def print_list(printer: Printer, tasks: Sequence[Task], next_cursor: str | None) -> None:
    """Print tasks: a table, one object as the API gives it, or a line for each."""
    match printer.list_shape():
        case Shape.TABLE:
            printer.rows(rows(tasks))
        case Shape.JSON:
            info = {"nextCursor": next_cursor, "hasMore": next_cursor is not None}
            printer.json({"items": [msgspec.Raw(task.json) for task in tasks], "pageInfo": info})
        case Shape.JSONL:
            for task in tasks:
                printer.line(msgspec.Raw(task.json))


def print_json(printer: Printer, value: object) -> None:
    """Print one object in the JSON shape asked for."""
    if printer.shape is Shape.JSONL:
        printer.line(value)
    else:
        printer.json(value)


def rows(tasks: Iterable[Task]) -> Rows:
    """Lay tasks out as a table."""
    return Rows(headings=HEADINGS, lines=map(_row, tasks), spare=1)


def clock_time(instant: datetime | None) -> str:
    """Give an instant to the second, in UTC."""
    return "" if instant is None else f"{instant.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def about(task: Task) -> str:
    """Say the one thing about a task that matters in its state."""
    match task.status:
        case "claimed":
            asked = "asked back; " if task.cancel_requested_at else ""
            by = f"by {task.claimed_by}, " if task.claimed_by else ""
            return f"{asked}{by}until {clock_time(task.lease_expires_at)}"
        case "completed":
            return f"output {task.output_id}" if task.output_id else ""
        case "pending" if task.scheduled_at and not task.last_failure_reason:
            return f"from {clock_time(task.scheduled_at)}"
        case _:
            return task.last_failure_reason or ""


def _row(task: Task) -> tuple[str, ...]:
    attempts = f"{task.attempt_count}/{task.max_attempts}"
    created = clock_time(task.created_at)
    return (task.id, task.type, task.status, attempts, about(task), created)


def _fields(task: Task) -> dict[str, str | None]:
    instants = {
        "created": task.created_at,
        "updated": task.updated_at,
        "scheduled": task.scheduled_at,
        "claimed": task.claimed_at,
        "lease ends": task.lease_expires_at,
        "heartbeat": task.last_heartbeat_at,
        "cancel asked": task.cancel_requested_at,
        "completed": task.completed_at,
        "failed": task.last_failed_at,
    }
    return {
        "id": task.id,
        "type": task.type,
        "status": task.status,
        "priority": str(task.priority),
        "attempts": f"{task.attempt_count} of {task.max_attempts}",
        "lease": f"{task.lease_duration_seconds} s",
        "worker": task.claimed_by,
        **{name: clock_time(instant) + " UTC" for name, instant in instants.items() if instant},
        "failure": task.last_failure_reason,
        "output": task.output_id,
    }
