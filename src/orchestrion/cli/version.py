"""`orchestrion version`: must not import anything that takes time."""

import click

from orchestrion import __version__


@click.command
def version() -> None:
    """Print the version."""
    click.echo(f"orchestrion {__version__}")
