"""`orchestrion db`: care of the database, beside a running server."""

import asyncio
import sys
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from orchestrion.cli.db_copy import copy
from orchestrion.cli.flags import settings_flags, sources
from orchestrion.cli.printing import Shape, printer_in
from orchestrion.cli.refusals import Refusal, refusals
from orchestrion.databases import operator_of
from orchestrion.settings import DATABASE_SETTINGS, load_database_options
from orchestrion.store.address import PostgresUrl
from orchestrion.store.migrate import Phase, Selection
from orchestrion.store.operator import Check, Operator, Status
from orchestrion.store.sqlite import operator as sqlite

UNFIT = 3
POST_HELP = "Also what needs every server of an older version to have ended."


class _Report(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a database as it is printed."""

    fit: bool
    database: str
    server: str
    size_bytes: int
    applied: list[int]
    outstanding: list[str]
    checks: list[dict[str, str]]


@click.group
def db() -> None:
    """Care for the database, also while a server runs."""


db.add_command(copy)


@db.command
@click.option("--post", "phase", flag_value="post", default="pre", help=POST_HELP)
@click.option("--json", "shape", flag_value="json", help="Print the names as one JSON array.")
@settings_flags(DATABASE_SETTINGS)
def migrate(phase: Phase, shape: str | None, **values: str | None) -> None:
    """Bring the schema up to date and print the files that were applied.

    An empty database gets everything. One in use gets what servers of the version before do not
    notice; `serve` does that much by itself. The rest waits for --post, once no such server runs.
    A SQLite file, which has one server, must not be in use; it gets everything.
    """
    with refusals():
        names = [one.name for one in asyncio.run(_operator(values).migrate(phase))]
    if shape == "json":
        click.echo(msgspec.json.encode(names))
        return
    for name in names:
        click.echo(name)
    if not names:
        click.echo("Nothing to do.", err=True)


@db.command
@click.option("--json", "shape", flag_value="json", help="Print one JSON object.")
@settings_flags(DATABASE_SETTINGS)
def status(shape: str | None, **values: str | None) -> None:
    """Show schema, server, size and what is unsafe in its settings.

    Ends with 3 if this version lacks something, is too old for the schema, or a setting should be
    changed. A table on a terminal; elsewhere a JSON object.
    """
    with refusals():
        found = asyncio.run(_operator(values).status())
    printer = printer_in(shape)
    if printer.single_shape() is Shape.TABLE:
        table = Table.grid(padding=(0, 2))
        for line in _lines(found):
            table.add_row(*map(Text, line))
        printer.console().print(table)
    else:
        printer.json(_report(found))
    if not found.fit:
        sys.exit(UNFIT)


@db.command
@click.option("--post", "selection", flag_value="post", default="pre", help=POST_HELP)
@click.option("--all", "selection", flag_value="all", help="Everything, from the first file on.")
@click.option("--roles", "selection", flag_value="roles", help="Roles for PostgreSQL instead.")
@settings_flags(DATABASE_SETTINGS)
def sql(selection: str, **values: str | None) -> None:
    """Print the SQL that `db migrate` would run, to be read or run by psql or sqlite3.

    Each file is a transaction that also records its number, so `serve` finds it done.
    """
    if selection == "roles":
        text = files("orchestrion.store.postgres").joinpath("roles.sql").read_text("utf-8")
    else:
        with refusals():
            text = asyncio.run(_operator(values).sql(_selection(selection)))
    click.echo(text, nl=False)
    if not text:
        click.echo("Nothing to do.", err=True)


@db.command
@click.argument("file", type=click.Path(path_type=Path))
@settings_flags(DATABASE_SETTINGS)
def backup(file: Path, **values: str | None) -> None:
    """Copy the whole database to the new file FILE, as it stands at one moment."""
    if file.exists():
        raise Refusal(f"{file} is there already, and a backup overwrites nothing")
    with refusals():
        address = load_database_options(sources(values)).address
        if isinstance(address, PostgresUrl):
            raise Refusal(
                "PostgreSQL has tools of its own for this",
                f"pg_dump --format=custom --file={file} '{address.shown}'",
            )
        console = Console(stderr=True)
        # Off a terminal it would leave an empty line.
        bars = Progress(console=console, transient=True, disable=not console.is_terminal)
        with bars as progress:
            pages = progress.add_task("Copying", total=None)

            def show(done: int, total: int) -> None:
                progress.update(pages, completed=done, total=total)

            sqlite.backup(address.path, file, show)
    click.echo(file)


def _operator(values: Mapping[str, str | None]) -> Operator:
    return operator_of(load_database_options(sources(values)))


def _selection(text: str) -> Selection:
    match text:
        case "post" | "all":
            return text
        case _:
            return "pre"


def _report(found: Status) -> _Report:
    return _Report(
        fit=found.fit,
        database=found.database,
        server=found.server,
        size_bytes=found.size_bytes,
        applied=list(found.applied),
        outstanding=[migration.name for migration in found.outstanding],
        checks=[msgspec.structs.asdict(check) for check in found.checks],
    )


def _lines(found: Status) -> list[tuple[str, str]]:
    report = _report(found)
    return [
        ("database", report.database),
        ("server", report.server),
        ("size", f"{report.size_bytes} bytes"),
        ("applied", ", ".join(map(str, report.applied)) or "none"),
        ("outstanding", ", ".join(report.outstanding) or "none"),
        *((check.name, _shown(check)) for check in found.checks),
    ]


def _shown(check: Check) -> str:
    said = "; ".join(filter(None, [check.advice, check.note]))
    return f"{check.value}: {said}" if said else check.value
