from collections.abc import Mapping
from types import MappingProxyType

import pytest

from orchestrion.core.lifecycle import TABLE, TERMINAL, Verb
from orchestrion.core.limits import RELEASES_MAX
from orchestrion.core.outcomes import Rejection
from orchestrion.core.task import ENDED, Status, Task
from tests.factories import NOW, OTHER_TOKEN, TOKEN, a_task, ago, expect, later
from tests.unit.verbs import apply

SITUATIONS: Mapping[str, Task] = MappingProxyType(
    {
        "fresh": a_task(),
        "due_now": a_task(scheduled_at=NOW),
        "later": a_task(scheduled_at=later(0.001)),
        "failed_once": a_task(attempt_count=1, last_failed_at=ago(5), lease_token=TOKEN),
        "live": a_task(Status.CLAIMED),
        "live_last": a_task(Status.CLAIMED, attempt_count=3),
        "live_1ms": a_task(Status.CLAIMED, lease_expires_at=later(0.001)),
        "over": a_task(Status.CLAIMED, lease_expires_at=ago(1)),
        "over_now": a_task(Status.CLAIMED, lease_expires_at=NOW),
        "over_last": a_task(Status.CLAIMED, lease_expires_at=ago(1), attempt_count=3),
        "completed": a_task(Status.COMPLETED),
        "dead_letter": a_task(Status.DEAD_LETTER),
        "cancelled": a_task(Status.CANCELLED),
        # A worker still holds these, and is asked to give them back.
        "asked": a_task(Status.CLAIMED, cancel_requested_at=ago(20)),
        "asked_last": a_task(Status.CLAIMED, cancel_requested_at=ago(20), attempt_count=3),
        "asked_over": a_task(Status.CLAIMED, cancel_requested_at=ago(20), lease_expires_at=ago(1)),
        "asked_done": a_task(Status.COMPLETED, cancel_requested_at=ago(20)),
        "released": a_task(lease_token=TOKEN, release_count=1),
        "released_often": a_task(Status.CLAIMED, release_count=RELEASES_MAX),
        "released_often_last": a_task(Status.CLAIMED, release_count=RELEASES_MAX, attempt_count=3),
    }
)

# What comes of each verb in each situation: a state, or a refusal with its reason.
GRID = """
                     claim    heartbeat complete  fail        release     cancel    request_cancel requeue expire
fresh                claimed  invalid   invalid   invalid     invalid     cancelled cancelled      invalid invalid
due_now              claimed  invalid   invalid   invalid     invalid     cancelled cancelled      invalid invalid
later                not_yet  invalid   invalid   invalid     invalid     cancelled cancelled      invalid invalid
failed_once          claimed  invalid   invalid   invalid     invalid     cancelled cancelled      invalid invalid
live                 invalid  claimed   completed pending     pending     held      claimed        invalid invalid
live_last            invalid  claimed   completed dead_letter pending     held      claimed        invalid invalid
live_1ms             invalid  claimed   completed pending     pending     held      claimed        invalid invalid
over                 claimed  expired   expired   expired     expired     cancelled cancelled      invalid pending
over_now             claimed  expired   expired   expired     expired     cancelled cancelled      invalid pending
over_last            invalid  expired   expired   expired     expired     invalid   invalid        pending dead_letter
completed            invalid  invalid   invalid   invalid     invalid     invalid   invalid        invalid invalid
dead_letter          invalid  invalid   invalid   invalid     invalid     invalid   invalid        pending invalid
cancelled            invalid  invalid   invalid   invalid     invalid     invalid   invalid        invalid invalid
asked                invalid  claimed   completed cancelled   cancelled   held      claimed        invalid invalid
asked_last           invalid  claimed   completed cancelled   cancelled   held      claimed        invalid invalid
asked_over           invalid  expired   expired   expired     expired     invalid   invalid        invalid cancelled
asked_done           invalid  invalid   invalid   invalid     invalid     invalid   invalid        invalid invalid
released             claimed  invalid   invalid   invalid     invalid     cancelled cancelled      invalid invalid
released_often       invalid  claimed   completed pending     pending     held      claimed        invalid invalid
released_often_last  invalid  claimed   completed dead_letter dead_letter held      claimed        invalid invalid
"""  # noqa: E501 - a table is read by its columns

REFUSALS = MappingProxyType(
    {
        "invalid": ("invalid_transition", ""),
        "not_yet": ("not_yet_claimable", ""),
        "held": ("task_currently_claimed", ""),
        "expired": ("lease_expired", "expired"),
    }
)

HOLDERS_VERBS = (Verb.HEARTBEAT, Verb.COMPLETE, Verb.FAIL, Verb.RELEASE)
# Nobody can release without a token, so its own column says what the current one does.
UNFENCED = tuple(verb for verb in Verb if verb is not Verb.RELEASE)
# What the holder of the last lease may say again, for it says the same.
REPEATS = frozenset({("completed", Verb.COMPLETE), ("asked_done", Verb.COMPLETE)})


