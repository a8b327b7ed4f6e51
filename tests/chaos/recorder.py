"""Clients that write down what they asked and what came of it, before they ask again."""

import itertools
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from tests.chaos.asking import Account, Ask
from tests.chaos.history import Operation, Writer
from tests.chaos.wire import Answer, LostError, NotSentError, Wire

OK: Final = "ok"
FAIL: Final = "fail"
INFO: Final = "info"
PATIENCE_SECONDS: Final = 6.0
_SUCCESS: Final = range(200, 300)
_REFUSAL: Final = range(400, 500)
_UNAVAILABLE: Final = 503
# What a 503 advises if nothing was done; else it says to look what became of the request.
_NOTHING_DONE: Final = "retry_after_wait"
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class Way(msgspec.Struct, frozen=True):
    """A port that leads to a replica, itself or through a proxy."""

    port: int
    replica: int


class Tally:
    """What all clients of a run number and count together."""

    def __init__(self) -> None:
        self.numbers: Iterator[int] = itertools.count()
        self.processes: Iterator[int] = itertools.count()
        self.epoch = 0
        self.operations = 0
        # By name and outcome.
        self.outcomes: Counter[tuple[str, str]] = Counter()
        # By error code.
        self.codes: Counter[str] = Counter()


class Recorder:
    """One client: asks one thing after the other, each by a way of its choice."""

    def __init__(self, account: Account, tally: Tally, writer: Writer) -> None:
        self.account = account
        self._tally = tally
        self._writer = writer
        self._process = next(tally.processes)
        self._wires: dict[int, Wire] = {}

    def another(self) -> "Recorder":
        """Give another client of the account, for asking at the same time."""
        return Recorder(self.account, self._tally, self._writer)

    async def ask(self, asked: Ask, way: Way) -> Operation | None:
        """Ask; gives what was recorded, or None if nobody took the request."""
        wire = self._wires.setdefault(way.port, Wire(way.port, PATIENCE_SECONDS))
        epoch, invoked = self._tally.epoch, time.monotonic_ns()
        answer: Answer | None = None
        try:
            answer = await wire.ask(asked.request(self.account))
        except NotSentError:
            return None
        except LostError:
            pass
        operation = self._operation(asked, answer, (way.replica, epoch, invoked))
        self._keep(operation)
        return operation

    def close(self) -> None:
        """Let all connections go."""
        for wire in self._wires.values():
            wire.close()

    def _operation(
        self, asked: Ask, answer: Answer | None, circumstances: tuple[int, int, int]
    ) -> Operation:
        replica, epoch, invoked = circumstances
        body = None if answer is None else _decode(answer.content)
        return Operation(
            number=next(self._tally.numbers),
            process=self._process,
            account=self.account.name,
            name=asked.name,
            invoked=invoked,
            returned=time.monotonic_ns(),
            outcome=INFO if answer is None or body is None else outcome(answer.status, body),
            status=None if answer is None else answer.status,
            code=None if body is None else body.get("error"),
            task=asked.task,
            lease_token=asked.lease_token,
            key=asked.key,
            sent=asked.sent,
            body=body,
            retry_after=None if answer is None else answer.retry_after,
            replica=replica,
            epoch=epoch,
            repeats=asked.repeats,
        )

    def _keep(self, operation: Operation) -> None:
        self._writer.write(operation)
        self._tally.operations += 1
        self._tally.outcomes[operation.name, operation.outcome] += 1
        if operation.code is not None:
            self._tally.codes[operation.code] += 1
        if operation.outcome == INFO:
            # The old process may still be at it: this is another.
            self._process = next(self._tally.processes)


def outcome(status: int, body: dict[str, Any]) -> str:
    """Tell whether an answer says that something was done, that nothing was, or neither."""
    if status in _SUCCESS:
        return OK
    if status in _REFUSAL:
        return FAIL
    action = body["agent_contract"]["next_actions"][0]["action"]
    return FAIL if status == _UNAVAILABLE and action == _NOTHING_DONE else INFO
