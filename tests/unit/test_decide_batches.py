"""Several tasks in one command: claims of several, ends with a claim behind them, batches."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from orchestrion.core.commands import (
    ClaimNext,
    Command,
    CompleteTask,
    FailTask,
    FinishAndClaim,
    Together,
    parts_of,
    weight_of,
)
from orchestrion.core.errors import ErrorCode
from orchestrion.core.ids import LeaseToken, TaskId
from orchestrion.core.lease import Failure, Lease, digest_of_claim, key_after
from orchestrion.core.needs import needs_of
from orchestrion.core.outcomes import (
    Again,
    Changed,
    Held,
    NoTask,
    Outcome,
    Rejection,
    Replayed,
    Several,
)
from orchestrion.core.plans import HOSTED
from orchestrion.core.task import Status, Task
from tests.factories import ACCOUNT, ACCOUNT_ID, TOKEN, a_task, a_task_id, ago, expect
from tests.unit import asks
from tests.unit.world import World

HELD = a_task(Status.CLAIMED, id=a_task_id(90))


def several(count: int, *types: str, number: int = 1) -> ClaimNext:
    """Claim up to so many tasks."""
    tokens = tuple(asks.a_token(number * 100 + one) for one in range(1, count))
    claim = asks.claim_next(number * 100, more=tokens)
    return replace(claim, types=types) if types else claim


def pending(*numbers: int, **changes: object) -> list[Task]:
    return [a_task(Status.PENDING, id=a_task_id(number), **changes) for number in numbers]


def handed_out(outcome: Outcome) -> list[TaskId]:
    held = expect(Held, outcome)
    return [task.id for task in (held.task, *held.more)]


def and_next(claim: ClaimNext, finish: Command | None = None) -> FinishAndClaim:
    finish = finish or asks.complete(HELD.id, TOKEN)
    assert isinstance(finish, CompleteTask | FailTask)
    return FinishAndClaim(account_id=ACCOUNT_ID, finish=finish, claim=claim)


# --- claims of several tasks, and of several types


def test_a_claim_of_several_hands_out_what_as_many_claims_would() -> None:
    tasks = pending(1, 2, 3, 4)
    one_by_one, at_once = World(tasks), World(tasks)

    singles = [
        expect(Held, one_by_one.settle(asks.claim_next(100 + number))).task for number in range(3)
    ]
    found = expect(Held, at_once.settle(several(3)))

    assert [found.task, *found.more] == singles
    assert at_once.tasks == one_by_one.tasks
    assert at_once.accounts == one_by_one.accounts


def test_a_claim_of_several_takes_what_there_is() -> None:
    world = World(pending(1, 2))

    assert handed_out(world.settle(several(50))) == [a_task_id(1), a_task_id(2)]
    expect(NoTask, world.settle(several(50, number=2)))
    assert world.accounts[ACCOUNT_ID].claims_in_window == 2


def test_each_of_several_tasks_has_a_lease_of_its_own() -> None:
    found = expect(Held, World(pending(1, 2, 3)).settle(several(3)))

    tokens = [task.lease_token for task in (found.task, *found.more)]
    assert tokens == [asks.a_token(100), asks.a_token(101), asks.a_token(102)]


def test_the_best_of_several_types_comes_first() -> None:
    mail = pending(1, 4, type="mail", priority=5) + pending(6, type="mail")
    report = pending(2, 3, type="report", priority=5) + pending(5, type="report", priority=9)
    world = World([*mail, *report, *pending(0, type="other", priority=100)])

    order = handed_out(world.settle(several(9, "mail", "report")))

    assert order == [a_task_id(number) for number in (5, 1, 2, 3, 4, 6)]


def test_the_worker_limit_holds_within_a_claim_of_several() -> None:
    world = World(pending(1, 2, 3), catalogue=HOSTED)

    assert len(handed_out(world.settle(several(3)))) == 2
    refused = expect(Rejection, world.settle(several(3, number=2)))

    assert refused.code is ErrorCode.MAX_WORKERS_REACHED


def test_the_window_holds_within_a_claim_of_several() -> None:
    account = replace(ACCOUNT, claims_window_at=ago(1), claims_in_window=119)
    world = World(pending(1, 2), accounts=[account], catalogue=HOSTED)

    found = expect(Held, world.settle(several(2)))

    assert found.window is not None
    assert (found.more, found.window.remaining) == ((), 0)
    assert world.accounts[ACCOUNT_ID].claims_in_window == 120


def test_a_claim_of_several_types_waits_for_the_type_that_is_not_settled() -> None:
    dying = [
        a_task(
            Status.CLAIMED,
            id=a_task_id(number),
            attempt_count=3,
            lease_expires_at=ago(9),
        )
        for number in range(200)
    ]
    world = World([*dying, *pending(300, 301, type="mail")])

    both, mail = world.submit(several(1, "report", "mail"), asks.claim_next(7, types=("mail",)))

    # Whoever came first is served first, of every type that it asked for.
    expect(Again, both)
    expect(Again, mail)
    assert handed_out(world.settle(several(1, "report", "mail"))) == [a_task_id(300)]


def test_a_repeated_claim_of_several_gives_all_that_is_held() -> None:
    lease = Lease(worker_id="me", token=asks.a_token(1), key="k", digest=b"d" * 32)
    claim = replace(several(3), lease=lease)
    world = World(pending(1, 2, 3, 4))

    first = expect(Held, world.settle(claim))
    again = expect(Held, world.settle(replace(claim, lease=replace(lease, token=asks.a_token(9)))))

    assert again.replayed
    assert {again.task, *again.more} == {first.task, *first.more}


# --- complete and take the next


def test_the_end_of_an_attempt_makes_room_for_the_next_claim() -> None:
    other = a_task(Status.CLAIMED, id=a_task_id(91))
    world = World([HELD, other, *pending(1)], catalogue=HOSTED)

    (outcome,) = world.submit(and_next(several(1)))

    finished, claimed = expect(Several, outcome).outcomes
    assert expect(Changed, finished).task.status is Status.COMPLETED
    assert handed_out(claimed) == [a_task_id(1)]


def test_behind_an_end_that_is_refused_nothing_is_claimed() -> None:
    world = World([HELD, *pending(1)])
    stale = asks.complete(HELD.id, LeaseToken("lse_old"))

    (outcome,) = world.submit(and_next(several(1), stale))

    assert expect(Rejection, outcome).code is ErrorCode.LEASE_EXPIRED
    assert world.task(a_task_id(1)).status is Status.PENDING


def test_the_end_stands_where_the_claim_is_refused() -> None:
    account = replace(ACCOUNT, claims_window_at=ago(1), claims_in_window=120)
    world = World([HELD, *pending(1)], accounts=[account], catalogue=HOSTED)

    (outcome,) = world.submit(and_next(several(1)))

    _, claimed = expect(Several, outcome).outcomes
    assert expect(Rejection, claimed).code is ErrorCode.RATE_LIMITED
    assert world.task(HELD.id).status is Status.COMPLETED


def test_whoever_fails_a_task_may_be_handed_it_again() -> None:
    world = World([HELD])

    (outcome,) = world.submit(and_next(several(1), asks.fail(HELD.id, TOKEN)))

    failed, claimed = expect(Several, outcome).outcomes
    assert expect(Changed, failed).task.status is Status.PENDING
    assert handed_out(claimed) == [HELD.id]
    assert world.task(HELD.id).attempt_count == 2


def test_a_repeat_of_both_gives_both_again_and_no_more() -> None:
    lease = Lease(worker_id="me", token=asks.a_token(1), key="k", digest=b"d" * 32)
    command = and_next(replace(several(1), lease=lease))
    repeat = and_next(replace(several(1), lease=replace(lease, token=asks.a_token(9))))
    world = World([HELD, *pending(1, 2)])

    (first,) = world.submit(command)
    (again,) = world.submit(repeat)

    ended, held = expect(Several, first).outcomes
    ended_again, held_again = expect(Several, again).outcomes
    assert expect(Changed, ended_again).task == expect(Changed, ended).task
    assert expect(Held, held_again).task == expect(Held, held).task
    assert world.task(a_task_id(2)).status is Status.PENDING


def fail_and_next(number: int, finish: Command | None = None) -> FinishAndClaim:
    """Fail a task and take the next, with one try's token for what that may be."""
    finish = finish or asks.fail(HELD.id, TOKEN)
    digest = digest_of_claim(after=repr(finish))
    lease = asks.a_keyed_lease(number, key_after(TOKEN), digest)
    return and_next(asks.claim_next(lease=lease), finish)


