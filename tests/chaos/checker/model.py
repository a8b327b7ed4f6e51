"""The life of one task as the published rules allow it, with what is not known left open.

A state holds what an answer would show. Of a change whose answer was lost the instant is not
known: a negative number says that it is no earlier than its absolute value. ANY is not known at
all. A read that fits binds what was open. Time passes only as the operations themselves prove.
"""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from tests.chaos.checker.instants import SECOND
from tests.chaos.checker.sights import MISSING, Shown

ANY: Final = "?"
RELEASES_MAX: Final = 10


class State(NamedTuple):
    """A task at a moment; `given` is what gave the last lease back, for its repeats."""

    shown: Shown
    token: Any = None
    given: Any = None
    releases: int = 0
    # How many lost claims were spent on it, and whether one of them holds it now.
    spent: int = 0
    lost_holder: bool = False
    gone: bool = False


class Event(NamedTuple):
    """An operation on the task; a lost one returns never and may not have happened."""

    number: int
    verb: str
    outcome: str
    code: str | None
    invoked: int
    returned: float
    low: int
    high: int
    shown: Shown | None
    token: Any
    asked: Any
    may_repeat: bool
    # How many lost claims could have taken the task by then, and when the first of them came.
    lost: int


class Task(NamedTuple):
    """What never changes of a task."""

    max_attempts: int
    lease: int
    retention: int | None
    lost_lows: tuple[int, ...]
    undoable: bool


def fits(state: State, shown: Shown) -> State | None:
    """Bind what is open in a state by what an answer shows; None where they disagree."""
    if state.gone:
        return None
    if state.shown == shown:
        return state
    bound = []
    for was, now in zip(state.shown, shown, strict=True):
        if now is MISSING or was == now:
            bound.append(was)
        elif was is ANY or (_open(was) and isinstance(now, int) and now >= -was):
            bound.append(now)
        else:
            return None
    return state._replace(shown=Shown(*bound))


def hidden(task: Task, state: State, event: Event) -> Iterator[State]:
    """Give what may have happened unasked before an event: expiry, lost claims, retention."""
    shown = state.shown
    if state.gone:
        return
    if shown.status == "claimed":
        ends = abs(shown.lease_ends)
        if event.high >= ends:
            yield _given_back(task, state, -ends)._replace(lost_holder=False)
        if state.lost_holder and task.undoable:
            undone = _cleared(shown, "pending", -_since(shown.claimed_at))
            attempts = shown.attempts - 1
            yield state._replace(shown=undone._replace(attempts=attempts), lost_holder=False)
    elif shown.status == "pending":
        if state.spent < event.lost:
            low = max(task.lost_lows[state.spent], shown.scheduled_at or 0)
            held = claimed(task, state, -max(low, 1), ANY, ANY)
            yield held._replace(spent=state.spent + 1, lost_holder=True)
    elif task.retention is not None and event.high >= _since(shown.updated_at) + task.retention:
        yield state._replace(gone=True)


def claimed(task: Task, state: State, at: int, by: Any, token: Any) -> State:  # noqa: ANN401
    """Begin an attempt."""
    ends = _later(at, task.lease)
    shown = state.shown._replace(
        status="claimed",
        attempts=state.shown.attempts + 1,
        claimed_by=by,
        claimed_at=at,
        lease_ends=ends,
        beat_at=None,
        updated_at=at,
    )
    return state._replace(shown=shown, token=token, given=None, lost_holder=False)


def beaten(task: Task, state: State, at: int) -> State:
    """Renew a lease."""
    known, ends = state.shown.lease_ends, _later(at, task.lease)
    latest = max(abs(known), abs(ends))
    ends = -latest if _open(known) or _open(ends) else latest
    return state._replace(shown=state.shown._replace(lease_ends=ends, beat_at=at))


def completed(state: State, at: int, result: bytes | None, output: str | None) -> State:
    """End a task well."""
    return state._replace(
        shown=state.shown._replace(
            status="completed",
            result=result,
            output=output,
            completed_at=at,
            lease_ends=None,
            updated_at=at,
        )
    )


def failed(task: Task, state: State, at: int, reason: Any, delay: int | None) -> State:  # noqa: ANN401
    """End an attempt badly."""
    back = _given_back(task, state, at)
    due = state.shown.scheduled_at
    if back.shown.status == "pending":
        due = None if delay is None else _later(at, delay * SECOND)
    shown = back.shown._replace(scheduled_at=due, failed_at=at, reason=reason)
    return back._replace(shown=shown, lost_holder=False)


def released(task: Task, state: State, at: int, reason: Any, delay: int | None) -> State:  # noqa: ANN401
    """Undo a claim, which costs no attempt."""
    if state.releases >= RELEASES_MAX:
        return failed(task, state, at, reason, delay)
    status = "pending" if state.shown.cancel_at is None else "cancelled"
    shown = _cleared(state.shown, status, at)._replace(attempts=state.shown.attempts - 1)
    if status == "pending" and delay is not None:
        shown = shown._replace(scheduled_at=_later(at, delay * SECOND))
    return state._replace(shown=shown, releases=state.releases + 1, lost_holder=False)


def cancelled(state: State, at: int) -> State:
    """Withdraw a task that nobody holds."""
    return state._replace(shown=state.shown._replace(status="cancelled", updated_at=at))


def asked_back(state: State, at: int) -> State:
    """Withdraw a task that a worker holds."""
    if state.shown.cancel_at is not None:
        return state
    return state._replace(shown=state.shown._replace(cancel_at=at))


def requeued(state: State, at: int) -> State:
    """Give a dead task new attempts."""
    shown = state.shown._replace(
        status="pending", attempts=0, cancel_at=None, scheduled_at=None, updated_at=at
    )
    return state._replace(shown=shown, releases=0)


def alive(state: State, event: Event) -> bool:
    """Tell whether a lease may be live when the event happens."""
    ends = state.shown.lease_ends
    return state.shown.status == "claimed" and (_open(ends) or event.low < ends)


def over(state: State, event: Event) -> bool:
    """Tell whether a lease may be over when the event happens."""
    return state.shown.status == "claimed" and event.high >= abs(state.shown.lease_ends)


def _given_back(task: Task, state: State, at: int) -> State:
    shown = state.shown
    if shown.cancel_at is not None:
        status = "cancelled"
    else:
        status = "pending" if shown.attempts < task.max_attempts else "dead_letter"
    return state._replace(shown=_cleared(shown, status, at))


def _cleared(shown: Shown, status: str, at: int) -> Shown:
    return shown._replace(
        status=status,
        claimed_by=None,
        claimed_at=None,
        lease_ends=None,
        beat_at=None,
        updated_at=at,
    )


def _open(value: object) -> bool:
    return isinstance(value, int) and value < 0


def _since(value: int) -> int:
    return abs(value)


def _later(at: int, span: int) -> int:
    return at - span if at < 0 else at + span
