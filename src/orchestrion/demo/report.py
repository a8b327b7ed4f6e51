"""The last lines: what was found in the files, and what happened to each attempt."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime

from orchestrion.demo.attempts import Attempt, attempts
from orchestrion.demo.events import Kind
from orchestrion.demo.printing import counted
from orchestrion.demo.promises import Promise
from orchestrion.demo.story import Ending
from orchestrion.demo.wire import Task

TOP = 5


def report(ending: Ending, promises: list[Promise]) -> list[str]:
    """Write the results; a line without indentation begins a section."""
    return [
        *_totals(ending.final),
        *_attempts(ending, ending.cast.long),
        *_attempts(ending, ending.cast.absent),
        f"Promises, each checked against the API's answers ({ending.seconds:.0f} s in all)",
        *(line for promise in promises for line in _promise(promise)),
    ]


def _totals(tasks: list[Task]) -> Iterator[str]:
    results = {task.payload.path: task.result for task in tasks if task.result is not None}
    counts = list(results.values())
    yield "Results"
    yield f"  {counted(len(counts), 'file')}"
    yield f"  {counted(sum(each.words for each in counts), 'word')}"
    yield f"  {counted(sum(each.heading_count for each in counts), 'heading')}"
    yield f"  {counted(sum(each.link_count for each in counts), 'link')}"
    yield "Longest files, in words"
    yield from _ranked(Counter({path: each.words for path, each in results.items()}))
    yield "Most frequent headings"
    yield from _ranked(Counter(heading.text for each in counts for heading in each.headings))
    yield "Most frequent links"
    yield from _ranked(Counter(link for each in counts for link in each.links))


def _ranked(counter: Counter[str]) -> Iterator[str]:
    # Equal counts in the order of their names: the same files give the same lines.
    top = sorted(counter.items(), key=lambda item: (-item[1], item[0]))[:TOP]
    for name, number in top:
        yield f"  {number:>7,}  {name}"
    if not top:
        yield "  none"


def _attempts(ending: Ending, task: Task) -> Iterator[str]:
    yield f"Attempts of {task.payload.path} ({task.id})"
    before = 0
    for attempt in attempts(ending.events, task.id):
        if attempt.number <= before:
            yield "     the cause was mended, the task requeued"
        before = attempt.number
        lease = f"lease {_clock(attempt.claimed_at)} to {_clock(attempt.lease_ends_at)}"
        yield f"  {attempt.number}  {attempt.worker}  {lease}  {_outcome(attempt)}"


def _outcome(attempt: Attempt) -> str:
    match attempt.outcome:
        case None:
            heartbeats = counted(attempt.heartbeats, "heartbeat")
            return f"killed with SIGKILL after {heartbeats}; the lease ran out"
        case Kind.FAILED:
            return f"failed: {attempt.detail}; then {attempt.status}"
        case outcome:
            return f"{outcome.value}: {attempt.detail}"


def _promise(promise: Promise) -> Iterator[str]:
    yield f"  {'broken' if promise.against else 'kept'}: {promise.text}"
    for reason in promise.against:
        yield f"      {reason}"


def _clock(at: datetime) -> str:
    return f"{at:%H:%M:%S}"
