"""`orchestrion bench`: how many tasks a second a server takes through their lives, end to end."""

import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from signal import SIGINT
from typing import Final, Literal

import click
import msgspec
import uvloop

from orchestrion.cli.bench_lives import Lives
from orchestrion.cli.bench_load import BATCH_MAX, PAYLOAD_BYTES_MAX, Load
from orchestrion.cli.bench_progress import Run, showing
from orchestrion.cli.bench_report import Outcome, Report, headline, latency_rows, report
from orchestrion.cli.options import at_server
from orchestrion.cli.printing import Printer, Shape
from orchestrion.cli.reaching import Session
from orchestrion.cli.refusals import Refusal, WrongUsage
from orchestrion.cli.seconds import Seconds
from orchestrion.client.aio import AsyncOrchestrion

Mode = Literal["requests", "worker"]

WORKERS_MAX: Final = 1_000
TASKS_MAX: Final = 10_000_000
SECONDS_MAX: Final = 86_400.0
SECONDS_UNLESS_TASKS: Final = 20.0
TASKS_HANDLED: Final = 10_000
CALLERS: Final = 32
HANDLERS: Final = 100
# A client has so many connections that more callers than this would wait for each other.
CALLERS_PER_CLIENT: Final = 50
STATUS_OF_SIGNALS: Final = 128
HELP: Final = "orchestrion bench --help"


@click.command
@click.option(
    "--mode",
    type=click.Choice(["requests", "worker"]),
    default="requests",
    help="requests: callers that each create, claim and complete. worker: the worker runtime with "
    "a handler that does nothing, in this one process; the tasks are created before.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, WORKERS_MAX),
    help=f"Callers, or handlers, at once. [default: {CALLERS}, or {HANDLERS}]",
)
@click.option(
    "--seconds",
    type=Seconds(0.1, SECONDS_MAX),
    help=f"Begin nothing after so many seconds. [default: {SECONDS_UNLESS_TASKS:g}, or none]",
)
@click.option(
    "--tasks",
    type=click.IntRange(1, TASKS_MAX),
    help=f"Begin no more than so many. [default: no limit, or {TASKS_HANDLED}]",
)
@click.option(
    "--payload",
    "payload_bytes",
    metavar="BYTES",
    type=click.IntRange(2, PAYLOAD_BYTES_MAX),
    default=256,
    show_default=True,
    help="Size of each payload as JSON.",
)
@click.option(
    "--batch",
    type=click.IntRange(1, BATCH_MAX),
    default=1,
    show_default=True,
    help="Tasks in one request of each caller.",
)
@click.option(
    "--report",
    "file",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write what was found to FILE as JSON, too.",
)
@at_server()
def bench(
    session: Session,
    /,
    *,
    mode: Mode,
    file: Path | None,
    tasks: int | None,
    **given: float | None,
) -> None:
    """Load a server with tasks of a type of its own, bench_ and twelve letters, and measure.

    Everything goes through the SDK in this one process, which takes part in what is measured.
    What the load created it completes; that stays in the database as long as the plan keeps it.
    """
    load = _load(mode, tasks, msgspec.convert(given, _Given))
    # Callers are patient with a server that goes away, but there has to be one.
    session.client.health()
    if file is not None:
        _refuse_unwritable(file)
    try:
        outcome = uvloop.run(_measured(session, mode, load))
    except KeyboardInterrupt:
        session.advise_to(session.command("tasks", "list", "--type", load.type))
        sys.exit(STATUS_OF_SIGNALS + SIGINT)
    found = report(mode, session.target.url, load, outcome)
    _print(session.printer, found)
    if file is not None:
        _keep(file, found)


class _Given(msgspec.Struct, frozen=True, kw_only=True):
    workers: int | None
    seconds: float | None
    payload_bytes: int
    batch: int


def _load(mode: Mode, tasks: int | None, given: _Given) -> Load:
    seconds = given.seconds
    if mode == "worker":
        if seconds is not None:
            raise WrongUsage("--mode worker goes by --tasks, not --seconds", HELP)
        tasks = tasks or TASKS_HANDLED
    elif tasks is None and seconds is None:
        seconds = SECONDS_UNLESS_TASKS
    return Load(
        workers=given.workers or (HANDLERS if mode == "worker" else CALLERS),
        payload_bytes=given.payload_bytes,
        batch=given.batch,
        tasks=tasks,
        seconds=seconds,
    )


async def _measured(session: Session, mode: Mode, load: Load) -> Outcome:
    target = session.target
    async with AsyncExitStack() as opened:
        clients = [
            await opened.enter_async_context(AsyncOrchestrion(target.url, target.api_key))
            for _ in range(0, load.workers, CALLERS_PER_CLIENT)
        ]
        run: Run = Lives(clients, load)
        if mode == "worker":
            # The runtime takes time to import, which the other mode can do without.
            from orchestrion.cli.bench_handled import Handled  # noqa: PLC0415

            run = Handled(clients[0], target, load)
        with showing(session.printer, load, run):
            return await run.run()


def _refuse_unwritable(file: Path) -> None:
    # Before the load: nobody wants to hear it after the minutes that took.
    new = not file.exists()
    with _writing(file):
        file.open("ab").close()
        if new:
            file.unlink()


def _keep(file: Path, found: Report) -> None:
    with _writing(file):
        file.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n")


@contextmanager
def _writing(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Refusal(f"cannot write {file}: {error.strerror}", HELP) from error


def _print(printer: Printer, found: Report) -> None:
    if printer.single_shape() is Shape.TABLE:
        click.echo(headline(found))
        printer.rows(latency_rows(found))
    else:
        printer.json(found)
