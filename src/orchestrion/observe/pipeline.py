"""The way of an event from a call to a line of text: allowed, stamped, rendered."""

from collections.abc import Callable
from typing import Literal

import msgspec
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from orchestrion.core.instants import format_instant
from orchestrion.engine.ports import Clock
from orchestrion.observe.redaction import printable, printable_lines

Level = Literal["debug", "info", "warning", "error"]
Rendering = Literal["json", "plain", "coloured"]

FIELD_CHARS_MAX = 1_000
EXCEPTION = "exception"
"""The one field of several lines, bounded by whoever makes it."""

FIELDS = frozenset(
    {
        "account",
        "away_seconds",
        "call",
        "count",
        "debug_id",
        "duration_ms",
        "error",
        "fault",
        "host",
        "issue",
        "job",
        "logger",
        "message",
        "method",
        "next_start_seconds",
        "operation",
        "plans",
        "port",
        "reason",
        "request_id",
        "seconds",
        "setting",
        "signal",
        "status",
        "store",
        "up_to_seconds",
        "url",
        "version",
        "worker",
        EXCEPTION,
    }
)
"""All a line may carry beside time, level and event."""

_ALWAYS = ("timestamp", "level", "event")


def event_logger(
    write: Callable[[bytes], None], level: Level, rendering: Rendering, clock: Clock
) -> structlog.typing.FilteringBoundLogger:
    """A logger of its own: structlog's process-wide configuration is left alone."""
    logger: structlog.typing.FilteringBoundLogger = structlog.wrap_logger(
        _Sink(write),
        processors=[
            structlog.processors.add_log_level,
            _stamped(clock),
            allowed,
            _renderer(rendering),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        context_class=dict,
        cache_logger_on_first_use=True,
    ).bind()
    return logger


def allowed(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Keep what the allow-list names, printable and bounded; of the rest only the names."""
    kept: EventDict = {name: _value(name, event[name]) for name in _ALWAYS}
    kept.update((name, _value(name, event[name])) for name in event if name in FIELDS)
    if left_out := sorted(event.keys() - FIELDS - set(_ALWAYS)):
        kept["left_out"] = _value("left_out", ", ".join(left_out))
    return kept


def _value(name: str, value: object) -> object:
    if value is None or isinstance(value, int | float):
        return value
    if name == EXCEPTION:
        return printable_lines(str(value))
    text = printable(str(value))
    return text if len(text) <= FIELD_CHARS_MAX else f"{text[:FIELD_CHARS_MAX]}…"


def _stamped(clock: Clock) -> Processor:
    def stamp(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event["timestamp"] = format_instant(clock.now())
        return event

    return stamp


def _renderer(rendering: Rendering) -> Processor:
    if rendering == "json":
        return _json
    console = structlog.dev.ConsoleRenderer(
        colors=rendering == "coloured",
        exception_formatter=structlog.dev.plain_traceback,
        sort_keys=False,
    )

    def render(logger: WrappedLogger, method: str, event: EventDict) -> bytes:
        return console(logger, method, event).encode()

    return render


def _json(_logger: WrappedLogger, _method: str, event: EventDict) -> bytes:
    return msgspec.json.encode(event)


class _Sink:
    """The end of the pipeline: structlog calls the method named like the level."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self.debug = self.info = self.warning = self.error = write
