"""Measures what a flood of depth bombs costs others: `python -m tests.fuzz.bombs`."""

import argparse
import http.client
import itertools
import multiprocessing
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Final

import msgspec

from tests.e2e.serving import serving

RATIO_TARGET: Final = 2.0
BOMB_BYTES: Final = 65_536
FLOODERS: Final = 4
# How often the well-behaved client asks.
ASKS_PER_SECOND: Final = 50
BODY: Final = b'{"type":"calm","payload":{"n":1}}'
PACE_SECONDS: Final = 0.01
# Open, closed, of objects, of both, and behind as many shallow ones.
BOMBS: Final = (
    b"[" * BOMB_BYTES,
    b'{"a":' * (BOMB_BYTES // 5),
    b'[{"a":' * (BOMB_BYTES // 6),
    b"[" * (BOMB_BYTES // 2) + b"]" * (BOMB_BYTES // 2),
    b'{"a":[' + b"[]," * (BOMB_BYTES // 3 - 64) + b"[" * 64,
)


class Setting(msgspec.Struct, frozen=True):
    """A server, a key of it, and how long and how hard to bomb it."""

    port: int
    key: str
    seconds: float
    bombs_per_second: int


class Caller:
    """A connection that is kept."""

    def __init__(self, setting: Setting) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", setting.port, timeout=30)
        self._headers = {
            "Authorization": f"Bearer {setting.key}",
            "Content-Type": "application/json",
        }

    def create(self, body: bytes) -> int:
        """POST /v1/tasks; gives the status."""
        self._connection.request("POST", "/v1/tasks", body, self._headers)
        answer = self._connection.getresponse()
        answer.read()
        return answer.status


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure without, with bombs, and without again; print all of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=15.0, help="of each measurement")
    parser.add_argument("--bombs-per-second", type=int, default=100)
    given = parser.parse_args(arguments)
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(Path(folder) / "orchestrion.db") as served,
    ):
        setting = Setting(
            port=int(served.url().rpartition(":")[2]),
            key=served.first_key(),
            seconds=given.seconds,
            bombs_per_second=given.bombs_per_second,
        )
        calm(msgspec.structs.replace(setting, seconds=2.0))
        before, (under, rate), after = calm(setting), flooded(setting), calm(setting)
    ratio = p99(under) / p99(before + after)
    print(f"well-behaved: {ASKS_PER_SECOND} creates/s; bombs: {rate:.0f}/s of 64 KiB each")
    for name, seconds in (("without", before), ("with", under), ("without", after)):
        print(f"{name:8} p50 {p50(seconds) * 1e3:7.2f} ms  p99 {p99(seconds) * 1e3:7.2f} ms")
    print(f"ratio of the p99: {ratio:.2f}; target: below {RATIO_TARGET}")
    return 0 if ratio < RATIO_TARGET else 1


def flooded(setting: Setting) -> tuple[list[float], float]:
    """Measure while another process sends bombs; gives how many of them a second, too."""
    processes = multiprocessing.get_context("spawn")
    over, sent = processes.Event(), processes.Value("q", 0)
    flood = processes.Process(target=_flood, args=(setting, over, sent))
    flood.start()
    try:
        # The flood has begun when the first bomb has been refused.
        while not sent.value and flood.is_alive():
            time.sleep(PACE_SECONDS)
        before, began = sent.value, time.monotonic()
        seconds = calm(setting)
        rate = (sent.value - before) / (time.monotonic() - began)
    finally:
        over.set()
        flood.join()
    return seconds, rate


def calm(setting: Setting) -> list[float]:
    """Ask at a steady rate; what could not be asked in time is not made up for."""
    caller, seconds = Caller(setting), []
    for due in _paced(1 / ASKS_PER_SECOND, int(setting.seconds * ASKS_PER_SECOND)):
        time.sleep(max(0.0, due - time.monotonic()))
        began = time.monotonic()
        status = caller.create(BODY)
        seconds.append(time.monotonic() - began)
        assert status == http.HTTPStatus.CREATED, status
    return seconds


def _flood(setting: Setting, over: Event, sent: "Synchronized[int]") -> None:
    callers = [threading.Thread(target=_bomb, args=(setting, over, sent)) for _ in range(FLOODERS)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()


def _bomb(setting: Setting, over: Event, sent: "Synchronized[int]") -> None:
    caller, bombs = Caller(setting), itertools.cycle(BOMBS)
    for due in _paced(FLOODERS / setting.bombs_per_second):
        if over.wait(max(0.0, due - time.monotonic())):
            return
        status = caller.create(next(bombs))
        assert status == http.HTTPStatus.BAD_REQUEST, status
        with sent.get_lock():
            sent.value += 1


def _paced(pause_seconds: float, times: int | None = None) -> Iterator[float]:
    due = time.monotonic()
    for _ in itertools.count() if times is None else range(times):
        yield due
        due = max(due + pause_seconds, time.monotonic())


def p50(seconds: list[float]) -> float:
    """Give the median."""
    return sorted(seconds)[len(seconds) // 2]


def p99(seconds: list[float]) -> float:
    """Give the time that one in a hundred takes longer than."""
    return sorted(seconds)[len(seconds) * 99 // 100]


if __name__ == "__main__":
    sys.exit(main())
