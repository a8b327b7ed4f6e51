"""What libraries and the interpreter print themselves ends up in the same log."""

import asyncio
import gc
import logging
import sys
import threading
from collections.abc import Iterator

import pytest

from orchestrion.observe.capture import captured
from orchestrion.observe.logs import LogOptions, Logs
from tests.observe.conftest import KEY, OpenLogs, Pipe


@pytest.fixture
def logs(open_logs: OpenLogs) -> Iterator[Logs]:
    logs = open_logs(LogOptions())
    with captured(logs):
        yield logs


@pytest.mark.parametrize("name", ["uvicorn.error", "uvicorn", "asyncio", "starlette", "any.other"])
def test_warnings_and_errors_of_libraries_are_lines_of_ours(
    name: str, logs: Logs, pipe: Pipe
) -> None:
    logging.getLogger(name).info("not worth a line")
    logging.getLogger(name).warning("Invalid HTTP request received from %s.", "somewhere")
    logging.getLogger(name).error("broken")
    logs.close()

    assert [(line["level"], line["event"], line["logger"]) for line in pipe.lines()] == [
        ("warning", "Invalid HTTP request received from somewhere.", name),
        ("error", "broken", name),
    ]


def test_traceback_of_a_library_is_kept_without_the_key(logs: Logs, pipe: Pipe) -> None:
    try:
        int(KEY)
    except ValueError:
        logging.getLogger("uvicorn.error").exception("Exception in %s", KEY)
    logs.close()

    (line,) = pipe.lines()
    assert line["event"] == "Exception in [key struck]"
    assert "ValueError: invalid literal" in line["exception"]
    assert "orch_live_" not in pipe.text()


def test_message_of_several_lines_becomes_one(logs: Logs, pipe: Pipe) -> None:
    logging.getLogger("asyncio").error("Task exception was never retrieved\nfuture: one\n")
    logs.close()

    assert pipe.lines()[0]["event"] == "Task exception was never retrieved future: one"


def test_handlers_a_library_gave_itself_are_silent_and_come_back(
    open_logs: OpenLogs,
    pipe: Pipe,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    uvicorn = logging.getLogger("uvicorn.access")
    own = logging.StreamHandler(sys.stderr)
    logs = open_logs(LogOptions())

    # Ends with the test's body: the test runner then takes back handlers that it added itself.
    with monkeypatch.context() as given:
        given.setattr(uvicorn, "handlers", [own])
        given.setattr(uvicorn, "propagate", False)
        with captured(logs):
            uvicorn.warning("once")
        after = uvicorn.handlers, uvicorn.propagate
    logs.close()

    assert [line["event"] for line in pipe.lines()] == ["once"]
    assert capsys.readouterr().err == ""
    assert after == ([own], False)


def test_message_that_does_not_fit_its_arguments_is_still_a_line(
    open_logs: OpenLogs, pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The test runner's own handlers raise what this is about.
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    logs = open_logs(LogOptions())

    with captured(logs):
        logging.getLogger("any.other").warning("%d tasks", "some")
    logs.close()

    assert pipe.lines()[0]["event"] == "%d tasks"


def test_task_whose_exception_nobody_fetched_is_logged(logs: Logs, pipe: Pipe) -> None:
    async def die() -> None:
        raise RuntimeError(KEY)

    async def lose_a_task() -> None:
        await asyncio.wait([asyncio.create_task(die())])
        gc.collect()

    asyncio.run(lose_a_task())
    logs.close()

    (line,) = pipe.lines()
    assert line["logger"] == "asyncio"
    assert line["event"].startswith("Task exception was never retrieved")
    assert "orch_live_" not in pipe.text()


def test_what_a_thread_dies_of_is_logged(logs: Logs, pipe: Pipe) -> None:
    def die() -> None:
        raise RuntimeError(KEY)

    thread = threading.Thread(target=die)
    thread.start()
    thread.join()
    logs.close()

    (line,) = pipe.lines()
    assert (line["event"], line["fault"]) == ("thread died", "RuntimeError")
    assert "orch_live_" not in pipe.text()


def test_what_a_finaliser_dies_of_is_logged(logs: Logs, pipe: Pipe) -> None:
    class Dying:
        def __del__(self) -> None:
            raise RuntimeError(KEY)

    Dying()
    gc.collect()
    logs.close()

    (line,) = pipe.lines()
    assert (line["event"], line["fault"]) == ("exception ignored", "RuntimeError")
    assert "orch_live_" not in pipe.text()


def test_hooks_and_handlers_come_back(open_logs: OpenLogs) -> None:
    def state() -> tuple[object, ...]:
        return threading.excepthook, sys.unraisablehook, [*logging.getLogger().handlers]

    before = state()

    with captured(open_logs(LogOptions())):
        inside = state()

    assert inside != before
    assert state() == before
