"""What a batch as a whole recommends: what was asked back, then what a refusal needs."""

from orchestrion.core.batch_guidance import COMPLETED, CREATED, RENEWED, guide
from orchestrion.core.contract import AgentContract, Attempt, Guide
from orchestrion.core.errors import ActionCode, ErrorCode
from orchestrion.core.outcomes import Held, Outcome, Rejection
from orchestrion.core.task import Status
from tests.factories import NOW, a_task, ago

RENEWAL = Held(task=a_task(Status.CLAIMED), now=NOW)
ASKED_BACK = Held(task=a_task(Status.CLAIMED, cancel_requested_at=ago(1)), now=NOW)
LATER = Rejection(code=ErrorCode.RATE_LIMITED, now=NOW, wait_seconds=7)
BROKEN = Rejection(code=ErrorCode.INVALID_REQUEST, now=NOW)


def guided(rejection: Rejection) -> AgentContract:
    return Guide().refused(rejection, Attempt(method="POST", endpoint="/v1/tasks"))


def codes(contract: AgentContract) -> list[ActionCode]:
    assert [step.recommended for step in contract.next_actions][0:2] == [True, False]
    return [step.action for step in contract.next_actions]


def test_where_all_went_well_the_path_says_what_follows() -> None:
    for after in (CREATED, COMPLETED, RENEWED):
        assert codes(guide(after, [RENEWAL], None)) == [step.action for step in after.steps]


def test_what_a_refused_item_needs_comes_first() -> None:
    contract = guide(CREATED, [LATER, None], guided(LATER))

    wait = contract.next_actions[0]
    assert (wait.action, wait.retry_after_seconds) == (ActionCode.RETRY_AFTER_WAIT, 7)
    # The items were no requests of their own.
    assert wait.endpoint == "/v1/tasks/batch"
    assert codes(guide(CREATED, [BROKEN], guided(BROKEN)))[0] is ActionCode.FIX_REQUEST


def test_what_was_asked_back_comes_before_all() -> None:
    outcomes: list[Outcome | None] = [LATER, RENEWAL, ASKED_BACK]

    found = codes(guide(RENEWED, outcomes, guided(LATER)))

    assert found[:2] == [ActionCode.FAIL_TASK, ActionCode.RETRY_AFTER_WAIT]
    assert found.count(ActionCode.FAIL_TASK) == 1
