"""Guidance for whoever waited, and for whoever asked to be told in few words."""

import pytest
from msgspec import UNSET

from orchestrion.core.contract import (
    EMPTY_CLAIM,
    EMPTY_WAITED_CLAIM,
    Guide,
    awaited,
    brief,
    nothing_claimed,
)
from orchestrion.core.errors import ActionCode
from orchestrion.core.ids import TaskId
from orchestrion.core.outcomes import NoTask
from orchestrion.core.task import Status
from orchestrion.core.watching import Seen
from tests.factories import NOW, a_task, a_task_id

FIRST, SECOND = a_task_id(1), a_task_id(2)


def test_an_empty_claim_that_waited_may_wait_again_at_once() -> None:
    assert nothing_claimed(NoTask(now=NOW)) is EMPTY_CLAIM
    assert nothing_claimed(NoTask(now=NOW, waited=True)) is EMPTY_WAITED_CLAIM


def test_whoever_waited_looks_at_what_came_and_waits_for_what_remains() -> None:
    guidance = awaited(Seen(met=[FIRST], remaining=[SECOND], missing=[], timed_out=False), 2)

    look, again = guidance.next_actions
    assert (look.recommended, look.endpoint) == (True, f"/v1/tasks/{FIRST}")
    assert (again.recommended, again.retry_after_seconds) == (False, 2)


@pytest.mark.parametrize("met", [[], [FIRST]], ids=["none", "some"])
def test_whoever_waited_in_vain_waits_on(met: list[TaskId]) -> None:
    guidance = awaited(Seen(met=met, remaining=[SECOND], missing=[], timed_out=True), 1)

    again, look = guidance.next_actions
    assert (again.action, again.recommended) == (ActionCode.RETRY_AFTER_WAIT, True)
    assert (again.method, again.endpoint) == ("POST", "/v1/tasks/wait")
    assert again.retry_after_seconds == 1
    assert (look.recommended, look.endpoint) == (False, f"/v1/tasks/{[*met, SECOND][0]}")


def test_where_nothing_remains_nobody_waits() -> None:
    came = awaited(Seen(met=[FIRST], remaining=[], missing=[], timed_out=False), 2)
    gone = awaited(Seen(met=[], remaining=[], missing=[FIRST], timed_out=False), 2)

    assert [action.endpoint for action in came.next_actions] == [f"/v1/tasks/{FIRST}"]
    assert [action.action for action in gone.next_actions] == [ActionCode.LIST_TASKS]


def test_few_words_are_the_one_step_in_codes() -> None:
    whole = Guide().holding(a_task(Status.CLAIMED), NOW)

    short = brief(whole)

    (step,) = short.next_actions
    assert (step.action, step.recommended) == (whole.next_actions[0].action, True)
    assert step.description is UNSET
    assert short.recommended_heartbeat_interval_seconds is UNSET
    assert short.lease_valid is whole.lease_valid
