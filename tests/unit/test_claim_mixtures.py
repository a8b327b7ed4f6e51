"""Claims are exact in every mixture, though a batch sees only the rows it asked for."""

from collections.abc import Iterator
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from orchestrion.core.commands import (
    ClaimNext,
    ClaimTask,
    Command,
    CreateTask,
    ExpireLeases,
    FailTask,
    FinishAndClaim,
    OnTask,
    Together,
    parts_of,
)
from orchestrion.core.decide import decide, decide_all
from orchestrion.core.errors import ErrorCode
from orchestrion.core.lease import asked as asked_by
from orchestrion.core.lease import key_after
from orchestrion.core.lifecycle import claim, released
from orchestrion.core.outcomes import Again, Changed, Held, NoTask, Outcome, Rejection, Several
from orchestrion.core.plans import SELF_HOSTED
from orchestrion.core.task import Status, Task
from orchestrion.core.view import TaskKey
from tests.factories import ACCOUNT, NOW, a_task, a_task_id, a_view, ago, expect
from tests.unit import asks
from tests.unit.mixtures import some_commands, some_tasks
from tests.unit.world import World


def essence(outcome: Outcome) -> object:
    if isinstance(outcome, Changed | Held):
        return (type(outcome), outcome.task)
    refused = expect(Rejection, outcome)
    return (refused.code, refused.reason, refused.wait_seconds)


def unsettled(command: Command, outcome: Outcome) -> Iterator[Command]:
    """Give the claim that must be made once more, if there is one."""
    if isinstance(outcome, Again):
        yield command
    elif isinstance(command, FinishAndClaim) and isinstance(outcome, Several):
        yield from unsettled(command.claim, outcome.outcomes[1])


def _shown(task: Task) -> Task:
    # Without what is kept for repeats alone.
    return replace(task, given_back_by=None, claim_key=None, claim_digest=None)


class Plainly:
    """Does one command after the other on all rows there are."""

    def __init__(self, tasks: dict[TaskKey, Task]) -> None:
        self.tasks = dict(tasks)
        self._failed: dict[TaskKey, Task] = {}

    def check(self, command: Command, outcome: Outcome) -> None:
        match command:
            case ClaimNext():
                self._check_claim(command, outcome)
            case CreateTask():
                self._keep(expect(Changed, outcome).task)
            case ExpireLeases():
                for task_id in command.task_ids:
                    self._keep(released(self.tasks[command.account_id, task_id], NOW))
            case FinishAndClaim() if told := self._failed_before(command):
                ended, claimed = expect(Several, outcome).outcomes
                assert _shown(expect(Changed, ended).task) in map(_shown, told)
                self._check_claim(command.claim, claimed)
            case Together() | FinishAndClaim():
                self._check_parts(command, outcome)
            case _:
                assert isinstance(command, OnTask)
                self._check_named(command, outcome)

    def _check_parts(self, command: Together | FinishAndClaim, outcome: Outcome) -> None:
        parts = parts_of(command)
        # A claim behind an end that is refused is not made.
        outcomes = outcome.outcomes if isinstance(outcome, Several) else (outcome,)
        if isinstance(command, Together):
            assert len(outcomes) == len(parts)
        else:
            assert (len(outcomes) == 1) is isinstance(outcomes[0], Rejection)
        for part, one in zip(parts, outcomes, strict=False):
            if not isinstance(one, Again):
                self.check(part, one)

    def _failed_before(self, command: FinishAndClaim) -> list[Task]:
        # Give what may be told of a task whose failure is known by the claim behind it.
        finish, lease = command.finish, command.claim.lease
        task = self.tasks.get((command.account_id, finish.task_id))
        if not isinstance(finish, FailTask) or finish.lease_token is None or task is None:
            return []
        held = self._held_under_its_key(command.claim)
        asked = {asked_by(one.claim_digest, one.lease_token) for one in held}
        behind = lease.key == key_after(finish.lease_token) and asked == {lease.digest}
        if not behind or task.lease_token == finish.lease_token:
            return []
        if task in held:
            return [self._failed[task.account_id, task.id]]
        return [task, released(task, NOW)]

    def best(self, command: ClaimNext) -> Task | None:
        rows = (released(task, NOW) for task in self.tasks.values())
        claimable = [
            task
            for task in rows
            if task.account_id == command.account_id
            and task.type in command.types
            and task.status is Status.PENDING
            and task.due(NOW)
        ]
        return min(claimable, key=lambda task: task.claim_order, default=None)

    def _held_under_its_key(self, command: ClaimNext | ClaimTask) -> list[Task]:
        return [
            task
            for task in self.tasks.values()
            if task.claim_key is not None
            and (task.account_id, task.claim_key) == (command.account_id, command.lease.key)
            and task.lease_alive(NOW)
        ]

    def _check_repeat(
        self, command: ClaimNext | ClaimTask, outcome: Outcome, held: list[Task]
    ) -> None:
        token = asks.a_token(0)
        asked = {asked_by(task.claim_digest, task.lease_token or token) for task in held}
        if asked != {command.lease.digest}:
            assert expect(Rejection, outcome).code is ErrorCode.IDEMPOTENCY_CONFLICT
            return
        repeated = expect(Held, outcome)
        assert repeated.replayed
        assert [repeated.task, *repeated.more] == sorted(held, key=lambda one: one.claim_order)

    def _check_claim(self, command: ClaimNext, outcome: Outcome) -> None:
        if held := self._held_under_its_key(command):
            self._check_repeat(command, outcome, held)
            return
        found = [outcome.task, *outcome.more] if isinstance(outcome, Held) else []
        for number, token in enumerate((command.lease.token, *command.more)):
            best = self.best(command)
            if best is None:
                assert len(found) == number
                break
            assert found[number] == claim(best, NOW, replace(command.lease, token=token))
            self._keep(found[number])
        assert found or isinstance(outcome, NoTask)

    def _check_named(self, command: OnTask, outcome: Outcome) -> None:
        task = self.tasks.get((command.account_id, command.task_id))
        if isinstance(command, ClaimTask) and task and (held := self._held_under_its_key(command)):
            self._check_repeat(command, outcome, held)
            return
        # A claim earlier in the batch may have swept an overdue task, or not: both are right.
        rows = [[task], [released(task, NOW)]] if task else [[]]
        alone = [decide(command, SELF_HOSTED, a_view(command, tasks=row)) for row in rows]
        assert essence(outcome) in [essence(one) for one in alone]
        if isinstance(outcome, Changed | Held):
            self._keep(outcome.task)
        if isinstance(command, FailTask) and isinstance(outcome, Changed):
            left = _shown(outcome.task)
            self._failed[command.account_id, command.task_id] = left

    def _keep(self, task: Task) -> None:
        self.tasks[task.account_id, task.id] = task


