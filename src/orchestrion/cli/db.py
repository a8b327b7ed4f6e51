"""`orchestrion db`: care of the database, beside a running server."""

from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress

from orchestrion.cli.flags import settings_flags, sources
from orchestrion.cli.refusals import Refusal, refusals
from orchestrion.settings import load_database_path
from orchestrion.store.sqlite import operator


@click.group
def db() -> None:
    """Care for the database, also while a server runs."""


@db.command
@click.argument("file", type=click.Path(path_type=Path))
@settings_flags(["database"])
def backup(file: Path, **values: str | None) -> None:
    """Copy the whole database to the new file FILE, as it stands at one moment."""
    if file.exists():
        raise Refusal(f"{file} is there already, and a backup overwrites nothing")
    with refusals():
        path = load_database_path(sources(values))
        with Progress(console=Console(stderr=True), transient=True) as progress:
            pages = progress.add_task("Copying", total=None)

            def show(done: int, total: int) -> None:
                progress.update(pages, completed=done, total=total)

            operator.backup(path, file, show)
    click.echo(file)
