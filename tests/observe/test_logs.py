"""The log: what a line holds, what it can never hold, and how it looks on a terminal."""

import os

import pytest

from orchestrion.core.faults import Fault, PaymentsUnavailable, Unavailable
from orchestrion.observe.logs import TRACEBACKS_PER_SECOND_MAX, LogOptions, Logs
from orchestrion.observe.output import OutputLimits
from orchestrion.observe.pipeline import FIELD_CHARS_MAX, FIELDS, Level
from orchestrion.observe.tracebacks import TRACEBACK_CHARS_MAX
from tests.observe.conftest import KEY, OpenLogs, Pipe, SettableClock, a_request

NEVER = OutputLimits(flush_seconds=3_600)
JSON = LogOptions(format="json")
CONSOLE = LogOptions(format="console")


def raised(error: BaseException) -> BaseException:
    """The error with a traceback, as code that raised it would hand it over."""
    try:
        raise error
    except type(error) as caught:
        return caught


def test_request_is_one_json_line_with_exactly_these_fields(
    open_logs: OpenLogs, pipe: Pipe
) -> None:
    logs = open_logs(JSON)

    logs.request(a_request())
    logs.request(a_request(account_id="", error="task_not_found"))
    logs.close()

    assert pipe.lines() == [
        {
            "timestamp": "2026-11-22T08:06:25.123Z",
            "level": "info",
            "event": "request",
            "request_id": "req_01ARZ3NDEKTSV4RRFFQ69G5FAV",
            "operation": "claim_task",
            "method": "POST",
            "status": 200,
            "duration_ms": 1.5,
            "account": "acct_01ARZ3NDEKTSV4RRFFQ69G5FAV",
        },
        {
            "timestamp": "2026-11-22T08:06:25.123Z",
            "level": "info",
            "event": "request",
            "request_id": "req_01ARZ3NDEKTSV4RRFFQ69G5FAV",
            "operation": "claim_task",
            "method": "POST",
            "status": 404,
            "duration_ms": 1.5,
            "error": "task_not_found",
        },
    ]


def test_line_carries_the_time_of_its_own_request(
    open_logs: OpenLogs, pipe: Pipe, clock: SettableClock
) -> None:
    logs = open_logs(JSON)

    logs.request(a_request())
    clock.instant = type(clock.instant)(clock.instant + 1)
    logs.request(a_request())
    logs.close()

    times = [line["timestamp"] for line in pipe.lines()]
    assert times == ["2026-11-22T08:06:25.123Z", "2026-11-22T08:06:25.124Z"]


@pytest.mark.parametrize(("level", "lines"), [("debug", 1), ("info", 1), ("warning", 0)])
def test_request_is_logged_at_level_info(
    level: Level, lines: int, open_logs: OpenLogs, pipe: Pipe
) -> None:
    logs = open_logs(LogOptions(level=level))

    logs.request(a_request())
    logs.close()

    assert len(pipe.lines()) == lines


def test_events_below_the_level_are_not_written(open_logs: OpenLogs, pipe: Pipe) -> None:
    logs = open_logs(LogOptions(level="error"))

    logs.info("started")
    logs.warning("slow")
    logs.error("broken")
    logs.close()

    assert [line["event"] for line in pipe.lines()] == ["broken"]


def test_auto_is_json_off_a_terminal(open_logs: OpenLogs, pipe: Pipe) -> None:
    logs = open_logs(LogOptions(format="auto"))

    logs.info("started", host="127.0.0.1", port=8080)
    logs.close()

    (line,) = pipe.lines()
    assert line == {
        "timestamp": "2026-11-22T08:06:25.123Z",
        "level": "info",
        "event": "started",
        "host": "127.0.0.1",
        "port": 8080,
    }


def test_auto_is_coloured_key_value_on_a_terminal(clock: SettableClock) -> None:
    master, terminal = os.openpty()
    logs = Logs(LogOptions(descriptor=terminal, format="auto"), clock)

    logs.request(a_request(error="task_not_found"))
    logs.close()
    text = os.read(master, 65_536).decode()
    os.close(master)
    os.close(terminal)

    assert "\x1b[" in text
    assert "claim_task" in text
    assert "task_not_found" in text


