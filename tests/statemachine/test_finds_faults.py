"""The machine is worth something: it finds servers that break a promise, and says how."""

from typing import Final

import pytest

from tests.databases import SQLITE, Databases
from tests.statemachine.running import run
from tests.statemachine.world import World, opened
from tests.statemachine.wrong_servers import BREAKS, WRAPS

EXAMPLES: Final = 100


def assert_found(world: World) -> None:
    with pytest.raises(AssertionError) as found:
        run(world, EXAMPLES)
    told = "\n".join(found.value.__notes__)
    assert "What was sent:" in told
    assert "state.teardown()" in told
    print(f"{world.examples} examples, {world.steps} requests")  # noqa: T201 - shown by -s


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_rule_is_found(
    name: str, databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(databases, SQLITE) as world:
        BREAKS[name](monkeypatch)
        assert_found(world)


@pytest.mark.parametrize("name", WRAPS)
def test_a_falsified_answer_is_found(name: str, databases: Databases) -> None:
    with opened(databases, SQLITE) as world:
        world.put_in_front(WRAPS[name])
        assert_found(world)
