import pytest
from msgspec.structs import replace

from orchestrion.core.commands import RegisterKey
from orchestrion.core.decide import TOO_FAR_AHEAD, TOO_FAR_BEHIND, decide
from orchestrion.core.errors import ErrorCode
from orchestrion.core.ids import AccountId, KeyId
from orchestrion.core.instants import DAY
from orchestrion.core.outcomes import Changed, Registered, Rejection
from orchestrion.core.plans import SELF_HOSTED
from orchestrion.core.task import Status, Task
from tests.factories import ACCOUNT, ACCOUNT_ID, NOW, SMALL, a_task_id, a_view, ago, expect, later
from tests.unit import asks

MONTH = 30 * DAY // 1_000


def test_a_create_stores_what_was_asked_as_pending_and_unclaimed() -> None:
    command = asks.create(
        3,
        type="mail",
        payload='{"to":"x"}',
        priority=7,
        max_attempts=5,
        lease_seconds=60,
        scheduled_at=later(60),
        traceparent="00-ab-cd-01",
    )
    view = a_view(command)

    outcome = expect(Changed, decide(command, SELF_HOSTED, view))

    assert outcome.task == Task(
        account_id=ACCOUNT_ID,
        id=a_task_id(3),
        type="mail",
        payload='{"to":"x"}',
        status=Status.PENDING,
        priority=7,
        scheduled_at=later(60),
        attempt_count=0,
        max_attempts=5,
        lease_seconds=60,
        claimed_by=None,
        claimed_at=None,
        lease_expires_at=None,
        last_heartbeat_at=None,
        created_at=NOW,
        updated_at=NOW,
        completed_at=None,
        last_failed_at=None,
        last_failure_reason=None,
        result=None,
        output_id=None,
        lease_token=None,
        traceparent="00-ab-cd-01",
    )
    assert list(view.new_tasks.values()) == [outcome.task]
    assert (view.changed_tasks, view.new_idempotency) == ({}, [])
    assert outcome.now == NOW


def test_a_create_counts_once_in_cycle_and_window_and_tells_what_remains() -> None:
    command = asks.create()
    view = a_view(command)

    outcome = expect(Changed, decide(command, SMALL, view))

    account = view.accounts[ACCOUNT_ID]
    assert (account.tasks_in_cycle, account.creates_in_window) == (1, 1)
    assert account.claims_in_window == 0
    assert view.changed_accounts == {ACCOUNT_ID}
    assert outcome.window is not None
    assert (outcome.window.name, outcome.window.limit) == ("creates", 6)
    assert (outcome.window.remaining, outcome.window.reset_seconds) == (5, 3_600)


@pytest.mark.parametrize("seconds", [0.001, 60, MONTH])
def test_a_schedule_up_to_thirty_days_ahead_is_kept(seconds: float) -> None:
    command = asks.create(scheduled_at=later(seconds))

    outcome = expect(Changed, decide(command, SELF_HOSTED, a_view(command)))

    assert outcome.task.scheduled_at == later(seconds)


@pytest.mark.parametrize("seconds", [0, 0.001, 59.999, 60])
def test_a_schedule_up_to_a_minute_ago_counts_as_now(seconds: float) -> None:
    command = asks.create(scheduled_at=ago(seconds))

    outcome = expect(Changed, decide(command, SELF_HOSTED, a_view(command)))

    assert outcome.task.scheduled_at is None


@pytest.mark.parametrize(
    ("seconds", "message"), [(MONTH + 0.001, TOO_FAR_AHEAD), (-60.001, TOO_FAR_BEHIND)]
)
def test_a_schedule_out_of_bounds_is_refused_and_nothing_counts(
    seconds: float, message: str
) -> None:
    command = asks.create(scheduled_at=later(seconds))
    view = a_view(command)

    refused = expect(Rejection, decide(command, SELF_HOSTED, view))

    assert (refused.code, refused.message) == (ErrorCode.INVALID_REQUEST, message)
    assert (view.new_tasks, view.changed_accounts) == ({}, set())
    assert view.accounts == {ACCOUNT_ID: ACCOUNT}


def test_a_bad_schedule_is_told_before_a_used_up_window() -> None:
    command = asks.create(scheduled_at=ago(3_600))
    view = a_view(command, accounts=[replace(ACCOUNT, creates_window_at=NOW, creates_in_window=6)])

    refused = expect(Rejection, decide(command, SMALL, view))

    assert refused.code is ErrorCode.INVALID_REQUEST


def test_a_registration_makes_an_account_on_the_free_plan_with_its_key() -> None:
    account_id, key_id = AccountId("acct_new"), KeyId("key_new")
    command = RegisterKey(account_id=account_id, key_id=key_id, key_hash=b"#", email="a@b.example")
    view = a_view(command)

    outcome = decide(command, SELF_HOSTED, view)

    assert outcome == Registered(account_id=account_id, key_id=key_id)
    (account,) = view.new_accounts
    (key,) = view.new_keys
    assert (account.id, account.email, account.plan) == (account_id, "a@b.example", "free")
    assert (account.created_at, account.cycle_started_at) == (NOW, NOW)
    assert (account.tasks_in_cycle, account.plan_expires_at) == (0, None)
    assert (key.id, key.account_id, key.hash, key.created_at) == (key_id, account_id, b"#", NOW)