def test_console_off_a_terminal_has_no_colours(open_logs: OpenLogs, pipe: Pipe) -> None:
    logs = open_logs(CONSOLE)

    logs.request(a_request())
    logs.close()

    text = pipe.text()
    assert "\x1b" not in text
    assert "operation=claim_task" in text
    assert "status=200" in text
    assert "error" not in text


def test_field_that_is_not_allowed_leaves_only_its_name(open_logs: OpenLogs, pipe: Pipe) -> None:
    logs = open_logs(JSON)

    logs.info("created", payload='{"secret": "canary"}', job="expire_leases")
    logs.close()

    (line,) = pipe.lines()
    assert line["left_out"] == "payload"
    assert line["job"] == "expire_leases"
    assert "canary" not in pipe.text()


def test_no_field_for_payloads_results_or_keys_is_allowed() -> None:
    assert FIELDS.isdisjoint({"payload", "result", "body", "key", "api_key", "authorization"})
    assert FIELDS.isdisjoint({"query", "headers", "database", "email", "type", "worker_id"})


def test_long_field_is_cut(open_logs: OpenLogs, pipe: Pipe) -> None:
    logs = open_logs(JSON)

    logs.warning("odd", reason="r" * 100_000)
    logs.close()

    assert len(pipe.lines()[0]["reason"]) == FIELD_CHARS_MAX + 1


def test_fault_is_written_at_once_with_its_traceback(open_logs: OpenLogs, pipe: Pipe) -> None:
    logs = open_logs(LogOptions(limits=NEVER))

    logs.fault("request failed", "req_1", raised(RuntimeError("disk on fire")))

    pipe.text_with("\n")
    (line,) = pipe.lines()
    assert line["level"] == "error"
    assert line["event"] == "request failed"
    assert line["request_id"] == "req_1"
    assert line["fault"] == "RuntimeError"
    assert line["exception"].startswith("Traceback (most recent call last):\n")
    assert line["exception"].endswith("RuntimeError: disk on fire")


def test_request_line_is_written_without_being_asked_for(open_logs: OpenLogs, pipe: Pipe) -> None:
    logs = open_logs(JSON)

    logs.request(a_request())

    assert "claim_task" in pipe.text_with("\n")


@pytest.mark.parametrize("kind", [Unavailable, PaymentsUnavailable])
def test_who_is_away_is_a_short_line_for_each_request(
    kind: type[Fault], open_logs: OpenLogs, pipe: Pipe
) -> None:
    logs = open_logs(LogOptions(limits=NEVER))

    logs.fault("request failed", "req_1", raised(kind("it cannot be reached")))

    pipe.text_with("\n")
    (line,) = pipe.lines()
    assert (line["fault"], line["request_id"]) == (kind.__name__, "req_1")
    assert line["message"] == "it cannot be reached"
    assert "exception" not in line


def test_traceback_shows_no_values_of_variables(open_logs: OpenLogs, pipe: Pipe) -> None:
    logs = open_logs(JSON)

    def work(payload: str) -> None:
        if payload:
            raise RuntimeError

    try:
        work("can" + "ary")
    except RuntimeError as error:
        logs.fault("request failed", "req_1", error)
    logs.close()

    assert "in work" in pipe.text()
    assert "canary" not in pipe.text()


def test_traceback_names_the_error_however_long_it_is(open_logs: OpenLogs, pipe: Pipe) -> None:
    logs = open_logs(JSON)
    error: BaseException = ValueError("the end")
    for number in range(200):
        cause, error = error, ValueError(f"{number} " + "m" * 10_000)
        error.__cause__ = cause

    logs.fault("request failed", "req_1", error)
    logs.close()

    text = pipe.lines()[0]["exception"]
    assert len(text) == TRACEBACK_CHARS_MAX + 1
    assert "ValueError: 199 mmm" in text


