"""A worker as a process: its signals, its log, and the exit code it ends with."""

import asyncio
import logging
import sys
from collections.abc import Callable
from typing import Final, NoReturn, Protocol

from orchestrion.client.errors import APIError, ConfigurationError
from orchestrion.worker.signals import heard
from orchestrion.worker.watchdog import Watchdog, Watched

USAGE: Final = 2
UNAUTHORIZED: Final = 5
FAILURE: Final = 1
FORMAT: Final = "%(asctime)s %(levelname)s %(message)s"
LOG: Final = logging.getLogger("orchestrion")
_UNAUTHORIZED_STATUS: Final = 401


def nothing() -> None:
    """Do nothing."""


class Runs(Watched, Protocol):
    """What is run: a Worker."""

    async def serve(self) -> None: ...
    def check(self) -> None: ...
    def stop(self) -> None: ...


def run_process(worker: Runs) -> None:
    """Serve until a signal; raises SystemExit where that is impossible."""
    try:
        worker.check()
    except (TypeError, ValueError) as error:
        _exit(str(error), USAGE, error)
    try:
        serve_until_signal(worker)
    except APIError as error:
        refused = error.status == _UNAUTHORIZED_STATUS
        _exit(str(error), UNAUTHORIZED if refused else FAILURE, error)
    except ConfigurationError as error:
        _exit(str(error), USAGE, error)


def serve_until_signal(worker: Runs, last: Callable[[], None] = nothing) -> None:
    """Serve until SIGTERM or SIGINT, then drain; raises as `Worker.serve` does.

    Once told to stop, the process ends whatever hangs; `last` is called where that, or a second
    signal, ends it at once.
    """
    _configure_log()
    watchdog = Watchdog(worker, last)

    def stop() -> None:
        watchdog.arm()
        worker.stop()

    with heard(stop, last):
        try:
            asyncio.run(worker.serve())
        finally:
            watchdog.disarm()


def _exit(said: str, code: int, error: Exception) -> NoReturn:
    sys.stderr.write(f"orchestrion worker: {said}\n")
    raise SystemExit(code) from error


def _configure_log() -> None:
    # Whoever has configured logging has a wish of their own.
    if LOG.hasHandlers():
        return
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter(FORMAT))
    LOG.addHandler(handler)
    LOG.setLevel(logging.INFO)