@settings(max_examples=300)
@given(seed=st.integers(0, 2**32))
def test_a_batch_of_anything_claims_what_one_by_one_would_have_claimed(seed: int) -> None:
    random = Random(seed)
    tasks = some_tasks(random)
    commands = some_commands(random, tasks)
    world = World(tasks)
    plainly = Plainly(world.tasks)

    rounds = 0
    while commands:
        outcomes = world.submit(*commands)
        for command, outcome in zip(commands, outcomes, strict=True):
            if not isinstance(outcome, Again):
                plainly.check(command, outcome)
        commands = [
            one
            for command, outcome in zip(commands, outcomes, strict=True)
            for one in unsettled(command, outcome)
        ]
        rounds += 1

    settled = {key: released(task, NOW) for key, task in world.tasks.items()}
    assert settled == {key: released(task, NOW) for key, task in plainly.tasks.items()}
    assert rounds <= 6


@settings(max_examples=100)
@given(seed=st.integers(0, 2**32))
def test_deciding_twice_on_equal_views_comes_to_the_same(seed: int) -> None:
    random = Random(seed)
    tasks = some_tasks(random)
    commands = some_commands(random, tasks)
    first = a_view(*commands, tasks=tasks)
    second = a_view(*commands, tasks=tasks)

    outcomes = decide_all(commands, SELF_HOSTED, first)

    assert decide_all(commands, SELF_HOSTED, second) == outcomes
    assert second.new_tasks == first.new_tasks
    assert second.changed_tasks == first.changed_tasks
    assert second.accounts == first.accounts
    assert second.live_leases == first.live_leases


@settings(max_examples=100)
@given(seed=st.integers(0, 2**32))
def test_live_leases_are_counted_as_the_batch_changes_them(seed: int) -> None:
    random = Random(seed)
    tasks = some_tasks(random)
    commands = some_commands(random, tasks)
    view = a_view(*commands, tasks=tasks)

    decide_all(commands, SELF_HOSTED, view)

    rows = {(task.account_id, task.id): task for task in tasks}
    rows |= view.new_tasks | view.changed_tasks
    alive = [task for task in rows.values() if task.lease_alive(NOW)]
    for account_id, count in view.live_leases.items():
        assert count == sum(task.account_id == account_id for task in alive)


def test_claims_take_the_highest_priority_then_the_oldest_due_then_the_lowest_id() -> None:
    world = World(
        [
            a_task(id=a_task_id(5), priority=0, created_at=ago(900)),
            a_task(id=a_task_id(4), priority=9, created_at=ago(100)),
            a_task(id=a_task_id(3), priority=9, created_at=ago(800), scheduled_at=ago(90)),
            a_task(id=a_task_id(2), priority=9, created_at=ago(100)),
            # An overdue task competes under its own due time.
            a_task(
                Status.CLAIMED,
                id=a_task_id(1),
                priority=9,
                created_at=ago(200),
                lease_expires_at=ago(1),
            ),
            a_task(id=a_task_id(0), priority=100, scheduled_at=NOW + 1),
        ]
    )

    outcomes = world.submit(*(asks.claim_next(number) for number in range(6)))

    taken = [outcome.task.id for outcome in outcomes if isinstance(outcome, Held)]
    assert taken == [a_task_id(number) for number in (1, 2, 4, 3, 5)]
    assert isinstance(outcomes[-1], NoTask)


