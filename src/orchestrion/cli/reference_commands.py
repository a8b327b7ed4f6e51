"""The page about the command line, written from the commands themselves."""

import inspect
from collections.abc import Iterator

import click

from orchestrion.cli import main
from orchestrion.cli.options import is_common
from orchestrion.cli.refusals import EXIT_CODES
from orchestrion.cli.stats import stats
from orchestrion.settings import SETTINGS

_SHAPES = (
    "Data goes to stdout, hints to stderr. On a terminal data is a table; elsewhere it is JSON: "
    "one object, or for a\nlist one in each line. After a change, and after an error, stderr ends "
    "with `next:` and the command to type."
)
_SOURCES = (
    "An option wins over a variable, a variable over a profile, a profile over "
    "`http://127.0.0.1:8080`. Commands that work\non the database take its "
    "[settings](settings.md) instead."
)
_FLAGS = frozenset({*(setting.flag for setting in SETTINGS), "--config"})


def commands_page(notice: str) -> str:
    """Write every command with its arguments and options, and what they have in common."""
    common = [_option_row(one) for one in _options(stats) if is_common(one)]
    exits = [f"| {code} | {about} |" for code, about in EXIT_CODES.items()]
    parts = [
        "# The command line",
        notice,
        _SHAPES,
        "## Exit codes",
        "\n".join(["| code | meaning |", "|---|---|", *exits]),
        "`db status` ends with 3 also where the database is not as it should be.",
        "## Options of every command that talks to a server",
        "\n".join(["| option | what it does |", "|---|---|", *common]),
        _SOURCES,
        *_sections(),
    ]
    return "\n\n".join(parts) + "\n"


def _sections() -> Iterator[str]:
    # As it is typed: Click remembers the help option of the first context a command is seen in.
    root = main.make_context("orchestrion", [], resilient_parsing=True)
    for name in main.list_commands(root):
        command = main.get_command(root, name)
        assert command is not None
        yield f"## {name}"
        yield from _described(command, click.Context(command, root, name))


def _described(command: click.Command, context: click.Context) -> Iterator[str]:
    yield inspect.cleandoc(command.help or "")
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            verb = command.get_command(context, name)
            assert verb is not None
            yield f"### {context.info_name} {name}"
            yield from _described(verb, click.Context(verb, context, name))
        return
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    yield f"```text\n{usage}\n```"
    options = _options(command)
    own = [_option_row(one) for one in options if not is_common(one) and not _is_setting(one)]
    if own:
        yield "\n".join(["| option | what it does |", "|---|---|", *own])
    notes = []
    if any(map(is_common, options)):
        notes.append("It talks to [a server](#options-of-every-command-that-talks-to-a-server).")
    if any(map(_is_setting, options)):
        notes.append("It takes [settings](settings.md).")
    if notes:
        yield " ".join(notes)


def _options(command: click.Command) -> list[click.Option]:
    return [one for one in command.params if isinstance(one, click.Option) and not one.hidden]


def _is_setting(option: click.Option) -> bool:
    return not _FLAGS.isdisjoint(option.opts)


def _option_row(option: click.Option) -> str:
    spelled = ", ".join(f"`{name}`" for name in [*option.opts, *option.secondary_opts])
    value = f" {option.metavar}" if option.metavar and not option.is_flag else ""
    about = (option.help or "").replace("|", "\\|")
    default = f" Default: {option.default}." if option.show_default else ""
    return f"| {spelled}{value.replace('|', ' or ')} | {about}{default} |"