def cells() -> list[tuple[str, Verb, str]]:
    header, *rows = (line.split() for line in GRID.strip().splitlines())
    return [
        (situation, Verb(verb), expected)
        for situation, *expectations in rows
        for verb, expected in zip(header, expectations, strict=True)
    ]


def described(outcome: Task | Rejection) -> str | tuple[str, str]:
    if isinstance(outcome, Task):
        return outcome.status.value
    return (outcome.code.value, outcome.reason)


def test_the_grid_has_every_verb_in_every_situation() -> None:
    pairs = {(situation, verb) for situation, verb, _ in cells()}

    assert pairs == {(situation, verb) for situation in SITUATIONS for verb in Verb}
    assert {task.status for task in SITUATIONS.values()} == set(Status)


@pytest.mark.parametrize(
    ("situation", "verb", "expected"), [cell for cell in cells() if cell[1] in UNFENCED]
)
def test_a_verb_without_a_token_does_what_the_grid_says(
    situation: str, verb: Verb, expected: str
) -> None:
    task = SITUATIONS[situation]

    outcome = apply(verb, task, None)

    assert described(outcome) == REFUSALS.get(expected, expected)


@pytest.mark.parametrize(
    ("situation", "verb", "expected"),
    [
        cell
        for cell in cells()
        if cell[1] in HOLDERS_VERBS
        and SITUATIONS[cell[0]].lease_token is not None
        and cell[:2] not in REPEATS
    ],
)
def test_the_current_token_changes_nothing_about_the_grid(
    situation: str, verb: Verb, expected: str
) -> None:
    task = SITUATIONS[situation]

    outcome = apply(verb, task, task.lease_token)

    assert described(outcome) == REFUSALS.get(expected, expected)


@pytest.mark.parametrize(("situation", "verb"), sorted(REPEATS))
def test_the_holder_of_the_last_lease_may_say_it_again(situation: str, verb: Verb) -> None:
    task = SITUATIONS[situation]

    assert apply(verb, task, task.lease_token) is task


@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.parametrize("verb", HOLDERS_VERBS)
def test_a_token_that_is_not_the_current_one_is_superseded_in_every_state(
    situation: str, verb: Verb
) -> None:
    task = SITUATIONS[situation]

    outcome = apply(verb, task, OTHER_TOKEN)

    assert described(outcome) == ("lease_expired", "superseded")


@pytest.mark.parametrize(
    ("situation", "verb"),
    [cell[:2] for cell in cells() if cell[1] in UNFENCED and cell[2] in REFUSALS],
)
def test_a_refusal_names_the_moment_and_the_task(situation: str, verb: Verb) -> None:
    task = SITUATIONS[situation]

    refused = expect(Rejection, apply(verb, task, None))

    assert refused.now == NOW
    assert refused.task is not None
    assert refused.task.id == task.id


def test_a_refused_claim_or_cancel_of_an_exhausted_overdue_task_shows_it_dead() -> None:
    task = SITUATIONS["over_last"]

    for verb in (Verb.CLAIM, Verb.CANCEL):
        refused = expect(Rejection, apply(verb, task, None))

        assert refused.task is not None
        assert refused.task.status is Status.DEAD_LETTER


def test_a_refused_requeue_of_an_overdue_task_with_attempts_left_shows_it_pending() -> None:
    refused = expect(Rejection, apply(Verb.REQUEUE, SITUATIONS["over"], None))

    assert refused.task is not None
    assert refused.task.status is Status.PENDING


def test_a_claim_before_the_schedule_tells_the_wait_rounded_up() -> None:
    for seconds, wait in ((0.001, 1), (1, 1), (1.001, 2), (3_600, 3_600)):
        task = a_task(scheduled_at=later(seconds))

        refused = expect(Rejection, apply(Verb.CLAIM, task, None))

        assert refused.wait_seconds == wait


def test_a_cancel_of_a_held_task_tells_when_the_lease_ends() -> None:
    for seconds, wait in ((0.001, 1), (240, 240), (240.5, 241)):
        task = a_task(Status.CLAIMED, lease_expires_at=later(seconds))

        refused = expect(Rejection, apply(Verb.CANCEL, task, None))

        assert refused.wait_seconds == wait


def test_of_what_ended_only_a_dead_letter_can_go_on() -> None:
    leaving = {status for status, _ in TABLE if status in ENDED}

    assert leaving == {Status.DEAD_LETTER}
    assert ENDED - leaving == TERMINAL


def test_a_lease_ends_in_cancelled_once_a_cancel_was_requested_unless_the_work_was_done() -> None:
    withdrawing = {pair[1]: row.withdrawn for pair, row in TABLE.items() if row.withdrawn}

    assert withdrawing == dict.fromkeys((Verb.FAIL, Verb.RELEASE, Verb.EXPIRE), Status.CANCELLED)


def test_every_row_that_can_exhaust_ends_in_dead_letter() -> None:
    exhausting = {pair: row for pair, row in TABLE.items() if row.exhausted is not None}

    assert set(exhausting) == {(Status.CLAIMED, Verb.FAIL), (Status.CLAIMED, Verb.EXPIRE)}
    assert {row.exhausted for row in exhausting.values()} == {Status.DEAD_LETTER}
