import pytest

from orchestrion.core import idempotency
from orchestrion.core.account import Account
from orchestrion.core.commands import CreateTask
from orchestrion.core.decide import decide
from orchestrion.core.errors import ErrorCode
from orchestrion.core.instants import DAY, SECOND, Instant
from orchestrion.core.lease import Completion
from orchestrion.core.outcomes import Changed, Outcome, Rejection, Replayed
from orchestrion.core.task import Status
from tests.factories import (
    ACCOUNT_ID,
    NOW,
    OTHER_ACCOUNT_ID,
    SMALL,
    TOKEN,
    a_task_id,
    a_view,
    ago,
    an_account,
    expect,
    later,
)
from tests.unit import asks
from tests.unit.world import World

WEEK_SECONDS = 7 * DAY // SECOND


def keyed(number: int, digest: bytes = b"same", **changes: object) -> CreateTask:
    return asks.create(number, idempotency_key="k", request_digest=digest, **changes)


def a_world(*accounts: Account) -> World:
    return World(accounts=accounts or [an_account()], catalogue=SMALL)


def test_a_repeat_gets_the_first_task_and_makes_no_second() -> None:
    world = a_world()

    first, repeated = world.submit(keyed(1)) + world.submit(keyed(2))

    created = expect(Changed, first)
    assert repeated == Replayed(
        first=created.task,
        current=world.task(a_task_id(1)),
        now=NOW,
        # It counts nothing, so the limit stands where the first request left it.
        window=created.window,
    )
    assert len(world.tasks) == 1


def test_a_repeat_costs_nothing() -> None:
    world = a_world()

    world.submit(keyed(1))
    for number in range(2, 20):
        world.submit(keyed(number))

    account = world.accounts[ACCOUNT_ID]
    assert (account.tasks_in_cycle, account.creates_in_window) == (1, 1)


def test_a_repeat_is_answered_though_the_quota_is_used_up() -> None:
    world = a_world()
    world.submit(keyed(1))
    world.accounts[ACCOUNT_ID] = an_account(tasks_in_cycle=10)

    (outcome,) = world.submit(keyed(2))

    assert isinstance(outcome, Replayed)


def test_a_repeat_shows_the_task_as_first_answered_and_as_it_is_now() -> None:
    world = a_world()
    world.submit(keyed(1))
    world.submit(asks.claim_task(a_task_id(1), 5))
    world.submit(asks.complete(a_task_id(1), asks.a_token(5), completion=Completion(result="{}")))

    (outcome,) = world.submit(keyed(2))

    replayed = expect(Replayed, outcome)
    assert replayed.first.status is Status.PENDING
    assert replayed.current is not None
    assert replayed.current.status is Status.COMPLETED


def test_a_repeat_after_the_task_was_purged_has_no_task_of_now() -> None:
    world = a_world()
    world.submit(keyed(1))
    world.tasks.clear()

    (outcome,) = world.submit(keyed(2))

    replayed = expect(Replayed, outcome)
    assert (replayed.first.id, replayed.current) == (a_task_id(1), None)


def test_another_request_under_the_key_is_a_conflict() -> None:
    world = a_world()

    _, outcome = world.submit(keyed(1), keyed(2, b"other"))

    assert isinstance(outcome, Rejection)
    assert (outcome.code, outcome.now) == (ErrorCode.IDEMPOTENCY_CONFLICT, NOW)
    assert len(world.tasks) == 1


def test_two_first_requests_in_one_batch_make_one_task() -> None:
    world = a_world()

    first, second = world.submit(keyed(1), keyed(2))

    assert expect(Replayed, second).first == expect(Changed, first).task
    assert len(world.tasks) == 1


def test_keys_are_apart_by_account() -> None:
    world = a_world(an_account(), an_account(id=OTHER_ACCOUNT_ID))

    outcomes = world.submit(keyed(1), keyed(2, b"other", account_id=OTHER_ACCOUNT_ID))

    assert [type(outcome) for outcome in outcomes] == [Changed, Changed]


def test_creates_without_a_key_are_never_repeats() -> None:
    world = a_world()

    outcomes = world.submit(asks.create(1), asks.create(2))

    assert [type(outcome) for outcome in outcomes] == [Changed, Changed]
    assert world.remembered == {}


@pytest.mark.parametrize(
    ("seconds_later", "kind"),
    [(0, Replayed), (WEEK_SECONDS - 0.001, Replayed), (WEEK_SECONDS, Changed)],
)
def test_a_key_lives_seven_days(seconds_later: float, kind: type[Outcome]) -> None:
    world = a_world()
    world.submit(keyed(1))
    world.now = later(seconds_later)

    (outcome,) = world.submit(keyed(2))

    assert isinstance(outcome, kind)


def test_a_key_whose_life_is_over_may_name_another_request() -> None:
    world = a_world()
    world.submit(keyed(1))
    world.wait(WEEK_SECONDS)

    first, repeated = world.submit(keyed(2, b"other"), keyed(3, b"other"))

    assert isinstance(first, Changed)
    assert expect(Replayed, repeated).first.id == a_task_id(2)


def test_a_late_repeat_is_answered_though_its_schedule_has_passed() -> None:
    world = a_world()
    world.submit(keyed(1, scheduled_at=later(60)))
    world.wait(3_600)

    (outcome,) = world.submit(keyed(2, scheduled_at=later(60)))

    assert isinstance(outcome, Replayed)


@pytest.mark.parametrize(
    ("account", "scheduled_at"),
    [(an_account(tasks_in_cycle=10), None), (an_account(), ago(3_600))],
)
def test_a_refused_create_is_not_remembered(account: Account, scheduled_at: Instant | None) -> None:
    command = keyed(1, scheduled_at=scheduled_at)
    view = a_view(command, accounts=[account])

    assert isinstance(decide(command, SMALL, view), Rejection)
    assert view.new_idempotency == []


def test_the_key_row_remembers_the_request_and_the_first_task() -> None:
    command = keyed(1)
    view = a_view(command)

    outcome = expect(Changed, decide(command, SMALL, view))

    (row,) = view.new_idempotency
    assert (row.account_id, row.key, row.request_digest) == (ACCOUNT_ID, "k", b"same")
    assert (row.created_at, row.first) == (NOW, outcome.task)


def test_a_digest_is_the_same_for_the_same_bytes_alone() -> None:
    assert idempotency.digest(b"{}") == idempotency.digest(b"{}")
    assert idempotency.digest(b"{}") != idempotency.digest(b"{ }")
    assert len(idempotency.digest(b"")) == 32
    assert TOKEN.encode() not in idempotency.digest(TOKEN.encode())
