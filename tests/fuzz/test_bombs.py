"""A depth bomb is refused before any parser sees it, by work that its size bounds."""

import sys
from collections import Counter
from collections.abc import Callable
from types import FrameType

import pytest

from orchestrion.core.limits import BODY_BYTES_MAX, BODY_NESTING_MAX
from orchestrion.core.strict_json import Malformed, bound_nesting, read_object
from tests.http.bad_requests import bad_requests

CASES = {bad.name: bad for bad in bad_requests()}
BOMBS = {name: bad.body for name, bad in CASES.items() if name.startswith("bombs: ")}
# Two looks, each of some passes and one turn for every level. A call takes as many steps as the
# body has bytes, at most.
CALLS_PER_TURN, CALLS_PER_LOOK = 4, 12
CALLS_MAX = 2 * (BODY_NESTING_MAX * CALLS_PER_TURN + CALLS_PER_LOOK)
# Passes over a bomb that shows at once: counting brackets, then a look at its beginning.
WHOLE_PASSES_MAX = 4
SHAPES: dict[str, Callable[[int], bytes]] = {
    "open arrays": lambda size: b"[" * size,
    "open objects": lambda size: b'{"a":' * (size // 5),
    "closed": lambda size: b"[" * (size // 2) + b"]" * (size // 2),
    "behind shallow ones": lambda size: b'{"a":[' + b"[]," * (size // 3) + b"[" * 64,
    "behind pairs of many levels": lambda size: (
        b"[" + (b"[" * 30 + b"]" * 30 + b",") * (size // 61) + b"[" * 64
    ),
    "behind strings": lambda size: b'["' + b"]" * size + b'",' + b"[" * 64,
    "behind escapes": lambda size: b'["' + b'\\"' * (size // 2) + b'",' + b"[" * 64,
    "behind quotes": lambda size: b"[" + b'"",' * (size // 3) + b"[" * 64,
}
SMALL, LARGE = BODY_BYTES_MAX // 64, BODY_BYTES_MAX - 128


@pytest.mark.parametrize("name", BOMBS)
def test_every_bomb_of_the_corpus_is_refused_before_it_is_parsed(name: str) -> None:
    with pytest.raises(Malformed, match="nested deeper"):
        bound_nesting(BOMBS[name])

    assert not any("scan" in called or "decode" in called for called in work(BOMBS[name]))


@pytest.mark.parametrize("shape", SHAPES)
def test_the_work_on_a_bomb_is_bounded_by_its_size(shape: str) -> None:
    small, large = SHAPES[shape](SMALL), SHAPES[shape](LARGE)

    calls = work(large).total()

    assert len(large) <= BODY_BYTES_MAX
    assert calls == work(small).total()
    assert calls <= CALLS_MAX


@pytest.mark.parametrize("shape", ["open arrays", "open objects", "closed"])
def test_a_bomb_that_shows_at_once_is_hardly_looked_at(shape: str) -> None:
    looked_at: list[int] = []

    class Watched(bytes):
        def count(self, *within: object) -> int:
            looked_at.append(len(self))
            return super().count(*within)  # type: ignore[arg-type]

        def translate(self, *_: object) -> bytes:
            raise AssertionError("the whole of it was looked at")

    with pytest.raises(Malformed, match="nested deeper"):
        bound_nesting(Watched(SHAPES[shape](LARGE)))

    assert len(looked_at) <= WHOLE_PASSES_MAX


def test_a_body_of_the_most_levels_allowed_is_no_bomb() -> None:
    levels = BODY_NESTING_MAX - 1
    body = b'{"a":' + b"[" * levels + b"]" * levels + b"}"

    assert read_object(body)[0] == body.decode()


def work(body: bytes) -> Counter[str]:
    """Count the calls into C that a refusal takes, by name."""
    calls: Counter[str] = Counter()

    def note(_: FrameType, event: str, called: object) -> None:
        if event == "c_call":
            calls[getattr(called, "__name__", "")] += 1

    sys.setprofile(note)
    try:
        bound_nesting(body)
    except Malformed:
        pass
    else:
        raise AssertionError("it was not refused")
    finally:
        sys.setprofile(None)
    return calls
