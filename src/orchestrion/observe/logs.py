"""The process's log: one line per request and per event, JSON off a terminal, no secrets."""

import os
from collections.abc import Callable
from types import TracebackType
from typing import Final, Literal, Self

import msgspec
from msgspec import UNSET, UnsetType

from orchestrion.core.faults import PaymentsUnavailable, Unavailable
from orchestrion.core.instants import Instant, format_instant
from orchestrion.engine.ports import Clock, RequestRecord
from orchestrion.observe.lines import RequestLine
from orchestrion.observe.output import Output, OutputLimits
from orchestrion.observe.pipeline import Level, Rendering, event_logger
from orchestrion.observe.tracebacks import traceback_text

Format = Literal["auto", "json", "console"]
Value = str | int | float | None

TRACEBACKS_PER_SECOND_MAX = 10
REQUEST_LEVELS: tuple[Level, ...] = ("debug", "info")
# Others that a server depends on do not answer.
_AWAY: Final = (Unavailable, PaymentsUnavailable)


class LogOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Where lines go and how they look; the descriptor is borrowed, not owned."""

    descriptor: int = 2
    level: Level = "info"
    format: Format = "auto"
    # The number of this process among those of one server.
    worker: int | None = None
    limits: OutputLimits = OutputLimits()


class Logs:
    """Writes what happened. Calls take microseconds, never wait for the reader, never raise."""

    def __init__(self, options: LogOptions, clock: Clock) -> None:
        rendering = _rendering(options)
        self._clock = clock
        self._output = Output(options.descriptor, options.limits, self._lost)
        events = event_logger(self._output.put_text, options.level, rendering, clock)
        self._worker: int | UnsetType = UNSET
        if options.worker is not None:
            self._worker = options.worker
            events = events.bind(worker=options.worker)
        self._events = events
        self._stamp = (Instant(0), "")
        self._traceback_second = 0
        self._tracebacks = 0
        self._write_request = self._request_writer(options.level, rendering)

    @property
    def dropped(self) -> int:
        """Lines lost since the start."""
        return self._output.dropped

    def request(self, record: RequestRecord) -> None:
        """Log one answered request, at level info."""
        self._write_request(record)

    def fault(self, event: str, request_id: str, error: BaseException) -> None:
        """Log that something broke, written at once.

        With its traceback, unless more than a few broke within this second. Where the database
        or PayPal is away that is no bug, and every request says so.
        """
        fields: dict[str, Value] = {"fault": type(error).__qualname__}
        if request_id:
            fields["request_id"] = request_id
        if not isinstance(error, _AWAY) and self._traceback_fits():
            fields["exception"] = traceback_text(error)
        else:
            fields["message"] = str(error)
        self.error(event, **fields)

    def info(self, event: str, **fields: Value) -> None:
        """Log an event in the life of the process; fields beyond the allow-list are left out."""
        self._events.info(event, **fields)

    def warning(self, event: str, **fields: Value) -> None:
        """Log something an operator may want to look at."""
        self._events.warning(event, **fields)

    def error(self, event: str, **fields: Value) -> None:
        """Log something that broke, written at once."""
        self._events.error(event, **fields)
        self._output.hurry()

    def close(self) -> None:
        """Write what is left, for a bounded time."""
        self._output.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _request_writer(
        self, level: Level, rendering: Rendering
    ) -> Callable[[RequestRecord], None]:
        if level not in REQUEST_LEVELS:
            return _ignore
        return self._request_line if rendering == "json" else self._request_event

    def _request_line(self, record: RequestRecord) -> None:
        self._output.put(
            RequestLine(
                self._timestamp(),
                "info",
                "request",
                record.request_id,
                record.operation,
                record.method,
                record.status,
                int(record.seconds * 1_000_000) / 1_000,
                record.account_id or UNSET,
                record.error or UNSET,
                self._worker,
            )
        )

    def _timestamp(self) -> str:
        # Most requests share their millisecond with others; writing it costs more than the rest.
        now = self._clock.now()
        stamp = self._stamp
        if stamp[0] != now:
            self._stamp = stamp = (now, format_instant(now))
        return stamp[1]

    def _request_event(self, record: RequestRecord) -> None:
        fields: dict[str, Value] = {
            "operation": record.operation,
            "method": record.method,
            "status": record.status,
            "duration_ms": int(record.seconds * 1_000_000) / 1_000,
            "account": record.account_id or None,
            "error": record.error or None,
            "request_id": record.request_id,
        }
        self._events.info("request", **{name: v for name, v in fields.items() if v is not None})

    def _traceback_fits(self) -> bool:
        second = int(self._clock.monotonic())
        if second != self._traceback_second:
            self._traceback_second, self._tracebacks = second, 0
        self._tracebacks += 1
        return self._tracebacks <= TRACEBACKS_PER_SECOND_MAX

    def _lost(self, lines: int) -> None:
        self._events.warning("log lines dropped", count=lines)


def _rendering(options: LogOptions) -> Rendering:
    on_terminal = os.isatty(options.descriptor)
    if options.format == "json" or (options.format == "auto" and not on_terminal):
        return "json"
    return "coloured" if on_terminal else "plain"


def _ignore(_record: RequestRecord) -> None:
    """Take the place of request lines above level info."""
