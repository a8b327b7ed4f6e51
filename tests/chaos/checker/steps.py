"""What each operation may do to a task: the states that can follow a state, none if it lies."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from tests.chaos.checker import model
from tests.chaos.checker.model import ANY, Event, State, Task
from tests.chaos.checker.sights import canonical

HELD: Final = frozenset({"complete", "fail", "heartbeat", "release"})
# Refusals that say something of the task's state; others say nothing.
OF_STATE: Final = frozenset(
    {
        "invalid_transition",
        "lease_expired",
        "task_currently_claimed",
        "not_yet_claimable",
        "task_not_found",
    }
)

Step = Callable[[Task, State, Event], Iterator[State]]


def after(task: Task, state: State, event: Event) -> Iterator[State]:
    """Give the states that an operation may leave, if it happens in this one."""
    if event.outcome == "fail":
        if _refusable(task, state, event):
            yield state
        return
    if state.gone:
        return
    if event.verb == "read":
        assert event.shown is not None, "a read that was answered"
        yield from _seen(state, event)
        return
    if event.may_repeat and event.outcome == "ok" and _repeated(state, event):
        yield from _bound(state, event)
    for changed in STEPS[event.verb](task, state, event):
        yield from _seen(changed, event)


def _claim(task: Task, state: State, event: Event) -> Iterator[State]:
    shown = state.shown
    at = _at(event, "claimed_at")
    due = shown.scheduled_at
    if shown.status != "pending":
        return
    if due is not None and (event.high < abs(due) or 0 < at < abs(due)):
        return
    yield model.claimed(task, state, at, event.asked.get("worker_id"), event.token)


def _heartbeat(task: Task, state: State, event: Event) -> Iterator[State]:
    at = _at(event, "beat_at")
    if _holds(state, event, at):
        yield model.beaten(task, _known(state, event), at)


def _complete(_: Task, state: State, event: Event) -> Iterator[State]:
    at = _at(event, "completed_at")
    if _holds(state, event, at):
        yield model.completed(_known(state, event), at, *_done(event))


def _fail(task: Task, state: State, event: Event) -> Iterator[State]:
    at = _at(event, "failed_at")
    if _holds(state, event, at):
        asked = event.asked
        changed = model.failed(
            task, state, at, asked.get("reason"), asked.get("retry_after_seconds")
        )
        yield changed._replace(token=_token(state, event), given=_given(event))


def _release(task: Task, state: State, event: Event) -> Iterator[State]:
    at = _at(event, "updated_at")
    if _holds(state, event, at):
        asked = event.asked
        changed = model.released(
            task, state, at, asked.get("reason"), asked.get("retry_after_seconds")
        )
        yield changed._replace(token=_token(state, event), given=_given(event))


def _cancel(_: Task, state: State, event: Event) -> Iterator[State]:
    if state.shown.status == "pending":
        yield model.cancelled(state, _at(event, "updated_at"))
    elif event.asked.get("force") and model.alive(state, event):
        yield model.asked_back(state, _at(event, "cancel_at"))


def _requeue(_: Task, state: State, event: Event) -> Iterator[State]:
    if state.shown.status == "dead_letter":
        yield model.requeued(state, _at(event, "updated_at"))


STEPS: Final[Mapping[str, Step]] = {
    "claim": _claim,
    "heartbeat": _heartbeat,
    "complete": _complete,
    "fail": _fail,
    "release": _release,
    "cancel": _cancel,
    "requeue": _requeue,
}


def _seen(state: State, event: Event) -> Iterator[State]:
    """Hold what an operation would leave against what its answer shows."""
    if event.shown is None:
        yield state
    elif (bound := model.fits(state, event.shown)) is not None:
        yield bound


def _bound(state: State, event: Event) -> Iterator[State]:
    if event.verb == "fail" and "claim_next" in event.asked:
        # The task as it failed, or as others hold it by now.
        yield state
        return
    for bound in _seen(state, event):
        yield bound._replace(token=event.token if bound.token is ANY else bound.token)


def _repeated(state: State, event: Event) -> bool:
    """Tell whether an answer may be the repeat of what was done before."""
    shown = state.shown
    if event.verb == "fail" and "claim_next" in event.asked:
        return True
    if state.token is not ANY and state.token != event.token:
        return False
    if event.verb == "claim":
        return model.alive(state, event)
    if event.verb == "complete":
        return shown.status == "completed" and (shown.result, shown.output) == _done(event)
    return event.verb in ("fail", "release") and state.given == _given(event)


def _holds(state: State, event: Event, at: int) -> bool:
    """Tell whether the sender may hold the lease, live at the moment of the change."""
    if event.token not in (None, state.token) and state.token is not ANY:
        return False
    if not model.alive(state, event):
        return False
    ends = state.shown.lease_ends
    return not (at > 0 and 0 < ends <= at)


def _refusable(task: Task, state: State, event: Event) -> bool:
    shown, code = state.shown, event.code
    if code == "task_not_found":
        return state.gone
    if code not in OF_STATE:
        return True
    if state.gone:
        return False
    if code == "lease_expired":
        foreign = event.token is not None and event.token != state.token
        return foreign or state.token is ANY or model.over(state, event)
    if code == "task_currently_claimed":
        return model.alive(state, event)
    if code == "not_yet_claimable":
        due = shown.scheduled_at
        return shown.status == "pending" and due is not None and (due < 0 or event.low < due)
    return _out_of_place(task, state, event)


def _out_of_place(task: Task, state: State, event: Event) -> bool:
    """Tell whether invalid_transition is true of the state."""
    shown = state.shown
    if event.verb in HELD:
        mine = event.token is None or state.token is ANY or event.token == state.token
        return mine and shown.status != "claimed"
    if shown.status != "claimed" or model.alive(state, event):
        return shown.status != {"claim": "pending", "cancel": "pending"}.get(
            event.verb, "dead_letter"
        )
    # Over: the refusal is that of the task as its expiry leaves it.
    left = shown.attempts < task.max_attempts and shown.cancel_at is None
    return not left if event.verb in ("claim", "cancel") else left or shown.cancel_at is not None


def _known(state: State, event: Event) -> State:
    return state._replace(token=_token(state, event), lost_holder=False)


def _token(state: State, event: Event) -> object:
    return event.token if state.token is ANY and event.token is not None else state.token


def _given(event: Event) -> tuple[object, ...] | None:
    if event.token is None:
        return None
    asked = event.asked
    return (event.verb, event.token, asked.get("reason"), asked.get("retry_after_seconds"))


def _done(event: Event) -> tuple[bytes | None, str | None]:
    result = event.asked.get("result")
    return (None if result is None else canonical(result), event.asked.get("output_id"))


def _at(event: Event, moment: str) -> int:
    """Give the instant of a change: as its answer shows it, else no earlier than it was asked."""
    found = None if event.shown is None else getattr(event.shown, moment)
    return found if isinstance(found, int) else -max(1, event.low)
