"""When workers asked for their types, as one process remembers it."""

from orchestrion.engine.asked import Asked
from tests.clocks import SettableClock
from tests.factories import ACCOUNT_ID, OTHER_ACCOUNT_ID

REPORT = ("report",)


def test_whoever_asks_twice_in_one_instant_is_noted_once_and_others_all_the_same() -> None:
    clock = SettableClock()
    asked = Asked(clock)

    asked.note(ACCOUNT_ID, REPORT)
    asked.note(ACCOUNT_ID, REPORT)
    asked.note(OTHER_ACCOUNT_ID, REPORT)
    asked.note(ACCOUNT_ID, ("mail",))

    first, second = asked.unsaved(10)
    assert (first.account_id, second.account_id) == (OTHER_ACCOUNT_ID, ACCOUNT_ID)
    assert first.at == {"report": clock.now()}
    assert second.at == {"report": clock.now(), "mail": clock.now()}


def test_whoever_asks_again_later_is_noted_again() -> None:
    clock = SettableClock()
    asked = Asked(clock)
    asked.note(ACCOUNT_ID, REPORT)
    asked.unsaved(10)

    clock.advance(0.001)
    asked.note(ACCOUNT_ID, REPORT)

    assert [one.at for one in asked.unsaved(10)] == [{"report": clock.now()}]
    assert asked.at(ACCOUNT_ID, "report") == clock.now()
