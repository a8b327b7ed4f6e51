"""What the server makes up, by the names that the model has for it; and answers held to the model.

It knows no rule: it compares.
"""

import re
from typing import Any, Final

from tests.statemachine.task import Json
from tests.statemachine.telling import Told
from tests.statemachine.wire import Reply, compact

_NAME: Final = re.compile(r"<(?:task|lease) \d+>")
_MADE_UP: Final = {"id": "tsk_", "lease_token": "lse_", "next_lease_token": "lse_"}
_LENGTH_MIN: Final = 30
# Texts for people, and what is new with every request.
_WORDS: Final = frozenset({"message", "request_id", "description", "similar_types"})


class Names:
    """Ids and tokens by their names."""

    def __init__(self) -> None:
        self._real: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._last_id = ""

    def filled(self, value: Any) -> Any:  # noqa: ANN401 - any JSON
        """Write what was made up in place of its name."""
        if isinstance(value, str):
            return _NAME.sub(lambda match: self._real.get(match[0], match[0]), value)
        if isinstance(value, dict):
            return {name: self.filled(inner) for name, inner in value.items()}
        return [self.filled(one) for one in value] if isinstance(value, list) else value

    def name_of(self, real: str) -> str:
        """Give the name of an id; of what is not known the text itself."""
        return self._names.get(real, real)

    def check(self, told: Told, reply: Reply) -> None:
        """Hold an answer to what the model tells."""
        body = reply.json()
        if "items" in told.body:
            # What follows from all of them is advised in other words.
            del body["agent_contract"]
        assert (reply.status, body.get("error", "")) == (told.status, told.code), (
            f"the model says {told.status} {told.code}, "
            f"the server {reply.status} {reply.raw.decode()}"
        )
        assert (reply.headers.get("idempotent-replayed") == "true") is told.replayed, told
        self._learn(told.body, body)
        expected, actual = self.filled(told.body), _without_words(body)
        assert actual == expected, "\n".join(_differences(expected, actual))
        text = reply.raw.decode()
        for task in _tasks(expected):
            assert compact(task)[:-1] in text, (compact(task), text)

    def check_items(self, items: list[Json], body: Json, text: str) -> None:
        """Hold the items of a page to what the model tells."""
        expected, actual = self.filled(items), _without_words(body["items"])
        assert actual == expected, "\n".join(_differences(expected, actual))
        for task in _tasks(expected):
            assert compact(task)[:-1] in text, (compact(task), text)

    def _learn(self, expected: Any, actual: Any) -> None:  # noqa: ANN401 - any JSON
        if isinstance(expected, list) and isinstance(actual, list):
            for one, other in zip(expected, actual, strict=False):
                self._learn(one, other)
        if not isinstance(expected, dict) or not isinstance(actual, dict):
            return
        for field, value in expected.items():
            if field in _MADE_UP and value not in self._real and isinstance(value, str):
                self._bind(field, value, actual.get(field))
            else:
                self._learn(value, actual.get(field))

    def _bind(self, field: str, name: str, real: object) -> None:
        assert isinstance(real, str), (field, name, real)
        assert real.startswith(_MADE_UP[field]), real
        assert len(real) >= _LENGTH_MIN, real
        assert real not in self._names, f"{real} is not new: it is {self._names[real]}"
        if field == "id":
            # What one process creates sorts by its time.
            assert real > self._last_id, (real, self._last_id)
            self._last_id = real
        self._real[name], self._names[real] = real, name


def _without_words(value: Any) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, dict):
        kept = {name: inner for name, inner in value.items() if name not in _WORDS}
        return {name: _without_words(inner) for name, inner in kept.items()}
    return [_without_words(one) for one in value] if isinstance(value, list) else value


def _tasks(value: Any) -> list[Json]:  # noqa: ANN401 - any JSON
    """Find the tasks in an answer, without their guidance."""
    if isinstance(value, list):
        return [task for one in value for task in _tasks(one)]
    if not isinstance(value, dict):
        return []
    inner = [task for one in value.values() for task in _tasks(one)]
    if "leaseDurationSeconds" not in value:
        return inner
    apart = ("agent_contract", "next_task", "next_lease_token", "next_error")
    return [{name: one for name, one in value.items() if name not in apart}, *inner]


def _differences(expected: Any, actual: Any, path: str = "") -> list[str]:  # noqa: ANN401
    """Name each place where two values part."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        names = dict.fromkeys([*expected, *actual])
        return [
            line
            for name in names
            for line in _differences(expected.get(name), actual.get(name), f"{path}.{name}")
        ]
    if isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        pairs = enumerate(zip(expected, actual, strict=True))
        return [
            line
            for number, (one, other) in pairs
            for line in _differences(one, other, f"{path}[{number}]")
        ]
    same = expected == actual
    return [] if same else [f"{path}: the model says {expected!r}, the server {actual!r}"]
