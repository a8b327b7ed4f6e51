"""`orchestrion top`: an account in numbers, live."""

from functools import partial
from time import sleep
from typing import Never

import click
import msgspec
from rich.console import Group, RenderableType
from rich.text import Text

from orchestrion.cli.answers import whole
from orchestrion.cli.endings import pause_after
from orchestrion.cli.options import at_server
from orchestrion.cli.printing import Shape
from orchestrion.cli.reaching import Session
from orchestrion.cli.screen import every, show
from orchestrion.cli.stats_table import picture
from orchestrion.client import insight
from orchestrion.client.errors import OrchestrionError


@click.command
@every
@at_server()
def top(session: Session, interval: float) -> None:
    """Watch the counts and rates of your tasks live; q leaves.

    Off a terminal it prints a JSON object with the numbers on each line.
    """
    if session.printer.list_shape() is Shape.TABLE:
        show(session.printer, interval, partial(_screen, session, interval))
        return
    try:
        _stream(session, interval)
    except KeyboardInterrupt:
        # The usual way to leave.
        return


def _stream(session: Session, interval: float) -> Never:
    session.printer.line(_numbers(session)[1])
    pause = interval
    while True:
        sleep(pause)
        try:
            session.printer.line(_numbers(session)[1])
            pause = interval
        except OrchestrionError as error:
            pause = pause_after(error, interval)
            session.tell_of(error, pause)


def _numbers(session: Session) -> tuple[insight.Stats, msgspec.Raw]:
    return session.client.call(whole(insight.stats()))


def _screen(session: Session, interval: float, _width: int) -> RenderableType:
    numbers, _ = _numbers(session)
    foot = f"{session.target.url}  every {interval:g} s  q leaves"
    return Group(picture(numbers), Text(), Text(foot, "dim"))