def shown(outcome: Outcome) -> Task:
    """Give a task without what is kept of it for repeats alone."""
    task = expect(Changed, outcome).task
    return replace(task, given_back_by=None, claim_key=None, claim_digest=None)


def test_a_repeat_of_a_failure_hands_out_the_failed_task_as_before() -> None:
    world = World([HELD, *pending(1, created_at=ago(60))])
    (first,) = world.submit(fail_and_next(1))
    world.submit(asks.heartbeat(HELD.id, asks.a_token(1)), asks.request_cancel(HELD.id))
    saved = world.task(HELD.id)

    (again,) = world.submit(fail_and_next(2))

    failed, claimed = expect(Several, first).outcomes
    failed_again, claimed_again = expect(Several, again).outcomes
    assert shown(failed_again) == shown(failed)
    assert expect(Held, claimed).task.lease_token == asks.a_token(1)
    assert expect(Held, claimed_again).task == saved
    assert expect(Held, claimed_again).replayed
    assert world.task(HELD.id) is saved


def test_a_repeat_finds_the_failed_task_that_its_claim_waited_for() -> None:
    put_off = asks.fail(HELD.id, TOKEN, failure=Failure(reason="no ink", retry_after_seconds=5))
    world = World([HELD])
    (first,) = world.submit(fail_and_next(1, put_off))
    failed, waits = expect(Several, first).outcomes
    world.wait(5)
    waited = expect(Held, world.settle(fail_and_next(2, put_off).claim))

    (again,) = world.submit(fail_and_next(3, put_off))

    failed_again, claimed_again = expect(Several, again).outcomes
    assert isinstance(waits, NoTask)
    assert shown(failed_again) == shown(failed)
    assert expect(Held, claimed_again).task == waited.task
    assert waited.task.lease_token == asks.a_token(2)


