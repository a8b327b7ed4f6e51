"""Counts of several processes become one, exactly while the hour lasts and never beyond it."""

import pytest
from msgspec.structs import replace

from orchestrion.core.account import RequestCount
from orchestrion.core.commands import CountRequests
from orchestrion.core.counting import merged
from orchestrion.core.decide import decide, decide_all
from orchestrion.core.ids import KeyId
from orchestrion.core.instants import HOUR, Instant
from orchestrion.core.needs import needs_of
from orchestrion.core.outcomes import Counted
from orchestrion.core.plans import SELF_HOSTED
from orchestrion.core.view import View
from tests.factories import ACCOUNT_ID, NOW, ago

OVER = Instant(NOW - HOUR)
LIVE = Instant(OVER + 1)


def a_count(count: int, window_at: Instant = NOW, kind: str = "reads") -> RequestCount:
    return RequestCount(
        account_id=ACCOUNT_ID, key_id=KeyId("key_1"), kind=kind, window_at=window_at, count=count
    )


def test_the_first_count_of_a_key_is_kept_as_it_is() -> None:
    assert merged(None, a_count(3), NOW) == a_count(3)


@pytest.mark.parametrize("window_at", [LIVE, ago(60), NOW])
def test_counts_of_live_windows_add_up_in_the_window_that_was_kept_first(
    window_at: Instant,
) -> None:
    kept = a_count(5, ago(60))

    assert merged(kept, a_count(3, window_at), NOW) == a_count(8, ago(60))


def test_a_window_that_is_over_gives_way_to_the_next() -> None:
    assert merged(a_count(5, OVER), a_count(3), NOW) == a_count(3)


@pytest.mark.parametrize("kept", [None, a_count(5), a_count(5, OVER)])
def test_what_comes_after_its_hour_counts_no_more(kept: RequestCount | None) -> None:
    assert merged(kept, a_count(3, OVER), NOW) is kept


def test_a_batch_adds_to_the_rows_it_asked_for() -> None:
    command = CountRequests(counts=(a_count(2), a_count(1, kind="heartbeats")))
    view = View(NOW)

    assert needs_of([command]).request_counts == {
        (ACCOUNT_ID, "key_1", "reads"),
        (ACCOUNT_ID, "key_1", "heartbeats"),
    }
    view.load_request_counts([a_count(5, ago(60))])
    outcome = decide(command, SELF_HOSTED, view)

    rows = [a_count(7, ago(60)), a_count(1, kind="heartbeats")]
    assert outcome == Counted(counts=tuple(rows))
    assert view.request_counts == rows


def test_two_commands_of_a_batch_add_up_and_are_saved_once() -> None:
    commands = [CountRequests(counts=(a_count(number),)) for number in (1, 2)]
    view = View(NOW)

    outcomes = decide_all(commands, SELF_HOSTED, view)

    assert outcomes == [Counted(counts=(a_count(1),)), Counted(counts=(a_count(3),))]
    assert view.request_counts == [a_count(3)]


def test_what_came_too_late_saves_nothing_but_tells_what_is_kept() -> None:
    late = a_count(9, OVER)
    command = CountRequests(counts=(late, replace(late, kind="heartbeats")))
    view = View(NOW)
    view.load_request_counts([a_count(5)])

    outcome = decide(command, SELF_HOSTED, view)

    assert outcome == Counted(counts=(a_count(5),))
    assert view.request_counts == []
