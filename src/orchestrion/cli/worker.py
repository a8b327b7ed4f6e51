"""`orchestrion worker`: runs the workers of a module, or any program as one."""

import importlib
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
from orchestrion.worker.process import serve_until_signal
from orchestrion.worker.program import Program
from orchestrion.worker.reloading import run_reloading
from orchestrion.worker.worker import Worker

_Command = TypeVar("_Command", bound=Callable[..., object])
PORT_MAX = 65_535
# How long a worker that starts again may take to end, where nothing was said.
GRACE_SECONDS_MAX = 30.0


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
@_running
@at_server()
def run(
    session: Session, /, place: str, types: str | None, mode: str | None, **numbers: float | None
) -> None:
    """Run a Worker of a Python module, such as `app:worker`, found from the present folder."""
    if mode == "reload":
        command = [word for word in sys.orig_argv[1:] if word != "--reload"]
        grace = numbers["grace"] or GRACE_SECONDS_MAX
        sys.exit(run_reloading([sys.executable, *command], Path.cwd(), grace))
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
        made.task(task_type, timeout=timeout)(program)
    _set(made, numbers)
    _serve(made)


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


def _set(found: Worker, numbers: Mapping[str, float | None]) -> None:
    given = {name: value for name, value in numbers.items() if value is not None}
    found.options = replace(found.options, **given)


def _select(found: Worker, types: Iterable[str]) -> None:
    try:
        found.only(frozenset(name.strip() for name in types))
    except ValueError as error:
        raise WrongUsage(str(error), "orchestrion worker run --help") from error


def _serve(found: Worker) -> None:
    try:
        found.check()
    except (TypeError, ValueError) as error:
        raise WrongUsage(str(error), "orchestrion worker run --help") from error
    serve_until_signal(found)
