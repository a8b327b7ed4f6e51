"""Which dead letters are meant, and how they are printed."""

from collections.abc import Iterator, Sequence

import msgspec

from orchestrion.cli.printing import Printer, Rows, Shape
from orchestrion.cli.tasks_table import clock_time
from orchestrion.client.sync import Orchestrion
from orchestrion.client.task import Task

ERROR_HELP = "Only those whose last failure has this text in it, in any case."
HEADINGS = ("id", "type", "tries", "last failure", "failed (UTC)")
PAGE = 100


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """Some of the dead letters; None: whatever it is."""

    task_type: str | None = None
    error: str | None = None

    def fits(self, task: Task) -> bool:
        """Tell whether a dead letter of the type is chosen."""
        return self.error is None or self.error.casefold() in (
            (task.last_failure_reason or "").casefold()
        )


def letters(client: Orchestrion, task_type: str | None) -> Iterator[Task]:
    """Read the dead letters of a type, or all, page by page, the newest task first."""
    return client.tasks.iter(status="dead_letter", type=task_type, limit=PAGE)


def print_letters(printer: Printer, found: Sequence[Task]) -> None:
    """Print dead letters: a table, one object, or a line for each."""
    match printer.list_shape():
        case Shape.TABLE:
            printer.rows(Rows(headings=HEADINGS, lines=map(_row, found), spare=1))
        case Shape.JSON:
            printer.json({"items": [msgspec.Raw(task.json) for task in found]})
        case Shape.JSONL:
            for task in found:
                printer.line(msgspec.Raw(task.json))


def _row(task: Task) -> tuple[str, ...]:
    return (
        task.id,
        task.type,
        f"{task.attempt_count}/{task.max_attempts}",
        task.last_failure_reason or "its lease ended",
        clock_time(task.last_failed_at) or clock_time(task.updated_at),
    )