@pytest.mark.parametrize(
    "other",
    [
        asks.fail(HELD.id, TOKEN, failure=Failure(reason="other words")),
        asks.complete(HELD.id, TOKEN),
        asks.fail(HELD.id, LeaseToken("lse_old")),
    ],
)
def test_what_the_failed_task_was_not_failed_by_is_superseded(other: Command) -> None:
    world = World([HELD])
    world.submit(fail_and_next(1))

    (refused,) = world.submit(fail_and_next(2, other))

    assert expect(Rejection, refused).reason == "superseded"


def test_a_repeat_finds_its_claim_though_another_worker_has_the_failed_task() -> None:
    world = World([HELD, *pending(1, priority=9)])
    (first,) = world.submit(fail_and_next(1))
    (other,) = world.submit(asks.claim_task(HELD.id, 2))

    (again,) = world.submit(fail_and_next(3))

    failed_again, claimed_again = expect(Several, again).outcomes
    assert expect(Changed, failed_again).task == expect(Held, other).task
    assert expect(Held, claimed_again).task == expect(Held, expect(Several, first).outcomes[1]).task


@pytest.mark.parametrize("key", ["k", None])
def test_a_claim_under_any_other_key_tells_of_no_failure(key: str | None) -> None:
    world = World([HELD, *pending(1, priority=9)])
    lease = Lease(worker_id="me", token=asks.a_token(1), key=key, digest=asks.SAME if key else None)
    command = and_next(asks.claim_next(lease=lease), asks.fail(HELD.id, TOKEN))
    world.submit(command, asks.claim_task(HELD.id, 2))

    (refused,) = world.submit(command)

    assert expect(Rejection, refused).reason == "superseded"


def test_once_the_next_lease_is_over_the_failure_is_superseded() -> None:
    ends: list[Callable[[World], object]] = [
        lambda world: world.wait(300),
        lambda world: world.submit(asks.complete(HELD.id, asks.a_token(1))),
        lambda world: world.submit(asks.fail(HELD.id, asks.a_token(1))),
    ]
    for end in ends:
        world = World([HELD, *pending(1, created_at=ago(60))])
        world.submit(fail_and_next(1))
        end(world)

        (refused,) = world.submit(fail_and_next(2))

        assert expect(Rejection, refused).reason == "superseded"
        assert world.task(a_task_id(1)).status is Status.PENDING


def test_a_key_that_an_older_server_left_repeats_no_failure() -> None:
    """It claims without forgetting key and words of the lease before."""
    world = World([HELD])
    world.submit(fail_and_next(1))
    held = world.task(HELD.id)
    world.tasks[held.account_id, held.id] = replace(held, lease_token=asks.a_token(9))

    (refused,) = world.submit(fail_and_next(2))

    assert expect(Rejection, refused).reason == "superseded"


# --- batches


def test_a_batch_comes_to_what_its_commands_would_come_to_one_by_one() -> None:
    commands = (
        asks.create(1, idempotency_key="k", request_digest=b"1"),
        asks.create(2, idempotency_key="k", request_digest=b"1"),
        asks.create(3, idempotency_key="k", request_digest=b"2"),
        asks.create(4),
    )
    one_by_one, at_once = World(), World()

    singles = [one_by_one.submit(command)[0] for command in commands]
    (outcome,) = at_once.submit(Together(account_id=ACCOUNT_ID, commands=commands))

    assert list(expect(Several, outcome).outcomes) == singles
    assert [type(one) for one in singles] == [Changed, Replayed, Rejection, Changed]
    assert at_once.tasks == one_by_one.tasks
    assert at_once.accounts == one_by_one.accounts


def test_a_batch_needs_what_its_parts_need() -> None:
    parts = (asks.complete(HELD.id, TOKEN), asks.heartbeat(a_task_id(1), TOKEN))

    together = needs_of([Together(account_id=ACCOUNT_ID, commands=parts)])

    apart = needs_of(parts)
    for name in apart.__slots__:
        assert getattr(together, name) == getattr(apart, name), name


def test_a_claim_needs_as_many_rows_of_each_type_as_it_may_hand_out() -> None:
    needs = needs_of([several(5, "report", "mail"), several(2, "mail", number=2)])

    assert needs.claims == {(ACCOUNT_ID, "report"): 5, (ACCOUNT_ID, "mail"): 7}
    assert needs.leases == {ACCOUNT_ID: 7}


@pytest.mark.parametrize(
    ("command", "weight"),
    [
        (asks.create(1), 1),
        (several(1), 1),
        (several(50), 50),
        (and_next(several(1)), 2),
        (Together(account_id=ACCOUNT_ID, commands=(asks.create(1), asks.create(2))), 2),
    ],
)
def test_a_command_weighs_as_many_tasks_as_it_may_write(command: Command, weight: int) -> None:
    assert weight_of(command) == weight
    assert sum(map(weight_of, parts_of(command))) == weight
