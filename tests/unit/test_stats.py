"""From what is kept to the numbers that are shown."""

import pytest

from orchestrion.core.instants import SECOND, Instant, format_instant
from orchestrion.core.limits import STATS_TYPES_MAX, STATS_TYPES_READ_MAX
from orchestrion.core.stats import (
    NONE,
    NOTHING,
    Counts,
    Facts,
    Happened,
    Minute,
    Shown,
    Standing,
    counted,
    guidance,
    rates,
    recent_minutes,
    shown,
    stats,
)
from orchestrion.core.stats_bodies import stats_answer
from orchestrion.core.tally import ALL_TYPES, MINUTE

BEGUN = Instant(30_000_000 * MINUTE)


def at(seconds: float) -> Instant:
    return Instant(BEGUN + int(seconds * SECOND))


def standing(**types: Counts) -> Standing:
    return Standing(now=at(15), by_type={ALL_TYPES: Counts(9), **types}, oldest_pending_at=at(1))


def minute(number: int, happened: Happened, type_: str = ALL_TYPES) -> Minute:
    return Minute(type=type_, minute_at=at(number * 60), happened=happened)


# --- types


def test_types_are_shown_by_what_is_to_be_done_then_by_what_is_done_then_by_name() -> None:
    found = shown(
        standing(
            done=Counts(completed=7),
            idle=Counts(),
            a=Counts(pending=1),
            b=Counts(claimed=1),
            busy=Counts(pending=1, claimed=1),
            prolific=Counts(pending=1, completed=1),
        )
    )

    assert found == Shown(types=("busy", "prolific", "a", "b", "done"), truncated=False)


@pytest.mark.parametrize(("more", "truncated"), [(0, False), (1, True)])
def test_not_more_types_are_shown_than_the_limit(more: int, *, truncated: bool) -> None:
    found = shown(standing(**{f"t{n}": Counts(1) for n in range(STATS_TYPES_MAX + more)}))

    assert (len(found.types), found.truncated) == (STATS_TYPES_MAX, truncated)


@pytest.mark.parametrize(("more", "truncated"), [(0, False), (1, True)])
def test_types_that_were_not_read_are_not_kept_secret(more: int, *, truncated: bool) -> None:
    found = shown(standing(**{f"t{n}": NONE for n in range(STATS_TYPES_READ_MAX + more)}))

    assert found == Shown(types=(), truncated=truncated)


def test_less_than_nothing_is_nothing() -> None:
    assert counted([3, -1, 0, 2, -7]) == Counts(pending=3, dead_letter=2)


# --- rates


@pytest.mark.parametrize(
    ("seconds", "rate"),
    [(0, 40.0), (15, 40.0), (59.999, 40.0), (60, 40.0), (75, 30.0), (90, 20.0), (119.999, 0.0)],
)
def test_what_happened_in_a_minute_fades_in_the_next(seconds: float, rate: float) -> None:
    assert rates([minute(0, Happened(created=40))], at(seconds)) == {
        ALL_TYPES: Happened(created=rate)
    }


def test_a_minute_that_is_over_for_a_minute_counts_for_nothing() -> None:
    assert rates([minute(0, Happened(created=40))], at(150)) == {ALL_TYPES: NOTHING}


def test_this_minute_and_the_rest_of_the_last_are_added_by_type() -> None:
    every = Happened(1, 2, 3, 4, 5, 6)
    found = rates([minute(0, every), minute(1, every), minute(1, every, "report")], at(105))

    assert found == {ALL_TYPES: Happened(1.25, 2.5, 3.75, 5, 6.25, 7.5), "report": every}


def test_a_rate_has_two_decimals() -> None:
    assert rates([minute(0, Happened(failed=1))], at(100))[ALL_TYPES] == Happened(failed=0.33)


@pytest.mark.parametrize("seconds", [0, 15, 59.999])
def test_rates_depend_on_two_minutes(seconds: float) -> None:
    assert recent_minutes(at(seconds)) == (at(-60), BEGUN)


# --- all together


def facts(**due: Instant) -> Facts:
    report, mail = Counts(pending=5), Counts(pending=4)
    return Facts(
        standing=standing(report=report, mail=mail),
        shown=Shown(types=("report", "mail"), truncated=True),
        minutes=[minute(0, Happened(created=8)), minute(0, Happened(created=3), "mail")],
        due_from=due,
        next_lease_ends_at=at(99),
    )


def test_the_numbers_are_put_together() -> None:
    found = stats(facts(report=at(14), mail=at(13)))

    assert (found.now, found.counts, found.types_truncated) == (at(15), Counts(9), True)
    assert (found.oldest_pending_at, found.oldest_due_at) == (at(1), at(13))
    assert (found.next_lease_ends_at, found.rates) == (at(99), Happened(created=8))
    assert [(one.type, one.counts, one.oldest_due_at, one.rates) for one in found.types] == [
        ("report", Counts(pending=5), at(14), NOTHING),
        ("mail", Counts(pending=4), at(13), Happened(created=3)),
    ]
    assert [one.oldest_due_at for one in stats_answer(found, "req_1").types] == [
        format_instant(at(14)),
        format_instant(at(13)),
    ]


def test_what_is_due_now_is_due_and_what_is_due_later_is_not() -> None:
    found = stats(facts(report=at(15), mail=at(15.001)))

    assert [one.oldest_due_at for one in found.types] == [at(15), None]
    assert found.oldest_due_at == at(15)


def test_an_account_that_never_had_a_task_has_nothing() -> None:
    nothing = Standing(now=BEGUN, by_type={}, oldest_pending_at=None)
    found = stats(
        Facts(
            standing=nothing,
            shown=shown(nothing),
            minutes=[],
            due_from={},
            next_lease_ends_at=None,
        )
    )

    assert (found.counts, found.rates, found.types) == (NONE, NOTHING, ())
    assert stats_answer(found, "req_1").oldest_due_at is None


@pytest.mark.parametrize(
    ("due", "first"), [({"report": at(1)}, "claim_task"), ({"report": at(16)}, "create_task")]
)
def test_a_claim_is_advised_where_a_task_waits(due: dict[str, Instant], first: str) -> None:
    steps = guidance(stats(facts(**due))).next_actions

    assert [step.action for step in steps if step.recommended] == [first]
    assert steps[0].recommended
    assert {step.action.value for step in steps} == {"claim_task", "create_task"}
