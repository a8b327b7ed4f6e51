"""The command line: a command's module is imported only when that command is typed."""

from importlib import import_module

import click

from orchestrion import __version__

_COMMANDS = ("serve", "demo", "keys", "accounts", "plans", "db", "version")


class _Commands(click.Group):
    # Starting must be quick: `orchestrion version` shall not wait for a web server to import.
    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*_COMMANDS, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return super().get_command(ctx, cmd_name)
        command = getattr(import_module(f"orchestrion.cli.{cmd_name}"), cmd_name)
        assert isinstance(command, click.Command)
        return command


@click.version_option(__version__, message="%(version)s")
@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
def main() -> None:
    """Orchestrion: a task service that agents drive over HTTP."""
