"""Commands that name a task: found by owner and id, decided in order, saved once."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from orchestrion.core.commands import Command
from orchestrion.core.decide import decide, decide_all
from orchestrion.core.errors import ErrorCode
from orchestrion.core.ids import TaskId
from orchestrion.core.lease import Completion, Failure
from orchestrion.core.outcomes import Changed, Held, NoTask, Outcome, Rejection
from orchestrion.core.plans import SELF_HOSTED
from orchestrion.core.task import Status, Task
from tests.factories import (
    ACCOUNT_ID,
    NOW,
    OTHER_ACCOUNT_ID,
    TOKEN,
    a_task,
    a_task_id,
    a_view,
    ago,
    an_account,
    expect,
)
from tests.unit import asks
from tests.unit.world import World

NAMING: list[Callable[[TaskId], Command]] = [
    asks.claim_task,
    asks.complete,
    asks.fail,
    asks.heartbeat,
    asks.cancel,
    asks.requeue,
]
LIVE = a_task(Status.CLAIMED)


def decided(command: Command, *tasks: Task) -> Outcome:
    return decide(command, SELF_HOSTED, a_view(command, tasks=tasks))


def code_of(outcome: Outcome) -> ErrorCode:
    return expect(Rejection, outcome).code


@pytest.mark.parametrize("verb", NAMING)
def test_an_unknown_id_is_not_found(verb: Callable[[TaskId], Command]) -> None:
    outcome = decided(verb(a_task_id(77)), LIVE)

    assert outcome == Rejection(code=ErrorCode.TASK_NOT_FOUND, now=NOW)


@pytest.mark.parametrize("verb", NAMING)
def test_another_accounts_task_is_not_found_in_the_same_words(
    verb: Callable[[TaskId], Command],
) -> None:
    foreign = replace(LIVE, account_id=OTHER_ACCOUNT_ID)

    outcome = decided(verb(foreign.id), foreign)

    assert outcome == Rejection(code=ErrorCode.TASK_NOT_FOUND, now=NOW)


@pytest.mark.parametrize(
    ("command", "task", "status"),
    [
        (asks.complete(LIVE.id, TOKEN), LIVE, Status.COMPLETED),
        (asks.fail(LIVE.id, TOKEN), LIVE, Status.PENDING),
        (asks.cancel(LIVE.id), a_task(), Status.CANCELLED),
        (asks.requeue(LIVE.id), a_task(Status.DEAD_LETTER), Status.PENDING),
    ],
)
def test_a_verb_answers_and_saves_the_changed_task(
    command: Command, task: Task, status: Status
) -> None:
    view = a_view(command, tasks=[task])

    outcome = expect(Changed, decide(command, SELF_HOSTED, view))

    assert outcome.task.status is status
    assert view.changed_tasks == {(ACCOUNT_ID, task.id): outcome.task}
    assert outcome.window is None


def test_a_heartbeat_answers_the_holder() -> None:
    command = asks.heartbeat(LIVE.id, TOKEN)
    view = a_view(command, tasks=[LIVE])

    outcome = expect(Held, decide(command, SELF_HOSTED, view))

    assert outcome.task.last_heartbeat_at == NOW
    assert view.changed_tasks == {(ACCOUNT_ID, LIVE.id): outcome.task}


def test_what_the_worker_hands_in_is_kept() -> None:
    done = Completion(result='{"n":1}', output_id="out_1")
    failed = Failure(reason="no ink", retry_after_seconds=5)

    completed = expect(Changed, decided(asks.complete(LIVE.id, completion=done), LIVE)).task
    given_back = expect(Changed, decided(asks.fail(LIVE.id, failure=failed), LIVE)).task

    assert (completed.result, completed.output_id) == ('{"n":1}', "out_1")
    assert (given_back.last_failure_reason, given_back.due_at) == ("no ink", NOW + 5_000)


def test_a_claim_by_id_hands_out_the_task_counts_it_and_tells_what_remains() -> None:
    command = asks.claim_task(LIVE.id, 5)
    view = a_view(command, tasks=[a_task()])

    outcome = expect(Held, decide(command, SELF_HOSTED, view))

    assert (outcome.task.claimed_by, outcome.task.lease_token) == ("me", asks.a_token(5))
    assert view.accounts[ACCOUNT_ID].claims_in_window == 1
    assert view.live_leases[ACCOUNT_ID] == 1
    assert outcome.window is not None
    assert outcome.window.name == "claims"


@pytest.mark.parametrize("task", [LIVE, a_task(Status.COMPLETED), a_task(scheduled_at=NOW + 1)])
def test_a_refused_claim_by_id_counts_nothing(task: Task) -> None:
    command = asks.claim_task(task.id)
    view = a_view(command, tasks=[task])

    expect(Rejection, decide(command, SELF_HOSTED, view))

    assert (view.changed_tasks, view.changed_accounts) == ({}, set())


@pytest.mark.parametrize("verb", NAMING)
def test_a_refusal_saves_nothing_not_even_an_expiry_it_saw(
    verb: Callable[[TaskId], Command],
) -> None:
    exhausted = a_task(Status.CLAIMED, lease_expires_at=ago(1), attempt_count=3)
    retryable = replace(exhausted, attempt_count=1)
    task = retryable if verb is asks.requeue else exhausted
    if verb is asks.requeue:
        assert isinstance(decided(verb(exhausted.id), exhausted), Changed)
    command = verb(task.id)
    view = a_view(command, tasks=[task])

    expect(Rejection, decide(command, SELF_HOSTED, view))

    assert view.changed_tasks == {}


def test_each_command_of_a_batch_sees_what_the_earlier_ones_left() -> None:
    commands: list[Command] = [
        asks.heartbeat(LIVE.id, TOKEN),
        asks.complete(LIVE.id, TOKEN),
        asks.complete(LIVE.id),
        asks.heartbeat(LIVE.id, TOKEN),
    ]
    view = a_view(*commands, tasks=[LIVE])

    outcomes = decide_all(commands, SELF_HOSTED, view)

    assert [type(outcome) for outcome in outcomes] == [Held, Changed, Rejection, Rejection]
    assert code_of(outcomes[2]) is ErrorCode.INVALID_TRANSITION
    (saved,) = view.changed_tasks.values()
    assert saved.status is Status.COMPLETED
    assert saved.last_heartbeat_at == NOW


def test_a_task_created_claimed_and_completed_in_one_batch_is_one_new_row() -> None:
    world = World()
    created = asks.create(1)

    outcomes = world.submit(created, asks.claim_next(8), asks.cancel(a_task_id(2)))
    done = world.submit(asks.complete(created.task_id, asks.a_token(8)))

    assert [type(outcome) for outcome in outcomes] == [Changed, Held, Rejection]
    assert isinstance(done[0], Changed)
    assert world.task(created.task_id).status is Status.COMPLETED


def test_claims_are_apart_by_type_and_by_account() -> None:
    foreign = a_task(id=a_task_id(1), account_id=OTHER_ACCOUNT_ID)
    other_type = a_task(id=a_task_id(2), type="mail")
    world = World([foreign, other_type])

    (outcome,) = world.submit(asks.claim_next())

    assert isinstance(outcome, NoTask)
    assert outcome.now == NOW


def test_an_empty_claim_counts_nothing() -> None:
    command = asks.claim_next()
    view = a_view(command)

    outcome = expect(NoTask, decide(command, SELF_HOSTED, view))

    assert view.changed_accounts == set()
    assert outcome.window is not None
    assert outcome.window.remaining == 10**9


def test_a_claim_expires_overdue_tasks_of_its_type_and_no_other() -> None:
    overdue = a_task(Status.CLAIMED, id=a_task_id(1), lease_expires_at=ago(1))
    dying = replace(overdue, id=a_task_id(2), attempt_count=3)
    other = replace(overdue, id=a_task_id(3), type="mail")
    world = World([overdue, dying, other])

    (outcome,) = world.submit(asks.claim_next())

    held = expect(Held, outcome).task
    assert (held.id, held.attempt_count) == (overdue.id, 2)
    assert world.task(dying.id).status is Status.DEAD_LETTER
    assert world.task(other.id) == other


def test_the_plan_limits_leases_of_one_account_alone() -> None:
    accounts = [an_account(), an_account(id=OTHER_ACCOUNT_ID)]
    mine = [a_task(id=a_task_id(number)) for number in range(3)]
    theirs = a_task(id=a_task_id(9), account_id=OTHER_ACCOUNT_ID)
    world = World([*mine, theirs], accounts=accounts)

    outcomes = world.submit(
        asks.claim_next(1), asks.claim_next(2, account_id=OTHER_ACCOUNT_ID), asks.claim_next(3)
    )

    owners = [expect(Held, outcome).task.account_id for outcome in outcomes]
    assert owners == [ACCOUNT_ID, OTHER_ACCOUNT_ID, ACCOUNT_ID]
