"""A claim under a key is made once for as long as its lease lives."""

from collections.abc import Callable

from msgspec.structs import replace

from orchestrion.core.commands import ClaimNext, ClaimTask
from orchestrion.core.errors import ErrorCode
from orchestrion.core.ids import TaskId
from orchestrion.core.lease import asked, digest_of_claim
from orchestrion.core.outcomes import Held, NoTask, Outcome, Rejection, Situation
from orchestrion.core.task import Status
from tests.factories import OTHER_ACCOUNT_ID, SMALL, a_task, a_task_id, an_account, expect
from tests.unit import asks
from tests.unit.world import World

FIRST, SECOND = a_task_id(1), a_task_id(2)
SAME = asks.SAME
OTHER = digest_of_claim(types=["mail"])


def claim(number: int, key: str = "k", digest: bytes = SAME, **changes: object) -> ClaimNext:
    return asks.claim_next(number, lease=asks.a_keyed_lease(number, key, digest), **changes)


def by_id(task_id: TaskId, number: int, digest: bytes = SAME) -> ClaimTask:
    return asks.claim_task(task_id, number, lease=asks.a_keyed_lease(number, digest=digest))


def a_world() -> World:
    tasks = [a_task(id=FIRST, lease_seconds=300), a_task(id=SECOND)]
    return World(tasks, accounts=[an_account(), an_account(id=OTHER_ACCOUNT_ID)], catalogue=SMALL)


def conflicts(outcome: Outcome) -> bool:
    return isinstance(outcome, Rejection) and outcome.code is ErrorCode.IDEMPOTENCY_CONFLICT


def test_a_repeat_gets_the_same_task_and_token_and_no_new_attempt() -> None:
    world = a_world()
    first = expect(Held, world.settle(claim(1)))
    world.wait(299)

    again = expect(Held, world.settle(claim(2)))

    assert again.task == first.task
    assert again.task.lease_token == asks.a_token(1)
    assert (first.replayed, again.replayed) == (False, True)
    assert world.task(SECOND).status is Status.PENDING


def test_a_repeat_in_the_same_batch_is_one_as_well() -> None:
    world = a_world()

    first, again, other = world.submit(claim(1), claim(2), claim(3, "another"))

    assert expect(Held, again).task == expect(Held, first).task
    assert expect(Held, other).task.id == SECOND


def test_a_repeat_costs_nothing() -> None:
    world = a_world()
    first = expect(Held, world.settle(claim(1)))
    for number in range(2, 20):
        assert expect(Held, world.settle(claim(number))).window == first.window


def test_a_repeat_is_answered_when_every_worker_is_busy() -> None:
    world = a_world()
    world.submit(claim(1), claim(2, "another"))

    again = expect(Held, world.settle(claim(3)))
    fresh = expect(Rejection, world.settle(claim(4, "new")))

    assert again.task.id == FIRST
    assert fresh.code is ErrorCode.MAX_WORKERS_REACHED


def test_another_request_under_the_key_is_a_conflict_while_the_lease_lives() -> None:
    world = a_world()
    world.settle(claim(1))

    refused = expect(Rejection, world.settle(claim(2, digest=OTHER)))

    assert conflicts(refused)
    assert refused.situation is Situation.CLAIM_KEY_IN_USE
    assert conflicts(world.settle(by_id(SECOND, 3, OTHER)))
    assert world.task(SECOND).status is Status.PENDING


def test_once_the_lease_is_over_the_key_claims_anew() -> None:
    endings: tuple[Callable[[World], object], ...] = (
        lambda world: world.wait(300),
        lambda world: world.settle(asks.complete(FIRST, asks.a_token(1))),
        lambda world: world.settle(asks.fail(FIRST, asks.a_token(1))),
        lambda world: world.settle(asks.release(FIRST, asks.a_token(1))),
    )
    for end in endings:
        world = a_world()
        world.settle(claim(1))
        end(world)

        again = expect(Held, world.settle(claim(2, digest=OTHER)))

        assert not again.replayed
        assert again.task.lease_token == asks.a_token(2)


def test_the_next_claim_of_the_task_takes_the_key_away() -> None:
    world = a_world()
    world.settle(claim(1))
    world.settle(asks.release(FIRST, asks.a_token(1)))
    world.settle(asks.claim_task(FIRST, 2))

    again = expect(Held, world.settle(claim(3)))

    assert again.task.id == SECOND


def test_a_claim_by_id_is_repeated_too() -> None:
    world = a_world()
    first = expect(Held, world.settle(by_id(SECOND, 1)))

    again = expect(Held, world.settle(by_id(SECOND, 2)))

    assert (again.task, again.replayed) == (first.task, True)


def test_keys_are_apart_by_account_and_from_those_of_creates() -> None:
    world = a_world()
    world.settle(claim(1))
    created = world.settle(asks.create(7, idempotency_key="k", request_digest=b"d"))

    foreign = world.settle(claim(2, account_id=OTHER_ACCOUNT_ID))

    assert not conflicts(created)
    assert isinstance(foreign, NoTask)


def test_a_key_that_an_older_server_left_on_a_lease_of_its_own_is_nobodys() -> None:
    """A server that knows no claim keys claims without forgetting the key of the claim before."""
    world = a_world()
    held = expect(Held, world.settle(claim(1))).task
    world.tasks[held.account_id, held.id] = replace(held, lease_token=asks.a_token(9))

    again = expect(Held, world.settle(claim(2)))

    assert (again.task.id, again.replayed) == (SECOND, False)


def test_a_lease_without_a_key_tells_of_no_request() -> None:
    keyed = asks.a_keyed_lease(1)

    assert asked(keyed.claim_digest, keyed.token) == SAME
    assert asked(keyed.claim_digest, None) is None
    assert asked(asks.a_lease(1).claim_digest, keyed.token) is None


def test_several_tasks_of_one_claim_come_back_together_as_long_as_they_are_held() -> None:
    world = a_world()
    first = expect(Held, world.settle(claim(1, more=(asks.a_token(11),))))
    tokens = [task.lease_token for task in (first.task, *first.more)]

    again = expect(Held, world.settle(claim(2, more=(asks.a_token(12),))))
    world.settle(asks.complete(FIRST, tokens[0]))
    rest = expect(Held, world.settle(claim(3, more=(asks.a_token(13),))))

    assert [task.lease_token for task in (again.task, *again.more)] == tokens
    assert (rest.task.lease_token, rest.more) == (tokens[1], ())
