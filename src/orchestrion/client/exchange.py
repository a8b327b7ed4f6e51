"""One call from its first try to its result, as steps that a driver takes: nothing here waits."""

from collections.abc import Callable, Generator, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, Generic, TypeVar

import msgspec

from orchestrion.client.call import Call
from orchestrion.client.errors import (
    ConnectionFailed,
    OrchestrionError,
    RequestTimeout,
    UnreadableAnswer,
    error_of,
)
from orchestrion.client.log import LOG
from orchestrion.client.refusals import read_refusal
from orchestrion.client.retrying import Attempts, Limits, RetryNote, Trouble

T = TypeVar("T")
_SUCCESS = range(200, 300)


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What came back; names of headers in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Pause(msgspec.Struct, frozen=True, kw_only=True):
    """A step that waits."""

    seconds: float


class Sent(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """What a call was answered, and whether an earlier try of it may have taken effect."""

    value: T
    unsure: bool


# A driver sends a call and hands back what came of it; after a pause it hands back None.
Step = Call[Any] | Pause
Heard = Answer | Trouble | None
Steps = Generator[Step, Heard, T]


class Exchange:
    """How one client's calls go out: limits of repeats, chance, clock and hook are handed in."""

    def __init__(
        self,
        limits: Limits,
        draw: Callable[[], float],
        clock: Callable[[], float],
        on_retry: Callable[[RetryNote], None] | None,
    ) -> None:
        self._limits = limits
        self.draw = draw
        self.on_retry = on_retry
        self.now = clock
        # What a relative `run_at` counts from.
        self.present: Callable[[], datetime] = partial(datetime.now, UTC)

    def attempts(self, patience: float | None = None) -> Attempts:
        """Begin to count tries, within the limits of this client."""
        return Attempts(self._limits, self.draw, patience)

    def once(self, call: Call[T]) -> Steps[T]:
        """Send a call a single time; raises what it came to."""
        heard = yield call
        if isinstance(heard, Answer) and heard.status in _SUCCESS:
            return decoded(call, heard)
        raise error_after(call, trouble_in(heard), 0)

    def call(self, call: Call[T]) -> Steps[T]:
        """Send a call until it is answered or given up; raises what it came to."""
        return (yield from self.sent(call)).value

    def sent(self, call: Call[T]) -> Steps[Sent[T]]:
        """Send a call, and tell also whether an earlier try may have taken effect."""
        attempts = self.attempts(call.patience)
        unsure = False
        while True:
            heard = yield call
            if isinstance(heard, Answer) and heard.status in _SUCCESS:
                return Sent(value=decoded(call, heard), unsure=unsure)
            trouble = trouble_in(heard)
            settling = call.settle(trouble.refusal) if unsure and trouble.refusal else None
            if settling is not None:
                return (yield from self.sent(settling))
            pause = attempts.pause_after(trouble, call.repeat, self.now())
            if pause is None:
                raise error_after(call, trouble, attempts.retries)
            note = RetryNote(
                method=call.method,
                path=call.path,
                retry=attempts.retries,
                pause_seconds=pause,
                trouble=trouble,
            )
            self.tell(note)
            unsure = unsure or trouble.sent
            yield Pause(seconds=pause)

    def tell(self, note: RetryNote) -> None:
        """Say that something is about to be repeated."""
        LOG.debug(
            "%s %s: %s Repeat %d in %.2f s",
            note.method,
            note.path,
            note.trouble.message,
            note.retry,
            note.pause_seconds,
        )
        if self.on_retry is not None:
            self.on_retry(note)


def trouble_in(heard: Heard) -> Trouble:
    """Give the trouble that a driver met, or that an error answer tells of."""
    if isinstance(heard, Trouble):
        return heard
    assert isinstance(heard, Answer), "a driver answers every call"
    refusal = read_refusal(heard.status, heard.headers, heard.body)
    # The server says itself whether a repeat is safe; who answered in its place cannot know.
    return Trouble(message=refusal.message, sent=not refusal.own, refusal=refusal)


def decoded(call: Call[T], answer: Answer) -> T:
    """Read a success."""
    try:
        return call.decode(answer.body)
    except msgspec.MsgspecError as error:
        raise UnreadableAnswer(
            f"{call.method} {call.path} answered {answer.status} with something that is no answer "
            "of this API. Next: see that the address is that of an Orchestrion server."
        ) from error


def error_after(call: Call[Any], trouble: Trouble, retries: int) -> OrchestrionError:
    """Give the error that a call ends with."""
    if trouble.refusal is not None:
        return error_of(trouble.refusal)
    tries = f"{retries + 1} tries" if retries else "1 try"
    said = f"{call.method} {call.path} got no answer in {tries}: {trouble.message}"
    kind = RequestTimeout if trouble.late else ConnectionFailed
    return kind(f"{said} {_next_step(trouble)}", sent=trouble.sent)


def _next_step(trouble: Trouble) -> str:
    if trouble.sent:
        return "Next: it may have taken effect; look before you send it again."
    return "Next: see that the server runs and that the address is right."
