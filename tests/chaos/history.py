"""What a run leaves behind: what was asked, answered and broken, one JSON record a line.

Imports nothing of the service: what is judged must not define how it is judged.
"""

from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
from msgspec import Struct

RUN_FILE = "run.jsonl"
CLIENT_FILES = "client-*.jsonl"
FINAL_FILE = "final.jsonl"


class Operation(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="operation"):
    """One request, written when its answer came or was given up.

    `outcome` is ok (2xx), fail (4xx, or a 503 that says nothing was done) or info (unknown).
    """

    number: int
    process: int
    account: str
    name: str
    invoked: int  # CLOCK_MONOTONIC, nanoseconds
    returned: int
    outcome: str
    status: int | None = None
    code: str | None = None
    task: str | None = None
    lease_token: str | None = None
    key: str | None = None
    sent: dict[str, Any] | None = None
    body: dict[str, Any] | None = None
    retry_after: float | None = None
    replica: int = 0
    epoch: int = 0
    repeats: int | None = None


class Fault(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="fault"):
    """What the nemesis broke, and from when to when."""

    number: int
    id: str
    name: str
    began: int
    ended: int
    details: dict[str, Any] = {}


class Final(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="final"):
    """One task as a source shows it after the last worker has finished."""

    source: str  # list | get | database
    account: str
    task: dict[str, Any]


class Run(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="run"):
    """How the run was made, and the command that repeats it."""

    seed: int
    store: str
    command: str
    accounts: list[dict[str, Any]]
    types: list[str]
    lease_seconds_min: int
    settings: dict[str, Any]


Record = Operation | Fault | Final | Run

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Record] = msgspec.json.Decoder(Record)


class History(Struct, frozen=True, kw_only=True):
    """A whole run, operations in the order in which they were asked."""

    run: Run
    operations: list[Operation]
    faults: list[Fault]
    finals: list[Final]


class Writer:
    """Appends records to one file; a killed writer loses at most the line it was writing."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def write(self, record: Record) -> None:
        self._file.write(_encoder.encode(record) + b"\n")
        self._file.flush()

    def close(self) -> None:
        self._file.close()


def read(folder: Path) -> History:
    """Reads a run's folder; without its first record, the run, there is nothing to judge."""
    runs: list[Run] = []
    faults: list[Fault] = []
    finals: list[Final] = []
    operations: list[Operation] = []
    final = folder / FINAL_FILE
    paths = [folder / RUN_FILE, *sorted(folder.glob(CLIENT_FILES))]
    for path in [*paths, final] if final.exists() else paths:
        for record in _records(path):
            match record:
                case Run():
                    runs.append(record)
                case Fault():
                    faults.append(record)
                case Final():
                    finals.append(record)
                case Operation():
                    operations.append(record)
    (run,) = runs
    return History(
        run=run,
        operations=sorted(operations, key=lambda each: (each.invoked, each.number)),
        faults=sorted(faults, key=lambda each: each.began),
        finals=finals,
    )


def write(folder: Path, history: History) -> None:
    """Writes a whole history as a run's folder, all operations as one client's."""
    with Writer(folder / RUN_FILE) as file:
        file.write(history.run)
        for fault in history.faults:
            file.write(fault)
    with Writer(folder / "client-0.jsonl") as file:
        for operation in history.operations:
            file.write(operation)
    with Writer(folder / FINAL_FILE) as file:
        for final in history.finals:
            file.write(final)


def _records(path: Path) -> list[Record]:
    lines = path.read_bytes().splitlines()
    return [_decoder.decode(line) for line in lines]
