"""The command line: a command's module is imported only when that command is typed."""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from types import MappingProxyType
from typing import Any

import click

from orchestrion import __version__
from orchestrion.cli.refusals import WrongUsage

TYPED = "orchestrion.typed"
# How Click says it.
_UNKNOWN = re.compile(r"No such command '(.+)'\.", re.DOTALL)

# What each command says of itself in short: the list of them is shown without importing any.
ABOUT: Mapping[str, str] = MappingProxyType(
    {
        "serve": "Serve the API until told to stop.",
        "worker": "Run workers that claim tasks and do them.",
        "tasks": "Create, read, watch, work on and change tasks of a server.",
        "dlq": "Look through dead letters and put them back.",
        "keys": "Make, list and revoke API keys.",
        "accounts": "See and set what holds for an account, also while a server runs.",
        "plan": "See, buy and verify the plan of your own account, at a server.",
        "plans": "Look at catalogues of plans, which are files of an operator.",
        "stats": "Count your tasks by status and type, with their rates.",
        "top": "Watch the counts and rates of your tasks live; q leaves.",
        "bench": "Measure how many tasks a second a server takes through their lives.",
        "doctor": "Check the server, the key, the clock and this machine.",
        "openapi": "Print the OpenAPI document of the API.",
        "db": "Care for the database, also while a server runs.",
        "init": "Write a first worker, its settings and a guide for agents.",
        "demo": "Watch three workers take Markdown files through their lives as tasks.",
        "completion": "Print the script that completes commands in your shell.",
        "version": "Print the version.",
    }
)


class _Commands(click.Group):
    # Starting must be quick: `orchestrion version` shall not wait for a web server to import.
    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*ABOUT, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in ABOUT:
            return super().get_command(ctx, cmd_name)
        command = getattr(import_module(f"orchestrion.cli.{cmd_name}"), cmd_name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, ABOUT[name]) for name in self.list_commands(ctx)])

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,  # noqa: ANN401 - Click's own signature
    ) -> click.Context:
        typed = tuple(args)
        # However it was started: hints and helps show what people type.
        name = self.name or info_name
        try:
            context = super().make_context(name, args, parent, **extra)
        except click.UsageError as error:
            raise _wrong(error, str(name)) from error
        # Hints repeat what was typed.
        context.meta[TYPED] = typed
        return context

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            raise _wrong(error, _named(ctx)) from error


def _wrong(error: click.UsageError, path: str) -> click.ClickException:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        return error
    # An option without its argument does not say whose it is.
    named = path if error.ctx is None else error.ctx.command_path
    return WrongUsage(error.format_message(), f"{named} {_likely(error) or '--help'}")


def _likely(error: click.UsageError) -> str | None:
    """Give the command that was probably meant, where there is none of that name."""
    mistyped = _UNKNOWN.fullmatch(error.message)
    group = error.ctx and error.ctx.command
    if not mistyped or not error.ctx or not isinstance(group, click.Group):
        return None
    close = get_close_matches(mistyped[1], group.list_commands(error.ctx), n=1)
    return f"{close[0]} --help" if close else None


def _named(ctx: click.Context) -> str:
    """Give the command that was typed, without its arguments."""
    path, command = ctx.command_path, ctx.command
    for word in ctx.meta[TYPED]:
        below = command.get_command(ctx, word) if isinstance(command, click.Group) else None
        if below is None:
            break
        path, command = f"{path} {word}", below
    return path


@click.version_option(__version__, message="%(version)s")
@click.group(
    name="orchestrion",
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
def main() -> None:
    """Orchestrion: a task service that agents drive over HTTP.

    Data goes to stdout, hints to stderr. Ends with 0 if all went well, 1 failure, 2 wrong usage,
    3 not found, 4 conflict or lost lease, 5 key missing or wrong, 6 quota or rate limit used up,
    7 server unreachable.
    """
