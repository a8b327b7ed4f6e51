"""`orchestrion completion`: the script by which a shell completes the commands."""

from collections.abc import Mapping
from types import MappingProxyType

import click
from click.shell_completion import get_completion_class

from orchestrion.cli.steps import PROGRAM

# By Click's convention: the script sets it when it asks what may come next.
VARIABLE = "_ORCHESTRION_COMPLETE"
# Where each shell looks for it.
_INTO: Mapping[str, str] = MappingProxyType(
    {
        "bash": "~/.local/share/bash-completion/completions/orchestrion",
        "zsh": '"${fpath[1]}/_orchestrion"',
        "fish": "~/.config/fish/completions/orchestrion.fish",
    }
)


@click.command
@click.argument("shell", type=click.Choice(tuple(_INTO)))
@click.option("-q", "--quiet", is_flag=True, help="Print no hints.")
@click.pass_context
def completion(ctx: click.Context, shell: str, *, quiet: bool) -> None:
    """Print the script that completes commands in your shell."""
    kind = get_completion_class(shell)
    assert kind is not None
    root = ctx.find_root().command
    click.echo(kind(root, {}, PROGRAM, VARIABLE).source())
    if not quiet:
        click.echo(f"next: orchestrion completion {shell} > {_INTO[shell]}", err=True)
