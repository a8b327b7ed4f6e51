"""The way to the descriptor: what is lost when nobody reads, and that it is told."""

import os
import time

from orchestrion.observe.logs import LogOptions
from orchestrion.observe.output import LINES_PER_WRITE_MAX, OutputLimits
from tests.observe.conftest import DEADLINE_SECONDS, OpenLogs, Pipe, a_request

SMALL = LogOptions(limits=OutputLimits(lines_max=10, text_bytes_max=1_000, close_seconds=5))


def test_lines_beyond_the_limit_are_dropped_counted_and_told(
    open_logs: OpenLogs, pipe: Pipe
) -> None:
    filled = pipe.fill()
    logs = open_logs(SMALL)

    for _ in range(500):
        logs.request(a_request())
    dropped = logs.dropped
    pipe.discard(filled)
    pipe.text_with("log lines dropped")
    logs.close()

    lines = pipe.lines()
    told = [line for line in lines if line["event"] == "log lines dropped"]
    # Beside the ten that may wait there are at most ten on their way out.
    assert dropped >= 480
    assert len(lines) - len(told) == 500 - dropped
    assert (told[-1]["level"], told[-1]["count"]) == ("warning", dropped)


def test_long_lines_are_limited_by_their_bytes(open_logs: OpenLogs, pipe: Pipe) -> None:
    filled = pipe.fill()
    logs = open_logs(
        LogOptions(limits=OutputLimits(text_bytes_max=1_000, flush_seconds=3_600, close_seconds=5))
    )

    for _ in range(50):
        logs.warning("odd", reason="r" * 300)
    dropped = logs.dropped
    pipe.discard(filled)
    logs.close()

    assert dropped == 48
    assert sum(line["event"] == "odd" for line in pipe.lines()) == 2


def test_room_comes_back_when_the_reader_does(open_logs: OpenLogs, pipe: Pipe) -> None:
    logs = open_logs(SMALL)

    for number in range(5):
        logs.warning("odd", reason="r" * 600, count=number)
        pipe.text_with(f'"count":{number}' + "}\n")
    logs.close()

    assert logs.dropped == 0


def test_closing_does_not_wait_for_a_reader_that_never_reads(
    open_logs: OpenLogs, pipe: Pipe
) -> None:
    filled = pipe.fill()
    logs = open_logs(LogOptions(limits=OutputLimits(close_seconds=0.05)))
    logs.request(a_request())

    begun = time.monotonic()
    logs.close()

    assert time.monotonic() - begun < DEADLINE_SECONDS
    pipe.discard(filled)
    pipe.text_with("claim_task")


def test_lines_after_the_end_are_counted_as_dropped(open_logs: OpenLogs, pipe: Pipe) -> None:
    logs = open_logs(LogOptions())
    logs.close()

    logs.request(a_request())
    logs.info("late")

    assert logs.dropped == 2
    assert pipe.text() == ""


def test_reader_that_went_away_costs_lines_but_raises_nothing(
    open_logs: OpenLogs, pipe: Pipe
) -> None:
    os.dup2(os.open(os.devnull, os.O_RDONLY), pipe.read_end)
    logs = open_logs(LogOptions())

    logs.request(a_request())
    logs.fault("request failed", "req_1", RuntimeError("broken"))
    logs.close()

    assert logs.dropped == 2


def test_non_blocking_descriptor_gets_every_line(open_logs: OpenLogs, pipe: Pipe) -> None:
    os.set_blocking(pipe.write_end, False)
    logs = open_logs(LogOptions())
    count = 3 * LINES_PER_WRITE_MAX

    for number in range(count):
        logs.request(a_request(request_id=f"req_{number}"))
    pipe.text_with(f'"req_{count - 1}"')
    logs.close()

    assert [line["request_id"] for line in pipe.lines()] == [f"req_{n}" for n in range(count)]
