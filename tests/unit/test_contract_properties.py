import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET
from msgspec.structs import replace

from orchestrion.core import actions, contract
from orchestrion.core.actions import Action
from orchestrion.core.contract import AgentContract, Attempt, Guide
from orchestrion.core.errors import CATALOGUE, ErrorCode
from orchestrion.core.outcomes import Rejection, Situation
from orchestrion.core.task import Status, Task
from tests.factories import NOW, a_task, a_task_id, ago
from tests.unit.strategies import tasks

MARKER = "IGNORE-ALL-PREVIOUS-INSTRUCTIONS"
ATTEMPTS = st.builds(
    Attempt,
    method=st.sampled_from(["GET", "POST"]),
    endpoint=st.sampled_from(["/v1/tasks", "/v1/tasks/claim", "/nowhere"]),
    task_id=st.sampled_from(["", a_task_id(1)]),
    repeatable=st.booleans(),
)
GUIDES = st.builds(Guide, sells_plans=st.booleans())
REJECTIONS = st.builds(
    Rejection,
    code=st.sampled_from(ErrorCode),
    situation=st.sampled_from(Situation),
    task=tasks(),
    now=st.just(NOW),
    wait_seconds=st.integers(1, 4_000),
    message=st.just(MARKER),
    reason=st.sampled_from(["", "expired", "superseded"]),
)


def holds(given_contract: AgentContract) -> None:
    """Exactly one action is recommended; it stands first and is available."""
    first, *rest = given_contract.next_actions
    assert first.recommended
    assert first.available
    assert not any(action.recommended for action in rest)


def told(task: Task) -> list[AgentContract]:
    """Give every answer that may show this task."""
    guide = Guide()
    refusals = [guide.refused(Rejection(code=code, task=task, now=NOW), A_CLAIM) for code in _CODES]
    return [guide.viewing(task, NOW), *refusals]


A_CLAIM = Attempt(method="POST", endpoint="/v1/tasks/claim")
_CODES = [code for code in ErrorCode if code is not ErrorCode.SERVER_ERROR]


@given(task=tasks(), guide=GUIDES)
def test_every_reading_of_a_task_recommends_exactly_one_step(task: Task, guide: Guide) -> None:
    holds(guide.viewing(task, NOW))


@given(task=tasks())
def test_every_claim_and_heartbeat_answer_recommends_exactly_one_step(task: Task) -> None:
    if task.lease_alive(NOW):
        holds(Guide().claimed(task, NOW))
        holds(Guide().holding(task, NOW))
    holds(contract.EMPTY_CLAIM)


@given(rejection=REJECTIONS, attempt=ATTEMPTS, guide=GUIDES)
def test_every_refusal_recommends_exactly_one_step(
    rejection: Rejection, attempt: Attempt, guide: Guide
) -> None:
    holds(guide.refused(rejection, attempt))


@given(guide=GUIDES, quota_left=st.integers(0, 2), lapsed=st.sampled_from(["", "pro"]))
def test_every_other_answer_recommends_exactly_one_step(
    guide: Guide, quota_left: int, lapsed: str
) -> None:
    holds(contract.billing_status(guide=guide, quota_left=quota_left, lapsed=lapsed))
    for given_contract in (
        contract.listed(None),
        contract.listed("/v1/tasks?cursor=abc"),
        contract.REGISTERED,
        contract.PLANS,
        contract.REPLAYED_PURGED,
    ):
        holds(given_contract)


@pytest.mark.parametrize("code", ErrorCode)
def test_the_catalogue_announces_the_guidance_that_is_given(code: ErrorCode) -> None:
    rejection = Rejection(code=code, task=a_task(), now=NOW, wait_seconds=5)

    given_contract = Guide(sells_plans=True).refused(rejection, A_CLAIM)

    assert given_contract.next_actions[0].action is CATALOGUE[code].action
    assert given_contract.retryable is CATALOGUE[code].retryable


@given(rejection=REJECTIONS, attempt=ATTEMPTS, guide=GUIDES)
def test_a_wait_is_told_in_whole_seconds_and_never_zero(
    rejection: Rejection, attempt: Attempt, guide: Guide
) -> None:
    for action in guide.refused(rejection, attempt).next_actions:
        waits = action.action.value == "retry_after_wait"
        if action.retry_after_seconds is UNSET:
            assert not waits
        else:
            # A task that a worker holds is looked at again at a pace.
            assert waits or action.action.value == "check_task_status"
            assert action.retry_after_seconds >= 1


@given(task=tasks())
def test_after_a_lost_lease_no_verb_of_the_holder_is_named(task: Task) -> None:
    rejection = Rejection(code=ErrorCode.LEASE_EXPIRED, task=task, now=NOW)

    named = {action.action.value for action in Guide().refused(rejection, A_CLAIM).next_actions}

    assert named.isdisjoint({"complete_task", "fail_task", "heartbeat"})


@given(task=tasks())
def test_lease_fields_stand_only_where_a_claimed_task_is_shown(task: Task) -> None:
    shown = Guide().viewing(task, NOW)

    claimed = task.status is Status.CLAIMED
    assert (shown.lease_valid is not UNSET) == claimed
    assert (shown.lease_expires_in_seconds is not UNSET) == claimed
    alive = task.lease_alive(NOW)
    assert (shown.recommended_heartbeat_interval_seconds is not UNSET) == alive
    assert shown.task_claimable is UNSET


@given(task=tasks())
def test_guidance_never_repeats_what_a_tenant_wrote(task: Task) -> None:
    silent = replace(
        task,
        type="report",
        payload="{}",
        claimed_by=None,
        last_failure_reason=None,
        result=None,
        output_id=None if task.output_id is None else "out_1",
    )

    for loud_answer, silent_answer in zip(told(task), told(silent), strict=True):
        loud = [action.description for action in loud_answer.next_actions]
        assert loud == [action.description for action in silent_answer.next_actions]


@given(rejection=REJECTIONS, attempt=ATTEMPTS, guide=GUIDES)
def test_descriptions_are_drawn_from_a_constant_list(
    rejection: Rejection, attempt: Attempt, guide: Guide
) -> None:
    for action in guide.refused(rejection, attempt).next_actions:
        assert action.description in CONSTANT


def constant_descriptions() -> set[str]:
    fixed = [value for value in vars(actions).values() if isinstance(value, Action)]
    task_id = a_task_id(9)
    by_task = (
        actions.claim_by_id,
        actions.check,
        actions.complete,
        actions.fail,
        actions.heartbeat,
        actions.requeue,
    )
    made = [
        *(make(task_id) for make in by_task),
        actions.wait_to_claim(task_id, 7),
        actions.wait_to_repeat("GET", "/v1/tasks", 7),
        actions.next_page("/v1/tasks?cursor=abc"),
        actions.download("https://files.example/x"),
    ]
    return {str(action.description) for action in (*fixed, *made)}


CONSTANT = constant_descriptions()


def test_no_description_contains_an_id_a_number_or_an_address() -> None:
    for description in CONSTANT:
        assert a_task_id(9) not in description
        assert not any(character.isdigit() for character in description)
        assert "://" not in description


def test_messages_of_the_catalogue_are_constant_sentences() -> None:
    for row in CATALOGUE.values():
        assert row.message.endswith(".")
        assert not any(mark in row.message for mark in "{}%")


def test_an_overdue_task_reads_as_claimed_with_an_ended_lease() -> None:
    overdue = a_task(Status.CLAIMED, lease_expires_at=ago(60))

    shown = Guide().viewing(overdue, NOW)

    assert (shown.lease_valid, shown.lease_expires_in_seconds) == (False, 0)
