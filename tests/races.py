"""Fifty requests at once that want more, as much, or less than a limit leaves."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import httpx2
import msgspec

RACERS: Final = 50
EACH: Final = 3
TYPE: Final = "report"
# Of this type are the tasks that racers name, so that no claim by type takes them away.
NAMED: Final = "named"

Json = Mapping[str, Any]
Ask = tuple[str, Json]
QUOTA: Final = (402, "quota_exceeded")
RATE: Final = (429, "rate_limited")
WORKERS: Final = (429, "max_workers_reached")


class Race(msgspec.Struct, frozen=True, kw_only=True):
    """What each of the racers asks for, and the limit of the plan that they run into."""

    name: str
    limit: str
    refusal: tuple[int, str]
    # Given its number and the tasks that can be named.
    ask: Callable[[int, Sequence[str]], Ask]
    # Tasks wanted by all racers together.
    wanted: int

    @property
    def of_claims(self) -> bool:
        """Tell whether tasks must be there before."""
        return self.limit in ("claims_per_hour", "max_workers")

    def asks(self, named: Sequence[str]) -> list[Ask]:
        """Give the request of each racer."""
        return [self.ask(number, named) for number in range(RACERS)]


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What the racers got."""

    granted: int
    tasks: frozenset[str]
    refused: Counter[tuple[int, str]]


def result_of(answers: Iterable[httpx2.Response]) -> Result:
    """Count the tasks that were made or handed out, and the refusals."""
    tasks: list[str] = []
    refused: Counter[tuple[int, str]] = Counter()
    for answer in answers:
        for status, body in _items_of(answer):
            if "error" in body:
                refused[status, body["error"]] += 1
            else:
                tasks.extend(_tasks_of(body))
    return Result(granted=len(tasks), tasks=frozenset(tasks), refused=refused)


def new_task(type_name: str = TYPE) -> Json:
    """Describe a task."""
    return {"type": type_name, "payload": {}}


def _items_of(answer: httpx2.Response) -> Iterable[tuple[int, Json]]:
    body = answer.json()
    if "items" not in body:
        return [(answer.status_code, body)]
    return [(item["status"], item["body"]) for item in body["items"]]


def _tasks_of(body: Json) -> Iterable[str]:
    if "tasks" in body:
        return [one["task"]["id"] for one in body["tasks"]]
    if "task" not in body:
        return [body["id"]]
    # None where a claim found nothing: a race has tasks enough, so it will be missed.
    return [body["task"]["id"]] if body["task"] else []


def _create(_: int, __: Sequence[str]) -> Ask:
    return ("/v1/tasks", new_task())


def _creates(_: int, __: Sequence[str]) -> Ask:
    return ("/v1/tasks/batch", {"items": [new_task()] * EACH})


def _both_creates(number: int, named: Sequence[str]) -> Ask:
    return (_creates if number % 2 else _create)(number, named)


def _claim(_: int, __: Sequence[str]) -> Ask:
    return ("/v1/tasks/claim", {"type": TYPE})


def _claim_named(number: int, named: Sequence[str]) -> Ask:
    return (f"/v1/tasks/{named[number]}/claim", {})


def _claims(_: int, __: Sequence[str]) -> Ask:
    return ("/v1/tasks/claim", {"type": TYPE, "max_tasks": EACH})


def _all_claims(number: int, named: Sequence[str]) -> Ask:
    return (_claims, _claim_named)[number % 2](number, named)


def _races(
    limit: str,
    refusal: tuple[int, str],
    ways: Mapping[str, tuple[Callable[[int, Sequence[str]], Ask], int]],
) -> Iterable[Race]:
    for name, (ask, wanted) in ways.items():
        yield Race(name=f"{limit}-{name}", limit=limit, refusal=refusal, ask=ask, wanted=wanted)


_SINGLES: Final = RACERS
_SEVERAL: Final = RACERS * EACH
_MIXED: Final = RACERS // 2 * (1 + EACH)
_OF_CREATES: Final = {
    "single": (_create, _SINGLES),
    "batches": (_creates, _SEVERAL),
    "mixed": (_both_creates, _MIXED),
}
_OF_CLAIMS: Final = {
    "by-type": (_claim, _SINGLES),
    "by-id": (_claim_named, _SINGLES),
    "several": (_claims, _SEVERAL),
    "mixed": (_all_claims, _MIXED),
}
RACES: Final = (
    *_races("tasks_per_cycle", QUOTA, _OF_CREATES),
    *_races("creates_per_hour", RATE, _OF_CREATES),
    *_races("claims_per_hour", RATE, _OF_CLAIMS),
    *_races("max_workers", WORKERS, _OF_CLAIMS),
)
