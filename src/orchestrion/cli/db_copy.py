"""`orchestrion db copy`: from a SQLite file into PostgreSQL."""

import asyncio
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from orchestrion.cli.flags import settings_flags, sources
from orchestrion.cli.printing import Printer, Rows, Shape
from orchestrion.cli.refusals import Refusal, refusals
from orchestrion.copying.outcome import Compared, Outcome
from orchestrion.databases import driver
from orchestrion.settings import DATABASE_SETTINGS, load_database_options
from orchestrion.store.address import DatabaseOptions, SqliteFile

HEADINGS = ("table", "rows", "sha256", "in the database")


class _Row(msgspec.Struct, frozen=True, kw_only=True):
    """One table as it is printed: same, copied before, or how it differs."""

    table: str
    rows: int
    sha256: str
    result: str


@click.command
@click.argument("file", type=click.Path(path_type=Path))
@settings_flags(DATABASE_SETTINGS)
def copy(file: Path, **values: str | None) -> None:
    """Copy the SQLite file FILE into the empty PostgreSQL database that --database names.

    The file's server must have ended. A copy that was broken off goes on when it is run again.
    At the end every table is compared in both; until they are equal no server starts on the
    database. Prints each table with its rows, its checksum and the result: a table on a terminal,
    elsewhere a JSON object for each on a line.
    """
    with refusals():
        outcome = _copied(file, load_database_options(sources(values)))
    _print(_rows(outcome))
    if outcome.ahead_seconds:
        click.echo(
            f"The file's time is {outcome.ahead_seconds:.0f} s ahead of the database's: leases "
            "and schedules in it end that much later.",
            err=True,
        )
    if outcome.differing:
        raise Refusal(f"not equal: {', '.join(outcome.differing)}; copy into a new database")
    click.echo(_ending(file, outcome), err=True)


def _copied(file: Path, options: DatabaseOptions) -> Outcome:
    if isinstance(options.address, SqliteFile):
        raise Refusal("a copy goes into PostgreSQL: name it, --database postgresql://…")
    # The driver of PostgreSQL is optional.
    with driver():
        from orchestrion.copying.transfer import copy as transfer  # noqa: PLC0415
        from orchestrion.store.postgres.place import Place  # noqa: PLC0415
    place = Place(url=options.address.url, pooler=options.pooler)
    with _bars() as bars:
        shown = {}

        def show(step: str, done: int, total: int) -> None:
            if step not in shown:
                shown[step] = bars.add_task(step, total=total)
            bars.update(shown[step], completed=done)

        return asyncio.run(transfer(file, place, show))


def _bars() -> Progress:
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        # Elsewhere it would leave an empty line.
        disable=not console.is_terminal,
    )


def _print(rows: list[_Row]) -> None:
    printer = Printer()
    if printer.list_shape() is Shape.TABLE:
        lines = [(row.table, str(row.rows), row.sha256, row.result) for row in rows]
        printer.rows(Rows(headings=HEADINGS, lines=lines))
        return
    for row in rows:
        printer.line(row)


def _rows(outcome: Outcome) -> list[_Row]:
    return [
        _Row(
            table=table.in_file.table,
            rows=table.in_file.rows,
            sha256=table.in_file.sha256,
            result="copied before" if outcome.verified_before else _result(table),
        )
        for table in outcome.tables
    ]


def _result(table: Compared) -> str:
    if table.same:
        return "same"
    return f"differs: {table.in_database.rows} rows, {table.in_database.sha256}"


def _ending(file: Path, outcome: Outcome) -> str:
    if outcome.verified_before:
        return "It was copied and verified before; the database was not looked at again."
    return f"Copied and verified. Serve the database from now on, and never {file} again."
