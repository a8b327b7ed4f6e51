"""Turns what went wrong into a line on stderr, the command to type next, and an exit code."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import IO

import click

_COMMAND = re.compile(r"`(orchestrion [^`]+)`")

# How a command may end; what each of the classes below says in its own words.
EXIT_CODES: Mapping[int, str] = MappingProxyType(
    {
        0: "all went well",
        1: "failure: of the server, of a payment, or of the task that was waited for",
        2: "wrong usage, or a request that the server finds wrong",
        3: "not found",
        4: "conflict: the state of the task or its lease does not allow it",
        5: "the key is missing or wrong",
        6: "a quota or a rate limit is used up",
        7: "no server could be reached",
    }
)


class Refusal(click.ClickException):
    """Ends the program with one line, without usage or traceback.

    `step` is what to type next: unless given, the command that the line names, else the help.
    """

    exit_code = 1

    def __init__(self, message: str, step: str | None = None) -> None:
        super().__init__(message)
        self.step = step or _named(message) or _help()

    def show(self, file: IO[str] | None = None) -> None:
        """Print the line to stderr, and below it the command to type next."""
        click.echo(f"orchestrion: {self.format_message()}", file=file, err=True)
        if self.step is not None:
            click.echo(f"next: {self.step}", file=file, err=True)


def _named(message: str) -> str | None:
    found = _COMMAND.search(message)
    return found[1] if found else None


def _help() -> str | None:
    context = click.get_current_context(silent=True)
    return None if context is None else f"{context.command_path} --help"


class WrongUsage(Refusal):
    """What was typed, or sent, is not what the command or the server takes."""

    exit_code = 2


class WrongSetting(WrongUsage):
    """A setting that cannot be used."""


class NotFound(Refusal):
    """What was named is not there."""

    exit_code = 3


class Conflict(Refusal):
    """The state of the task, or its lease, does not allow it."""

    exit_code = 4


class NotAllowed(Refusal):
    """The key is missing or wrong."""

    exit_code = 5


class UsedUp(Refusal):
    """A quota or a rate limit is in the way."""

    exit_code = 6


class Unreachable(Refusal):
    """No server answered."""

    exit_code = 7


@contextmanager
def refusals() -> Iterator[None]:
    """Let wrong settings and refused databases end the program with their own line."""
    # What talks to a server over HTTP starts without the settings of one.
    from orchestrion.core.faults import StoreRefused, Unavailable  # noqa: PLC0415
    from orchestrion.settings import SettingError  # noqa: PLC0415

    try:
        yield
    except SettingError as error:
        raise WrongSetting(str(error)) from error
    except (StoreRefused, Unavailable) as error:
        raise Refusal(str(error), "orchestrion doctor") from error
