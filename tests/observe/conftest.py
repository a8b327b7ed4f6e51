"""A clock one can set, and a pipe that shows what a log wrote."""

import json
import os
import select
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from orchestrion.core.instants import Instant
from orchestrion.engine.ports import RequestRecord
from orchestrion.observe.logs import LogOptions, Logs

DEADLINE_SECONDS = 10
KEY = "orch_live_" + "0123456789abcdef" * 4


class SettableClock:
    """Stands still until told otherwise."""

    def __init__(self) -> None:
        self.instant = Instant(1_795_334_785_123)
        self.seconds = 100.0

    def now(self) -> Instant:
        return self.instant

    def monotonic(self) -> float:
        return self.seconds


class Pipe:
    """Both ends of a pipe; what was read stays readable."""

    def __init__(self) -> None:
        self.read_end, self.write_end = os.pipe()
        self._data = b""

    def text_with(self, wanted: str) -> str:
        """Everything written so far, waiting until it holds the wanted text."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while wanted.encode() not in self._data:
            left = deadline - time.monotonic()
            if not select.select([self.read_end], [], [], max(left, 0))[0]:
                pytest.fail(f"{wanted!r} was not written; only {self._data!r}")
            self._data += os.read(self.read_end, 65_536)
        return self._data.decode()

    def text(self) -> str:
        """Everything written up to now."""
        while select.select([self.read_end], [], [], 0)[0]:
            self._data += os.read(self.read_end, 65_536)
        return self._data.decode()

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text().splitlines()]

    def fill(self) -> int:
        """Write until not another byte fits; the number of bytes it took."""
        os.set_blocking(self.write_end, False)
        filled = 0
        for size in (4_096, 1):
            try:
                while True:
                    filled += os.write(self.write_end, b"x" * size)
            except BlockingIOError:
                continue
        os.set_blocking(self.write_end, True)
        return filled

    def discard(self, size: int) -> None:
        while size:
            size -= len(os.read(self.read_end, size))


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock()


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    os.close(pipe.read_end)
    os.close(pipe.write_end)


OpenLogs = Callable[[LogOptions], Logs]


@pytest.fixture
def open_logs(pipe: Pipe, clock: SettableClock) -> Iterator[OpenLogs]:
    """Open a log that writes into the pipe; closed at the end in any case."""
    opened: list[Logs] = []

    def open_into_pipe(options: LogOptions) -> Logs:
        options = msgspec.structs.replace(options, descriptor=pipe.write_end)
        opened.append(Logs(options, clock))
        return opened[-1]

    yield open_into_pipe
    for logs in opened:
        logs.close()


def a_request(
    request_id: str = "req_01ARZ3NDEKTSV4RRFFQ69G5FAV",
    account_id: str = "acct_01ARZ3NDEKTSV4RRFFQ69G5FAV",
    error: str = "",
) -> RequestRecord:
    return RequestRecord(
        request_id=request_id,
        operation="claim_task",
        method="POST",
        account_id=account_id,
        status=404 if error else 200,
        seconds=0.0015,
        error=error,
    )
