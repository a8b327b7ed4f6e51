"""What guidance calls possible is possible, and whoever follows it arrives."""

import itertools
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrion.core import contract
from orchestrion.core.actions import Action
from orchestrion.core.commands import Command, CompleteTask
from orchestrion.core.contract import AgentContract, Attempt, Guide
from orchestrion.core.decide import decide
from orchestrion.core.errors import ErrorCode
from orchestrion.core.ids import LeaseToken, TaskId
from orchestrion.core.lifecycle import Verb
from orchestrion.core.operations import OPERATIONS
from orchestrion.core.outcomes import Changed, Held, NoTask, Outcome, Rejection
from orchestrion.core.plans import SELF_HOSTED
from orchestrion.core.task import Status, Task
from tests.factories import (
    NOW,
    OTHER_ACCOUNT_ID,
    OTHER_TOKEN,
    TOKEN,
    a_task,
    a_view,
    ago,
    expect,
    later,
)
from tests.unit import asks
from tests.unit.strategies import tasks, tokens
from tests.unit.verbs import apply
from tests.unit.world import World

GUIDE = Guide()


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """What an agent may put into a request besides its address."""

    task_id: TaskId
    type: str = "report"
    lease_token: LeaseToken | None = None
    number: int = 99


WRITES: Mapping[str, Callable[[Call], Command]] = MappingProxyType(
    {
        "create_task": lambda call: asks.create(call.number, type=call.type),
        "claim_next_task": lambda call: asks.claim_next(call.number, types=(call.type,)),
        "claim_task": lambda call: asks.claim_task(call.task_id, call.number),
        "complete_task": lambda call: asks.complete(call.task_id, call.lease_token),
        "fail_task": lambda call: asks.fail(call.task_id, call.lease_token),
        "heartbeat": lambda call: asks.heartbeat(call.task_id, call.lease_token),
        "release_task": lambda call: asks.release(
            call.task_id, call.lease_token or asks.a_token(call.number)
        ),
        "cancel_task": lambda call: asks.cancel(call.task_id),
        "requeue_task": lambda call: asks.requeue(call.task_id),
    }
)


def operation_of(action: Action) -> str:
    """Find the operation by method and endpoint, as a router would; empty if it is foreign."""
    asked = str(action.endpoint).partition("?")[0].split("/")
    for row in OPERATIONS:
        parts = row.path.split("/")
        if (
            row.method == action.method
            and len(parts) == len(asked)
            and all(part in (have, "{id}") for part, have in zip(parts, asked, strict=True))
        ):
            return row.name
    return ""


def command_of(action: Action, call: Call) -> Command | None:
    """Make the write an action asks for; None for a read."""
    make = WRITES.get(operation_of(action))
    return None if make is None else make(call)


def refusals_of(task: Task, token: LeaseToken | None) -> Iterator[AgentContract]:
    attempt = Attempt(method="POST", endpoint="/v1/tasks/claim", task_id=task.id)
    for verb in Verb:
        outcome = apply(verb, task, token)
        if isinstance(outcome, Rejection):
            yield GUIDE.refused(outcome, attempt)


def answers_about(task: Task, token: LeaseToken | None) -> Iterator[AgentContract]:
    yield GUIDE.viewing(task, NOW)
    if task.lease_alive(NOW):
        yield GUIDE.holding(task, NOW)
        yield GUIDE.claimed(task, NOW)
    yield from refusals_of(task, token)


def is_invalid(outcome: Outcome) -> bool:
    return isinstance(outcome, Rejection) and outcome.code is ErrorCode.INVALID_TRANSITION


def carried_out(action: Action, task: Task, token: LeaseToken | None) -> Outcome | None:
    """Execute an action at once and alone."""
    command = command_of(action, Call(task_id=task.id, type=task.type, lease_token=token))
    if command is None:
        return None
    return decide(command, SELF_HOSTED, a_view(command, tasks=[task]))


@given(task=tasks(), refused_token=tokens(), used_token=tokens())
def test_an_available_action_is_never_an_invalid_transition(
    task: Task, refused_token: LeaseToken | None, used_token: LeaseToken | None
) -> None:
    for answer in answers_about(task, refused_token):
        for action in answer.next_actions:
            if action.available:
                outcome = carried_out(action, task, used_token)
                assert outcome is None or not is_invalid(outcome), action


@given(task=tasks(), token=tokens())
def test_an_unavailable_action_is_really_refused(task: Task, token: LeaseToken | None) -> None:
    for answer in answers_about(task, token):
        for action in answer.next_actions:
            if not action.available:
                assert isinstance(carried_out(action, task, token), Rejection), action


