"""A picture on the whole terminal that is drawn again and again, until q or Ctrl-C."""

import os
import select
import signal
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from time import monotonic, sleep
from types import FrameType

import click
from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from orchestrion.cli.endings import pause_after
from orchestrion.cli.printing import Printer
from orchestrion.cli.seconds import Seconds
from orchestrion.client.errors import OrchestrionError

INTERVAL_SECONDS = 2.0
STATUS_OF_SIGNALS = 128
KEYS_READ_MAX = 64

_ENDINGS = (signal.SIGTERM, signal.SIGHUP)

every = click.option(
    "--interval",
    type=Seconds(0.2, 60),
    default=INTERVAL_SECONDS,
    show_default=True,
    metavar="SECONDS",
    help="Time between two looks; each counts as a read.",
)


def show(printer: Printer, interval: float, look: Callable[[int], RenderableType]) -> None:
    """Draw what `look` gives for a width, every `interval` seconds; say what hinders it."""
    console = printer.console()
    picture = look(console.width)
    live = Live(picture, console=console, screen=True, auto_refresh=False)
    try:
        with _orderly_end(), _keys() as pressed:
            live.start(refresh=True)
            pause = interval
            while not pressed(pause):
                try:
                    picture = look(console.width)
                    live.update(picture, refresh=True)
                    pause = interval
                except OrchestrionError as error:
                    pause = pause_after(error, interval)
                    live.update(Group(Text(str(error), "red"), picture), refresh=True)
    except KeyboardInterrupt:
        # The usual way to leave.
        return
    finally:
        # A signal may come while it starts, which `with` would not undo.
        live.stop()


@contextmanager
def _keys() -> Iterator[Callable[[float], bool]]:
    if not sys.stdin.isatty():
        yield _nobody
        return
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    tty.setcbreak(terminal)
    try:
        yield partial(_left, terminal)
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


def _left(terminal: int, seconds: float) -> bool:
    """Wait for a key; tells whether the one who looks wants to leave, or has gone."""
    deadline = monotonic() + seconds
    while (left := deadline - monotonic()) > 0:
        ready, _, _ = select.select([terminal], [], [], left)
        if ready:
            read = os.read(terminal, KEYS_READ_MAX)
            if not read or b"q" in read.lower():
                return True
    return False


def _nobody(seconds: float) -> bool:
    sleep(seconds)
    return False


@contextmanager
def _orderly_end() -> Iterator[None]:
    # Whoever ends this process shall get the terminal back as it was.
    before = {number: signal.signal(number, _end) for number in _ENDINGS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(number: int, _frame: FrameType | None) -> None:
    sys.exit(STATUS_OF_SIGNALS + number)
