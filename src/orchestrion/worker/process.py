"""A worker as a process: its signals, its log, and the exit code it ends with."""

import asyncio
import logging
import sys
from typing import Final, NoReturn, Protocol

from orchestrion.client.errors import APIError, ConfigurationError
from orchestrion.worker.signals import heard

USAGE: Final = 2
UNAUTHORIZED: Final = 5
FAILURE: Final = 1
FORMAT: Final = "%(asctime)s %(levelname)s %(message)s"
LOG: Final = logging.getLogger("orchestrion")
_UNAUTHORIZED_STATUS: Final = 401


class Runs(Protocol):
    """What is run: a Worker."""

    async def serve(self) -> None: ...
    def check(self) -> None: ...
    def leave(self) -> None: ...


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


def serve_until_signal(worker: Runs) -> None:
    """Serve until SIGTERM or SIGINT, then drain; raises as `Worker.serve` does."""
    _configure_log()
    with heard(worker.leave):
        asyncio.run(worker.serve())


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
