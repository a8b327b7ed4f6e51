"""Background work: sweeping, purging, forgetting and counting change only what is due."""

import pytest
from msgspec.structs import replace

from orchestrion.core.account import Account
from orchestrion.core.commands import PurgeFinished, PurgeIdempotencyKeys
from orchestrion.core.decide import decide
from orchestrion.core.ids import AccountId
from orchestrion.core.instants import DAY, Instant
from orchestrion.core.outcomes import Changed, Replayed, Swept
from orchestrion.core.plans import HOSTED, SELF_HOSTED
from orchestrion.core.task import Status, Task
from orchestrion.core.view import IdempotencyRow
from tests.factories import (
    ACCOUNT,
    ACCOUNT_ID,
    NOW,
    a_task,
    a_task_id,
    a_view,
    ago,
    an_account,
    expect,
    later,
)
from tests.unit import asks
from tests.unit.world import World

WEEK = Instant(NOW - 7 * DAY)


def test_a_sweep_gives_back_the_overdue_and_leaves_the_rest() -> None:
    overdue = a_task(Status.CLAIMED, id=a_task_id(1), lease_expires_at=NOW)
    dying = replace(overdue, id=a_task_id(2), attempt_count=3)
    renewed = replace(overdue, id=a_task_id(3), lease_expires_at=later(0.001))
    pending = a_task(id=a_task_id(4))
    vanished = a_task(id=a_task_id(5))
    world = World([overdue, dying, renewed, pending])

    (outcome,) = world.submit(asks.expire(overdue, dying, renewed, pending, vanished))

    assert outcome == Swept(count=2)
    assert world.task(overdue.id).status is Status.PENDING
    assert world.task(dying.id).status is Status.DEAD_LETTER
    assert (world.task(renewed.id), world.task(pending.id)) == (renewed, pending)


def test_a_sweep_frees_the_leases_it_ends_for_nobody_counts_them() -> None:
    overdue = a_task(Status.CLAIMED, lease_expires_at=NOW)
    sweep, claim = asks.expire(overdue), asks.claim_next()
    view = a_view(sweep, claim, tasks=[overdue])

    decide(sweep, SELF_HOSTED, view)

    assert view.live_leases == {ACCOUNT_ID: 0}


def purged(*tasks: Task, account: Account = ACCOUNT) -> set[str]:
    ids = tuple(task.id for task in tasks)
    command = PurgeFinished(account_id=ACCOUNT_ID, task_ids=ids)
    view = a_view(command, tasks=tasks, accounts=[account])

    outcome = decide(command, HOSTED, view)

    assert outcome == Swept(count=len(view.deleted_tasks))
    return {task_id for _, task_id in view.deleted_tasks}


@pytest.mark.parametrize("status", [Status.COMPLETED, Status.CANCELLED, Status.DEAD_LETTER])
def test_finished_tasks_go_when_their_retention_is_over(status: Status) -> None:
    old = a_task(status, id=a_task_id(1), updated_at=WEEK)
    young = a_task(status, id=a_task_id(2), updated_at=WEEK + 1)

    assert purged(old, young) == {old.id}


@pytest.mark.parametrize("status", [Status.PENDING, Status.CLAIMED])
def test_unfinished_tasks_never_go(status: Status) -> None:
    assert purged(a_task(status, updated_at=Instant(NOW - 400 * DAY))) == set()


def test_a_task_that_was_requeued_meanwhile_stays() -> None:
    dead = a_task(Status.DEAD_LETTER, updated_at=WEEK)
    purge = PurgeFinished(account_id=ACCOUNT_ID, task_ids=(dead.id,))
    world = World([dead], catalogue=HOSTED)

    _, swept = world.submit(asks.requeue(dead.id), purge)

    assert swept == Swept(count=0)
    assert world.task(dead.id).status is Status.PENDING


def test_a_purged_task_is_not_found_later_in_its_batch() -> None:
    dead = a_task(Status.DEAD_LETTER, updated_at=WEEK)
    purge = PurgeFinished(account_id=ACCOUNT_ID, task_ids=(dead.id, a_task_id(8)))
    world = World([dead], catalogue=HOSTED)

    swept, requeued = world.submit(purge, asks.requeue(dead.id))

    assert swept == Swept(count=1)
    assert not isinstance(requeued, Changed)
    assert world.tasks == {}


def test_an_account_that_is_gone_has_nothing_to_purge() -> None:
    command = PurgeFinished(account_id=AccountId("acct_gone"), task_ids=(a_task_id(1),))

    assert decide(command, HOSTED, a_view(command)) == Swept(count=0)


@pytest.mark.parametrize(
    ("expired_days_ago", "kept_days"), [(-1, 60), (0, 60), (29, 60), (30, 7), (400, 7)]
)
def test_retention_shrinks_thirty_days_after_a_paid_plan_ended(
    expired_days_ago: int, kept_days: int
) -> None:
    account = an_account("pro", plan_expires_at=NOW - expired_days_ago * DAY)
    old = a_task(Status.COMPLETED, id=a_task_id(1), updated_at=NOW - kept_days * DAY)
    young = replace(old, id=a_task_id(2), updated_at=Instant(NOW - kept_days * DAY + 1))

    assert purged(old, young, account=account) == {old.id}


def test_a_lapsed_plan_that_kept_less_shortens_nothing() -> None:
    account = an_account("free", plan_expires_at=ago(1))

    assert purged(a_task(Status.COMPLETED, updated_at=WEEK + 1), account=account) == set()


def a_row(created_at: Instant) -> IdempotencyRow:
    return IdempotencyRow(
        account_id=ACCOUNT_ID,
        key="k",
        request_digest=b"old",
        created_at=created_at,
        first=a_task(id=a_task_id(1)),
    )


PURGE_KEY = PurgeIdempotencyKeys(account_id=ACCOUNT_ID, keys=("k", "unknown"))


@pytest.mark.parametrize(("created_at", "count"), [(WEEK, 1), (Instant(WEEK + 1), 0)])
def test_idempotency_keys_are_forgotten_when_their_life_is_over(
    created_at: Instant, count: int
) -> None:
    world = World()
    world.remembered[ACCOUNT_ID, "k"] = a_row(created_at)

    (outcome,) = world.submit(PURGE_KEY)

    assert outcome == Swept(count=count)
    assert len(world.remembered) == 1 - count


@pytest.mark.parametrize("purge_first", [True, False])
def test_a_key_taken_anew_survives_the_purge_of_its_old_life(
    purge_first: bool,  # noqa: FBT001 - the two orders of one batch
) -> None:
    world = World()
    world.remembered[ACCOUNT_ID, "k"] = a_row(WEEK)
    create = asks.create(2, idempotency_key="k", request_digest=b"new")

    world.submit(*((PURGE_KEY, create) if purge_first else (create, PURGE_KEY)))
    (repeated,) = world.submit(asks.create(3, idempotency_key="k", request_digest=b"new"))

    assert expect(Replayed, repeated).first.id == a_task_id(2)