def test_a_claim_takes_what_was_created_earlier_in_its_batch() -> None:
    world = World([a_task(id=a_task_id(1))])

    outcomes = world.submit(
        asks.create(2, priority=7), asks.claim_next(1), asks.claim_next(2), asks.claim_next(3)
    )

    assert [type(outcome) for outcome in outcomes] == [Changed, Held, Held, NoTask]
    assert expect(Held, outcomes[1]).task.id == a_task_id(2)
    assert world.task(a_task_id(2)).status is Status.CLAIMED


def test_a_claim_does_not_take_what_was_created_for_later() -> None:
    outcomes = World().submit(asks.create(scheduled_at=NOW + 1), asks.claim_next())

    assert isinstance(outcomes[1], NoTask)


def test_a_claim_takes_what_was_failed_or_requeued_earlier_in_its_batch() -> None:
    failed = a_task(Status.CLAIMED, id=a_task_id(1))
    dead = a_task(Status.DEAD_LETTER, id=a_task_id(2))
    world = World([failed, dead])

    outcomes = world.submit(
        asks.fail(failed.id), asks.requeue(dead.id), asks.claim_next(1), asks.claim_next(2)
    )

    taken = {expect(Held, outcome).task.id for outcome in outcomes[2:]}
    assert taken == {failed.id, dead.id}


def test_tasks_cancelled_and_claimed_by_id_leave_no_claim_of_the_batch_empty_handed() -> None:
    world = World([a_task(id=a_task_id(number)) for number in range(4)])

    outcomes = world.submit(
        asks.cancel(a_task_id(0)),
        asks.claim_task(a_task_id(1), 1),
        asks.claim_next(2),
        asks.claim_next(3),
    )

    assert expect(Held, outcomes[2]).task.id == a_task_id(2)
    assert expect(Held, outcomes[3]).task.id == a_task_id(3)


def overdue(count: int, **changes: object) -> list[Task]:
    return [
        a_task(Status.CLAIMED, id=a_task_id(number), lease_expires_at=ago(1), **changes)
        for number in range(count)
    ]


def test_a_claim_asks_again_when_a_better_overdue_task_may_be_out_of_sight() -> None:
    world = World([*overdue(40, attempt_count=3), a_task(id=a_task_id(90))])
    out_of_sight = a_task(
        Status.CLAIMED, id=a_task_id(80), lease_expires_at=ago(1), created_at=ago(3_600)
    )
    world.tasks[out_of_sight.account_id, out_of_sight.id] = out_of_sight

    first, second = world.submit(asks.claim_next(1), asks.claim_next(2))
    settled = world.settle(asks.claim_next(1))

    assert (first, second) == (Again(), Again())
    assert expect(Held, settled).task.id == out_of_sight.id


def test_a_claim_does_not_ask_again_when_all_overdue_tasks_were_seen() -> None:
    world = World([*overdue(20, attempt_count=3), a_task(id=a_task_id(90))])

    (outcome,) = world.submit(asks.claim_next())

    assert expect(Held, outcome).task.id == a_task_id(90)
    assert world.task(a_task_id(0)).status is Status.DEAD_LETTER


def test_overdue_tasks_that_keep_attempts_do_not_make_a_claim_ask_again() -> None:
    world = World(overdue(60))

    (outcome,) = world.submit(asks.claim_next())

    assert expect(Held, outcome).task.attempt_count == 2


def test_a_claim_of_another_type_is_not_held_up() -> None:
    world = World([*overdue(40, attempt_count=3), a_task(id=a_task_id(90), type="mail")])

    first, second = world.submit(asks.claim_next(1), asks.claim_next(2, types=("mail",)))

    assert first == Again()
    assert expect(Held, second).task.type == "mail"


def test_a_sweep_before_a_claim_hides_no_overdue_task_from_it() -> None:
    """The sweep kills every overdue row the claim has loaded; a living one is out of sight."""
    dying = overdue(40, attempt_count=3)
    living = a_task(Status.CLAIMED, id=a_task_id(80), lease_expires_at=ago(1))
    world = World([*dying, living])

    _, outcome = world.submit(asks.expire(*dying), asks.claim_next())

    assert isinstance(outcome, Again)
    assert expect(Held, world.settle(asks.claim_next())).task.id == living.id


def test_again_changes_nothing_of_the_account() -> None:
    command = asks.claim_next()
    view = a_view(command, tasks=overdue(40, attempt_count=3))

    assert decide(command, SELF_HOSTED, view) == Again()
    assert view.accounts == {ACCOUNT.id: ACCOUNT}
    assert view.changed_accounts == set()