def test_tracebacks_are_limited_per_second_but_no_fault_is_left_out(
    open_logs: OpenLogs, pipe: Pipe, clock: SettableClock
) -> None:
    logs = open_logs(JSON)
    error = raised(OSError("no space"))

    for number in range(TRACEBACKS_PER_SECOND_MAX + 5):
        logs.fault("commit failed", f"req_{number}", error)
    clock.seconds += 1
    logs.fault("commit failed", "req_later", error)
    logs.close()

    lines = pipe.lines()
    with_traceback = [line["request_id"] for line in lines if "exception" in line]
    assert len(lines) == TRACEBACKS_PER_SECOND_MAX + 6
    assert with_traceback == [f"req_{n}" for n in range(TRACEBACKS_PER_SECOND_MAX)] + ["req_later"]
    assert {line["message"] for line in lines if "message" in line} == {"no space"}


def write_as_request_id(logs: Logs, text: str) -> None:
    logs.request(a_request(request_id=text))


def write_as_account(logs: Logs, text: str) -> None:
    logs.request(a_request(account_id=text))


def write_as_event(logs: Logs, text: str) -> None:
    logs.info(text)


def write_as_field(logs: Logs, text: str) -> None:
    logs.warning("refused", reason=text)


def write_as_long_field(logs: Logs, text: str) -> None:
    logs.warning("refused", reason="x" * (FIELD_CHARS_MAX - 30) + text)


def write_as_fault(logs: Logs, text: str) -> None:
    logs.fault("request failed", "req_1", raised(ValueError(text)))


def write_as_cause(logs: Logs, text: str) -> None:
    error = raised(ValueError("outer"))
    error.__cause__ = raised(KeyError(text))
    logs.fault("request failed", "req_1", error)


def write_as_note(logs: Logs, text: str) -> None:
    error = raised(ValueError("outer"))
    error.add_note(text)
    logs.fault("request failed", "req_1", error)


def write_as_long_traceback(logs: Logs, text: str) -> None:
    error = raised(ValueError("m" * 580 + text))
    logs.fault("request failed", "req_1", error)


WAYS_IN = [
    write_as_request_id,
    write_as_account,
    write_as_event,
    write_as_field,
    write_as_long_field,
    write_as_fault,
    write_as_cause,
    write_as_note,
    write_as_long_traceback,
]


@pytest.mark.parametrize("write", WAYS_IN)
@pytest.mark.parametrize("options", [JSON, CONSOLE], ids=["json", "console"])
@pytest.mark.parametrize("text", [KEY, f"Bearer {KEY}\n", f"é{KEY}é", KEY[:25], KEY.upper() + KEY])
def test_key_is_struck_wherever_it_comes_in(
    write: object, options: LogOptions, text: str, open_logs: OpenLogs, pipe: Pipe
) -> None:
    assert callable(write)
    logs = open_logs(options)

    write(logs, text)
    logs.close()

    assert "orch_live_" not in pipe.text()
    assert pipe.text().endswith("\n")


@pytest.mark.parametrize("write", [w for w in WAYS_IN if "long" not in w.__name__])
@pytest.mark.parametrize("options", [JSON, CONSOLE], ids=["json", "console"])
@pytest.mark.parametrize("control", ["\r", "\x1b[31m", "\x00", "\x7f", "\x9b", "\u2028", "\u202e"])
def test_control_characters_are_escaped(
    write: object, options: LogOptions, control: str, open_logs: OpenLogs, pipe: Pipe
) -> None:
    assert callable(write)
    logs = open_logs(options)

    write(logs, f"before{control}after")
    logs.close()

    assert control not in pipe.text()
    assert "before" in pipe.text()
    assert "after" in pipe.text()


@pytest.mark.parametrize("write", [write_as_request_id, write_as_event, write_as_field])
@pytest.mark.parametrize("options", [JSON, CONSOLE], ids=["json", "console"])
def test_nobody_can_add_a_line_of_their_own(
    write: object, options: LogOptions, open_logs: OpenLogs, pipe: Pipe
) -> None:
    assert callable(write)
    logs = open_logs(options)

    write(logs, 'one\n{"event": "two"}\n')
    logs.close()

    assert pipe.text().count("\n") == 1


@pytest.mark.parametrize("write", WAYS_IN)
def test_lone_surrogate_costs_no_line(write: object, open_logs: OpenLogs, pipe: Pipe) -> None:
    assert callable(write)
    logs = open_logs(JSON)

    logs.request(a_request())
    write(logs, "odd \ud800 text")
    logs.request(a_request())
    logs.close()

    assert len(pipe.lines()) == 3
    assert logs.dropped == 0
