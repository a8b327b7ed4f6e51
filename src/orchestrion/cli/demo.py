"""`orchestrion demo`: the whole service at work on the Markdown files of a folder."""

import io
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import FrameType

import click
from rich.console import Console

from orchestrion.cli.refusals import Refusal
from orchestrion.demo.lines import Lines
from orchestrion.demo.processes import Broken
from orchestrion.demo.promises import promises
from orchestrion.demo.report import report
from orchestrion.demo.screen import Screen
from orchestrion.demo.story import tell

STATUS_OF_SIGNALS = 128
_ENDINGS = (signal.SIGTERM, signal.SIGHUP)


@click.command
@click.argument(
    "folder", type=click.Path(exists=True, file_okay=False, path_type=Path), default="."
)
def demo(folder: Path) -> None:
    """Watch three workers take the Markdown files below FOLDER through their lives as tasks.

    Starts a server of its own with an empty database, and takes about 45 seconds: one worker is
    killed, and its lease has to end in real time. Leaves nothing behind.
    """
    # What stands in files and names need not exist in the terminal's encoding.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    console = Console(highlight=False)
    shown = sys.stdout.isatty() and not console.is_dumb_terminal
    try:
        with _orderly_end(), Screen(console) if shown else nullcontext(Lines()) as view:
            ending = tell(folder, view)
            checked = promises(ending)
            view.result(report(ending, checked))
    except Broken as error:
        raise Refusal(str(error)) from error
    except KeyboardInterrupt:
        click.echo("Stopped; the processes have ended, the files are deleted.", err=True)
        sys.exit(STATUS_OF_SIGNALS + signal.SIGINT)
    broken = [promise.text for promise in checked if promise.against]
    if broken:
        raise Refusal(f"not as promised: {'; '.join(broken)}")


@contextmanager
def _orderly_end() -> Iterator[None]:
    # A terminal that closes and a supervisor end the demonstration as Ctrl-C does.
    before = {number: signal.signal(number, _interrupt) for number in _ENDINGS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(number: int, _frame: FrameType | None) -> None:
    sys.exit(STATUS_OF_SIGNALS + number)
