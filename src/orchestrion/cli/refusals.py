"""Turns what an operator did wrong into one line on stderr and an exit code."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

import click

from orchestrion.core.faults import StoreRefused, Unavailable
from orchestrion.settings import SettingError


class Refusal(click.ClickException):
    """Ends the program with one line, without usage or traceback."""

    exit_code = 1

    def show(self, file: IO[str] | None = None) -> None:
        """Print the line to stderr."""
        click.echo(f"orchestrion: {self.format_message()}", file=file, err=True)


class WrongSetting(Refusal):
    """Ends the program as wrong usage does."""

    exit_code = 2


@contextmanager
def refusals() -> Iterator[None]:
    """Let wrong settings and refused databases end the program with their own line."""
    try:
        yield
    except SettingError as error:
        raise WrongSetting(str(error)) from error
    except (StoreRefused, Unavailable) as error:
        raise Refusal(str(error)) from error
