"""Which rows a batch asks for: each once, and enough of them."""

import pytest

from orchestrion.core.commands import (
    Command,
    CountRequests,
    PurgeFinished,
    PurgeIdempotencyKeys,
    RegisterKey,
)
from orchestrion.core.ids import KeyId
from orchestrion.core.limits import CLAIM_OVERDUE_MARGIN, EXPIRE_BATCH_MAX
from orchestrion.core.needs import needs_of
from tests.factories import ACCOUNT_ID, OTHER_ACCOUNT_ID, a_task, a_task_id
from tests.unit import asks, buying

TASK = a_task_id(1)
REPORTS = (ACCOUNT_ID, "report")


@pytest.mark.parametrize(
    "command",
    [
        asks.complete(TASK),
        asks.fail(TASK),
        asks.heartbeat(TASK),
        asks.undo(TASK, asks.a_token(1)),
        asks.requeue(TASK),
        asks.cancel(TASK),
    ],
)
def test_a_verb_needs_its_task_and_no_account(command: Command) -> None:
    needs = needs_of([command])

    assert needs.tasks == {(ACCOUNT_ID, TASK)}
    assert (needs.accounts, needs.leases, needs.claims) == (set(), {}, {})


def test_only_what_may_take_a_pending_task_away_asks_for_one_more_candidate() -> None:
    taking = needs_of([asks.cancel(TASK), asks.claim_task(TASK)])
    leaving = needs_of([asks.complete(TASK), asks.fail(TASK), asks.heartbeat(TASK)])

    assert taking.naming == {ACCOUNT_ID: 2}
    assert leaving.naming == {}


def test_a_claim_by_id_needs_its_task_the_account_and_its_leases() -> None:
    needs = needs_of([asks.claim_task(TASK)])

    assert needs.tasks == {(ACCOUNT_ID, TASK)}
    assert (needs.accounts, needs.leases) == ({ACCOUNT_ID}, {ACCOUNT_ID: 1})
    assert (needs.claims, needs.naming) == ({}, {ACCOUNT_ID: 1})


def test_a_claim_needs_candidates_the_account_and_its_leases() -> None:
    needs = needs_of([asks.claim_next()])

    assert needs.claims == {REPORTS: 1}
    assert (needs.accounts, needs.leases) == ({ACCOUNT_ID}, {ACCOUNT_ID: 1})
    assert needs.candidates(REPORTS) == 1
    assert needs.overdue(REPORTS) == 1 + CLAIM_OVERDUE_MARGIN


def test_candidates_are_one_per_claim_and_one_per_command_that_may_take_one() -> None:
    needs = needs_of(
        [
            asks.claim_next(1),
            asks.claim_next(2),
            asks.claim_next(3, types=("mail",)),
            asks.cancel(TASK),
            asks.claim_task(TASK),
            asks.cancel(TASK, account_id=OTHER_ACCOUNT_ID),
        ]
    )

    assert needs.candidates(REPORTS) == 2 + 2
    assert needs.candidates((ACCOUNT_ID, "mail")) == 1 + 2
    assert needs.leases == {ACCOUNT_ID: 4}


def test_a_create_needs_the_account_and_its_key_if_it_has_one() -> None:
    plain, keyed = needs_of([asks.create()]), needs_of([asks.create(idempotency_key="k")])

    assert plain.accounts == keyed.accounts == {ACCOUNT_ID}
    assert (plain.idempotency, keyed.idempotency) == (set(), {(ACCOUNT_ID, "k")})
    assert (plain.leases, plain.tasks) == ({}, set())


def test_jobs_need_the_rows_they_name() -> None:
    sweep = needs_of([asks.expire(a_task(id=TASK))])
    purge = needs_of([PurgeFinished(account_id=ACCOUNT_ID, task_ids=(TASK,))])
    forget = needs_of([PurgeIdempotencyKeys(account_id=ACCOUNT_ID, keys=("k",))])

    assert sweep.tasks == purge.tasks == {(ACCOUNT_ID, TASK)}
    assert (sweep.accounts, purge.accounts) == (set(), {ACCOUNT_ID})
    assert forget.idempotency == {(ACCOUNT_ID, "k")}


@pytest.mark.parametrize(
    "command",
    [
        CountRequests(counts=()),
        RegisterKey(account_id=ACCOUNT_ID, key_id=KeyId("key"), key_hash=b"#", email=None),
    ],
)
def test_what_only_adds_rows_needs_none(command: Command) -> None:
    needs = needs_of([command])

    assert (needs.tasks, needs.accounts, needs.idempotency) == (set(), set(), set())
    assert (needs.claims, needs.leases, needs.naming) == ({}, {}, {})


def test_a_claim_that_looks_again_loads_as_many_overdue_rows_as_a_sweep() -> None:
    needs = needs_of([asks.claim_next(), asks.cancel(TASK)])

    needs.deeper.add(REPORTS)

    assert needs.overdue(REPORTS) == needs.candidates(REPORTS) + EXPIRE_BATCH_MAX
    assert needs.candidates(REPORTS) == 2


@pytest.mark.parametrize("command", buying.ON_PURCHASE)
def test_a_step_of_a_purchase_needs_it_the_account_and_its_newest(command: Command) -> None:
    needs = needs_of([command])

    assert needs.purchases == {(ACCOUNT_ID, buying.FIRST)}
    assert needs.accounts == needs.newest_purchases == {ACCOUNT_ID}


def test_who_begins_to_buy_needs_the_newest_purchase_and_an_operator_none() -> None:
    opening, setting = needs_of([buying.opens()]), needs_of([buying.sets("pro")])

    assert opening.accounts == setting.accounts == {ACCOUNT_ID}
    assert (opening.newest_purchases, setting.newest_purchases) == ({ACCOUNT_ID}, set())
    assert opening.purchases == setting.purchases == set()
