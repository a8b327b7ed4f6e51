"""Lines that libraries and the interpreter would print themselves, led into the log."""

import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from orchestrion.observe.logs import Logs
from orchestrion.observe.tracebacks import traceback_text

LIBRARY_LOGGERS = ("asyncio", "uvicorn", "uvicorn.error", "uvicorn.access")
"""Loggers whose owners may have given them handlers of their own."""


@contextmanager
def captured(logs: Logs) -> Iterator[None]:
    """Lead warnings and errors of every stdlib logger into the log until the block ends.

    Also what a thread or a finaliser dies of. The former state comes back afterwards.
    """
    loggers = [logging.getLogger(name) for name in LIBRARY_LOGGERS]
    before = [(logger, logger.handlers, logger.propagate) for logger in loggers]
    hooks = threading.excepthook, sys.unraisablehook
    handler = _Bridge(logs)
    for logger in loggers:
        logger.handlers, logger.propagate = [], True
    logging.getLogger().addHandler(handler)
    threading.excepthook = handler.thread_died
    sys.unraisablehook = handler.unraisable
    try:
        yield
    finally:
        threading.excepthook, sys.unraisablehook = hooks
        logging.getLogger().removeHandler(handler)
        for logger, handlers, propagate in before:
            logger.handlers, logger.propagate = handlers, propagate


class _Bridge(logging.Handler):
    """A stdlib handler that writes to our log."""

    def __init__(self, logs: Logs) -> None:
        super().__init__(logging.WARNING)
        self._logs = logs

    def emit(self, record: logging.LogRecord) -> None:
        fields = {"logger": record.name}
        if record.exc_info and record.exc_info[1]:
            fields["exception"] = traceback_text(record.exc_info[1])
        write = self._logs.error if record.levelno >= logging.ERROR else self._logs.warning
        write(_message(record), **fields)

    def thread_died(self, died: threading.ExceptHookArgs) -> None:
        if died.exc_value and not isinstance(died.exc_value, SystemExit):
            self._logs.fault("thread died", "", died.exc_value)

    def unraisable(self, died: "sys.UnraisableHookArgs") -> None:
        if died.exc_value:
            self._logs.fault("exception ignored", "", died.exc_value)


def _message(record: logging.LogRecord) -> str:
    try:
        return " ".join(record.getMessage().splitlines())
    except (TypeError, ValueError, LookupError):
        # Arguments that do not fit their template; the template alone still says where.
        return str(record.msg)
