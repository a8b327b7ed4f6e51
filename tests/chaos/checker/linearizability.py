"""Searches, task by task, for one order of its operations that the rules allow (Wing and Gong).

An operation takes effect somewhere between its request and its answer; a lost one at any time
after its request, or never. The search goes on from the states that an order reached, each once.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from tests.chaos.checker import model
from tests.chaos.checker.events import FINAL, FOREVER, Search, searched
from tests.chaos.checker.evidence import Evidence
from tests.chaos.checker.instants import LATEST
from tests.chaos.checker.model import ANY, Event, State, Task
from tests.chaos.checker.sights import CLAIM
from tests.chaos.checker.steps import STEPS, after
from tests.chaos.checker.verdict import Report
from tests.chaos.history import Operation

# So many states of one task are looked at, and so many unseen steps between two operations.
NODES_MAX: Final = 40_000
HIDDEN_MAX: Final = 24
HIDDEN_LOST_MAX: Final = 4


class UndecidedError(Exception):
    """The search was given up."""


def judge(evidence: Evidence, report: Report) -> None:
    for task in sorted({*evidence.sights, *evidence.made}):
        search = searched(evidence, task)
        if search is None:
            continue
        events = search.events
        report.judge("S8")
        report.judge("S15", sum(event.verb == "read" for event in events))
        report.judge("S14", sum(event.outcome == "fail" for event in events))
        if report.explained(task):
            continue
        try:
            rule = broken(search)
        except UndecidedError:
            report.undecided.append(task)
            continue
        if rule:
            says = _SAYS[rule]
            report.add(rule, says, _history(evidence, search, task), task)


_SAYS: Final = {
    "S8": "no order of these operations is legal",
    "S14": "no order is legal unless a refusal was false or had an effect",
    "S15": "no order is legal unless a read was stale",
}


def broken(search: Search) -> str | None:
    """Name the rule that a history breaks: by what must be left out to make it legal."""
    events = search.events
    if legal(search, events):
        return None
    reads = [event for event in events if event.verb != "read" or event.number == FINAL]
    if len(reads) < len(events) and legal(search, reads):
        return "S15"
    doubted = [_doubted(event) for event in events]
    if doubted != list(events) and legal(search, doubted):
        return "S14"
    return "S8"


def _history(evidence: Evidence, search: Search, task: str) -> Sequence[Operation]:
    try:
        numbers = {event.number for event in shortest(search)}
    except UndecidedError:
        return evidence.about(task)
    about = evidence.about(task)
    return [each for each in about if each.number in numbers or each.name == "create"]


def shortest(search: Search) -> Sequence[Event]:
    """Cut a history that is not legal where it first is not; reads that do not matter go too."""
    required = [event for event in search.events if event.outcome != "info"]
    found: Sequence[Event] = search.events
    for event in sorted(required, key=lambda each: each.returned):
        found = [_cut(each, event.returned) for each in search.events]
        found = [each for each in found if each.returned <= event.returned or _may_act(each, event)]
        if not legal(search, found):
            break
    for event in tuple(found):
        fewer = [each for each in found if each is not event]
        idle = event.verb == "read" or event.outcome == "fail"
        if idle and not legal(search, fewer):
            found = fewer
    return found


def _may_act(event: Event, last: Event) -> bool:
    return event.outcome == "info" and event.invoked <= last.returned


def _cut(event: Event, moment: float) -> Event:
    """Take what was not answered by then for lost."""
    if event.returned <= moment or event.verb not in STEPS:
        return event
    return _unheard(event)


def _doubted(event: Event) -> Event:
    """Take a refusal for an answer that was lost."""
    if event.outcome != "fail" or event.verb not in STEPS:
        return event
    return _unheard(event)


def _unheard(event: Event) -> Event:
    token = ANY if event.verb == CLAIM else event.token
    return event._replace(outcome="info", returned=FOREVER, high=LATEST, token=token, shown=None)


def legal(search: Search, events: Sequence[Event]) -> bool:
    """Tell whether some order of the operations is legal."""
    everything = sum(1 << place for place, event in enumerate(events) if event.outcome != "info")
    if not everything:
        return True
    visited = {(0, search.first)}
    paths = [_next(search.task, events, 0, search.first)]
    while paths:
        node = next(paths[-1], None)
        if node is None:
            paths.pop()
        elif node[0] & everything == everything:
            return True
        elif node not in visited:
            visited.add(node)
            if len(visited) > NODES_MAX:
                raise UndecidedError
            paths.append(_next(search.task, events, *node))
    return False


def _next(
    task: Task, events: Sequence[Event], done: int, state: State
) -> Iterator[tuple[int, State]]:
    open_ones = list(_open(events, done))
    for place in open_ones:
        event = events[place]
        # What changes nothing and fits may as well come first: no other order is lost.
        idle = event.outcome == "fail" or event.verb == "read"
        if idle and state in after(task, state, event):
            yield done | 1 << place, state
            return
    for place in sorted(open_ones, key=lambda place: _hopeful(events[place])):
        event = events[place]
        for changed in _reached(task, state, event):
            yield done | 1 << place, changed


def _open(events: Sequence[Event], done: int) -> Iterator[int]:
    """Give the operations that may come next: none that is left returned before their request."""
    first = (~done & (done + 1)).bit_length() - 1
    limit = float("inf")
    for place in range(first, len(events)):
        event = events[place]
        if event.invoked > limit:
            return
        if not done >> place & 1:
            limit = min(limit, event.returned)
            yield place


def _hopeful(event: Event) -> tuple[bool, int, int]:
    return (event.outcome == "info", event.low, event.invoked)


def _reached(task: Task, state: State, event: Event) -> Iterable[State]:
    """Give where an operation leads, with as few unseen steps before it as will do.

    What a lost one did nobody was told: it may have come after some steps and before others.
    """
    found: dict[State, None] = {}
    layer, lost = [state], event.outcome == "info"
    for _ in range(HIDDEN_LOST_MAX if lost else HIDDEN_MAX):
        found |= dict.fromkeys(changed for one in layer for changed in after(task, one, event))
        if found and not lost:
            break
        layer = [changed for one in layer for changed in model.hidden(task, one, event)]
        if not layer:
            break
    return list(found)