@given(task=tasks())
def test_every_action_names_an_operation_or_the_artifacts_own_service(task: Task) -> None:
    for answer in answers_about(task, None):
        for action in answer.next_actions:
            foreign = str(action.endpoint).startswith("https://")
            assert foreign == (action.action.value == "download_artifact")
            assert foreign or operation_of(action)


class Agent:
    """Follows recommended actions alone, at one request a second, and knows nothing else."""

    def __init__(self, world: World, task_id: TaskId) -> None:
        self.world = world
        self.task_id = task_id
        self.token: LeaseToken | None = None
        self.completed = 0
        self._numbers = itertools.count(1_000)

    def follow(self, answer: AgentContract) -> AgentContract:
        action = answer.next_actions[0]
        assert action.recommended
        wait = action.retry_after_seconds
        self.world.wait(1 if wait is msgspec.UNSET else wait)
        number = next(self._numbers)
        call = Call(task_id=self.task_id, lease_token=self.token, number=number)
        command = command_of(action, call)
        if command is None:
            return self._read(action)
        return self._written(command, self.world.settle(command))

    def _read(self, action: Action) -> AgentContract:
        match operation_of(action):
            case "check_task_status":
                # Nothing has changed for as long as somebody else works: look less often.
                self.world.wait(60)
                return GUIDE.viewing(self.world.task(self.task_id), self.world.now)
            case "list_tasks":
                return contract.listed(None)
            case "check_billing_status":
                return contract.billing_status(guide=GUIDE, quota_left=1, lapsed="")
            case "" if action.action.value == "download_artifact":
                return contract.REGISTERED
            case other:
                raise AssertionError(other)

    def _written(self, command: Command, outcome: Outcome) -> AgentContract:
        match outcome:
            case Held(task=task, now=now):
                self.task_id, self.token = task.id, task.lease_token
                return GUIDE.claimed(task, now)
            case Changed(task=task, now=now):
                self.task_id = task.id
                self.completed += isinstance(command, CompleteTask)
                return GUIDE.viewing(task, now)
            case NoTask():
                return contract.EMPTY_CLAIM
            case _:
                attempt = Attempt(method="POST", endpoint="/v1/tasks/claim")
                return GUIDE.refused(expect(Rejection, outcome), attempt)


def walk(task: Task, answer: AgentContract) -> Agent:
    world = World([task, a_task(Status.CANCELLED, account_id=OTHER_ACCOUNT_ID)])
    agent = Agent(world, task.id)
    for _ in range(STEPS_MAX):
        if agent.completed:
            break
        answer = agent.follow(answer)
    return agent


STEPS_MAX = 90  # A reader waits at most a lease of an hour in looks a minute apart.


@given(task=tasks(), token=tokens(), which=st.integers(0, 20))
def test_following_recommended_actions_alone_completes_a_task(
    task: Task, token: LeaseToken | None, which: int
) -> None:
    answers = list(answers_about(task, token))
    empty_handed = [contract.REGISTERED, contract.PLANS, contract.REPLAYED_PURGED]
    starts = [*answers, *empty_handed]

    agent = walk(task, starts[which % len(starts)])

    assert agent.completed == 1


SITUATIONS = [
    a_task(type="report"),
    a_task(scheduled_at=later(86_400)),
    a_task(Status.CLAIMED),
    a_task(Status.CLAIMED, attempt_count=3),
    a_task(Status.CLAIMED, lease_expires_at=ago(1)),
    a_task(Status.CLAIMED, lease_expires_at=ago(1), attempt_count=3),
    a_task(Status.CLAIMED, cancel_requested_at=ago(1)),
    a_task(Status.CLAIMED, cancel_requested_at=ago(9), lease_expires_at=ago(1)),
    a_task(lease_token=TOKEN, release_count=1),
    a_task(Status.COMPLETED),
    a_task(Status.COMPLETED, output_id="out_1"),
    a_task(Status.DEAD_LETTER),
    a_task(Status.CANCELLED),
]


@pytest.mark.parametrize("task", SITUATIONS)
@pytest.mark.parametrize("token", [None, OTHER_TOKEN])
def test_no_state_and_no_refusal_is_a_dead_end(task: Task, token: LeaseToken | None) -> None:
    for answer in answers_about(task, token):
        assert walk(task, answer).completed == 1


def test_a_lost_list_and_an_unknown_commit_lead_on() -> None:
    unknown = Rejection(code=ErrorCode.TASK_NOT_FOUND, now=NOW)
    attempt = Attempt(method="GET", endpoint="/v1/tasks/x")

    agent = walk(a_task(), GUIDE.refused(unknown, attempt))

    assert agent.completed == 1
