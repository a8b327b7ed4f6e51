"""`orchestrion worker`: runs the workers of a module, or any program as one."""

import importlib
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

import click
from msgspec.structs import replace

from orchestrion.cli.options import at_server
from orchestrion.cli.reaching import Session
from orchestrion.cli.refusals import WrongUsage
from orchestrion.worker.connections import connections_to
from orchestrion.worker.process import nothing, serve_until_signal
from orchestrion.worker.program import Program
from orchestrion.worker.reloading import end_with, run_reloading
from orchestrion.worker.worker import Worker

_Command = TypeVar("_Command", bound=Callable[..., object])
PORT_MAX = 65_535


@click.group
def worker() -> None:
    """Run workers that claim tasks and do them.

    SIGTERM or Ctrl-C stops one: it finishes what it holds within the grace, and gives the rest
    back. A second one ends it at once.
    """


def _running(command: _Command) -> _Command:
    for option in (
        click.option(
            "--health-port",
            type=click.IntRange(0, PORT_MAX),
            metavar="PORT",
            help="Serve /livez, /readyz and /metrics there.",
        ),
        click.option(
            "--grace",
            type=click.FloatRange(min=0),
            metavar="SECONDS",
            help="How long a stop waits for what runs. [default: 30, or the worker's own]",
        ),
        click.option(
            "--concurrency",
            type=click.IntRange(1, 1_000),
            metavar="COUNT",
            help="Tasks at once. [default: the worker's own; for a program 1]",
        ),
    ):
        command = option(command)
    return command


@worker.command
@click.argument("place", metavar="MODULE:WORKER")
@click.option("--types", metavar="A,B", help="Take tasks of these types only.")
@click.option("--reload", "mode", flag_value="reload", help="Start again when source changes.")
@click.option("--under", type=int, hidden=True, help="End with the process of this id.")
@_running
@at_server()
def run(
    session: Session,
    /,
    place: str,
    types: str | None,
    mode: str | None,
    under: int | None,
    **numbers: float | None,
) -> None:
    """Run a Worker of a Python module, such as `app:worker`, found from the present folder."""
    if mode == "reload":
        sys.exit(_reload(numbers["grace"]))
    if under is not None:
        end_with(under)
    found = _load(place)
    _set(found, numbers)
    if session.named:
        found.connections = connections_to(session.target.url, session.target.api_key)
    if types is not None:
        _select(found, types.split(","))
    _serve(found)


@worker.command("exec")
@click.argument("command", nargs=-1, required=True, metavar="-- PROGRAM [ARGUMENT]...")
@click.option("--type", "types", multiple=True, required=True, help="Which tasks; repeatable.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="End the program, and fail the attempt, after so long.",
)
@_running
@at_server()
def execute(
    session: Session,
    /,
    command: tuple[str, ...],
    types: tuple[str, ...],
    timeout: float | None,
    **numbers: float | None,
) -> None:
    """Run a program for each task: any language will do.

    The payload stands at its standard input as JSON; ORCHESTRION_TASK_ID, ORCHESTRION_TASK_TYPE
    and ORCHESTRION_TASK_ATTEMPT are set. Exit code 0 completes the task with the JSON object it
    printed, or without a result. Any other fails the attempt with the last line of its standard
    error. Once the lease is lost or the timeout has passed, it is ended with all it has started.
    """
    if shutil.which(command[0]) is None:
        raise WrongUsage(f"there is no program {command[0]!r}", f"which {command[0]}")
    target = session.target
    made = Worker(url=target.url, api_key=target.api_key, concurrency=1)
    program = Program(command)
    for task_type in types:
        _register(made, task_type, timeout, program)
    _set(made, numbers)
    _serve(made, program.end_at_once)


def _reload(grace: float | None) -> int:
    under = f"--under={os.getpid()}"
    command = [under if word == "--reload" else word for word in sys.orig_argv[1:]]
    return run_reloading([sys.executable, *command], Path.cwd(), grace)


def _load(place: str) -> Worker:
    module, _, name = place.partition(":")
    sys.path.insert(0, str(Path.cwd()))
    try:
        loaded = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not module.startswith(error.name):
            raise
        raise WrongUsage(f"there is no module {module!r} to be found from here", "ls") from error
    found = getattr(loaded, name or "worker", None)
    if not isinstance(found, Worker):
        raise WrongUsage(
            f"{module} has no Worker named {name or 'worker'!r}",
            "orchestrion worker run --help",
        )
    return found


def _register(made: Worker, task_type: str, timeout: float | None, program: Program) -> None:
    try:
        made.task(task_type, timeout=timeout)(program)
    except ValueError as error:
        raise WrongUsage(str(error), "orchestrion worker exec --help") from error


def _set(found: Worker, numbers: Mapping[str, float | None]) -> None:
    given = {name: value for name, value in numbers.items() if value is not None}
    found.options = replace(found.options, **given)


def _select(found: Worker, types: Iterable[str]) -> None:
    try:
        found.only(frozenset(name.strip() for name in types))
    except ValueError as error:
        raise WrongUsage(str(error), "orchestrion worker run --help") from error


def _serve(found: Worker, last: Callable[[], None] = nothing) -> None:
    try:
        found.check()
    except (TypeError, ValueError) as error:
        raise WrongUsage(str(error), "orchestrion worker run --help") from error
    serve_until_signal(found, last)
