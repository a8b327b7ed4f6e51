"""An answer that is lost is never a lost or doubled task, whatever was asked."""

from collections.abc import Callable

import pytest

from orchestrion.client.errors import (
    ConnectionFailed,
    InvalidTransition,
    LeaseExpired,
    OrchestrionError,
    RequestTimeout,
    Timeout,
)
from orchestrion.client.retrying import RetryNote
from orchestrion.client.sync import Orchestrion
from orchestrion.client.task import Beat, Completion, Failure, Held, NewTask, Task
from tests.client.application import DROPPED, LATE, LOST, UNSENT, Application, Fate, Network

TYPE = "report"
FATES = {"lost": LOST, "late": LATE, "dropped": DROPPED, "unsent": UNSENT}
TROUBLES = pytest.mark.parametrize("fate", FATES.values(), ids=FATES)


def held(client: Orchestrion, *, max_attempts: int = 3, lease_seconds: int = 300) -> Held:
    """Hold a new task."""
    task = client.tasks.create(
        TYPE, {"n": 1}, max_attempts=max_attempts, lease_seconds=lease_seconds
    )
    return client.tasks.claim_by_id(task.id)


@TROUBLES
def test_a_create_makes_one_task(
    client: Orchestrion, application: Application, network: Network, fate: Fate
) -> None:
    network.fail(fate, fate)

    task = client.tasks.create(TYPE, {"n": 1})

    assert [one["id"] for one in application.all_tasks] == [task.id]
    assert len(network.requests) == 3


@TROUBLES
def test_many_creates_make_each_task_once(
    client: Orchestrion, application: Application, network: Network, fate: Fate
) -> None:
    network.fail(fate)

    made = client.tasks.create_many(NewTask(TYPE, {"n": n}) for n in range(5))

    assert [task.payload for task in made if isinstance(task, Task)] == [{"n": n} for n in range(5)]
    assert len(application.all_tasks) == 5


@TROUBLES
def test_a_claim_costs_one_attempt_and_gives_a_token_that_works(
    client: Orchestrion, application: Application, network: Network, fate: Fate
) -> None:
    client.tasks.create(TYPE, {}, max_attempts=1)
    client.tasks.create(TYPE, {}, max_attempts=1)
    network.fail(fate)

    (lease,) = client.tasks.claim(TYPE).leases

    assert client.tasks.complete(lease.task.id, lease.lease_token).attempt_count == 1
    assert sorted(task["attemptCount"] for task in application.all_tasks) == [0, 1]


@TROUBLES
def test_a_claim_of_several_hands_out_each_once(
    client: Orchestrion, application: Application, network: Network, fate: Fate
) -> None:
    for _ in range(5):
        client.tasks.create(TYPE, {})
    network.fail(fate)

    claimed = client.tasks.claim(TYPE, max_tasks=3)

    assert len({lease.task.id for lease in claimed.leases}) == 3
    assert sum(task["attemptCount"] for task in application.all_tasks) == 3


@TROUBLES
def test_a_claim_by_id_gives_a_token_that_works(
    client: Orchestrion, network: Network, fate: Fate
) -> None:
    task = client.tasks.create(TYPE, {})
    network.fail(fate)

    lease = client.tasks.claim_by_id(task.id)

    assert client.tasks.complete(task.id, lease.lease_token).attempt_count == 1


@TROUBLES
def test_a_heartbeat_renews(client: Orchestrion, network: Network, fate: Fate) -> None:
    lease = held(client)
    network.fail(fate)

    assert client.tasks.heartbeat(lease.task.id, lease.lease_token).last_heartbeat_at


@TROUBLES
def test_a_complete_takes_effect_once(client: Orchestrion, network: Network, fate: Fate) -> None:
    lease = held(client)
    network.fail(fate)

    done = client.tasks.complete(lease.task.id, lease.lease_token, {"words": 3})

    assert (done.status, done.result, done.attempt_count) == ("completed", {"words": 3}, 1)


@TROUBLES
def test_a_fail_counts_once(client: Orchestrion, network: Network, fate: Fate) -> None:
    lease = held(client, max_attempts=2)
    network.fail(fate)

    failed = client.tasks.fail(lease.task.id, lease.lease_token, "broken", retry_after=60)

    assert (failed.status, failed.attempt_count) == ("pending", 1)


@TROUBLES
def test_a_release_gives_back_one_attempt(
    client: Orchestrion, network: Network, fate: Fate
) -> None:
    lease = held(client)
    network.fail(fate)

    assert client.tasks.release(lease.task.id, lease.lease_token).attempt_count == 0


@TROUBLES
def test_a_cancel_succeeds(client: Orchestrion, network: Network, fate: Fate) -> None:
    task = client.tasks.create(TYPE, {})
    network.fail(fate)

    assert client.tasks.cancel(task.id).status == "cancelled"


@TROUBLES
def test_a_forced_cancel_succeeds(client: Orchestrion, network: Network, fate: Fate) -> None:
    lease = held(client)
    network.fail(fate)

    assert client.tasks.cancel(lease.task.id, force=True).cancel_requested_at


@TROUBLES
def test_many_completes_take_effect_once(client: Orchestrion, network: Network, fate: Fate) -> None:
    leases = [held(client) for _ in range(3)]
    network.fail(fate)

    done = client.tasks.complete_many(
        Completion(id=lease.task.id, lease_token=lease.lease_token, result={"n": 2})
        for lease in leases
    )

    assert [task.status for task in done if isinstance(task, Task)] == ["completed"] * 3


@TROUBLES
def test_many_fails_count_once(client: Orchestrion, network: Network, fate: Fate) -> None:
    leases = [held(client) for _ in range(3)]
    network.fail(fate)

    failed = client.tasks.fail_many(
        Failure(id=lease.task.id, lease_token=lease.lease_token, reason="broken")
        for lease in leases
    )

    assert [task.attempt_count for task in failed if isinstance(task, Task)] == [1] * 3


@TROUBLES
def test_many_heartbeats_renew(client: Orchestrion, network: Network, fate: Fate) -> None:
    leases = [held(client) for _ in range(3)]
    network.fail(fate)

    renewed = client.tasks.heartbeat_many(
        Beat(id=lease.task.id, lease_token=lease.lease_token) for lease in leases
    )

    assert all(task.last_heartbeat_at for task in renewed if isinstance(task, Task))


Read = Callable[[Orchestrion, str], object]
READS: dict[str, Read] = {
    "get": lambda client, task_id: client.tasks.get(task_id),
    "list": lambda client, _: client.tasks.list(),
    "iter": lambda client, _: list(client.tasks.iter()),
    "explain": lambda client, task_id: client.tasks.explain(task_id),
    "wait": lambda client, task_id: client.tasks.wait(task_id),
    "plan": lambda client, _: client.plan.show(),
    "plans": lambda client, _: client.plan.list(),
    "health": lambda client, _: client.health(),
}


@TROUBLES
@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_a_read_is_repeated(client: Orchestrion, network: Network, fate: Fate, read: Read) -> None:
    task = client.tasks.create(TYPE, {})
    client.tasks.cancel(task.id)
    network.fail(fate)

    assert read(client, task.id)


@pytest.mark.parametrize("fate", [LOST, LATE, DROPPED], ids=["lost", "late", "dropped"])
def test_a_requeue_that_may_have_happened_is_not_repeated(
    client: Orchestrion, network: Network, fate: Fate, retries: list[RetryNote]
) -> None:
    lease = held(client, max_attempts=1)
    client.tasks.fail(lease.task.id, lease.lease_token, "broken")
    network.fail(fate)

    with pytest.raises(ConnectionFailed, match="may have taken effect") as caught:
        client.tasks.requeue(lease.task.id)

    assert caught.value.sent
    assert retries == []


def test_what_surely_was_not_sent_is_repeated_whatever_it_is(
    client: Orchestrion, network: Network, application: Application
) -> None:
    lease = held(client, max_attempts=1)
    client.tasks.fail(lease.task.id, lease.lease_token, "broken")
    network.fail(UNSENT, UNSENT)

    assert client.tasks.requeue(lease.task.id).status == "pending"
    network.fail(UNSENT)
    assert client.keys.register().account_id != application.account.id


def test_a_registration_that_may_have_happened_is_not_repeated(
    client: Orchestrion, network: Network
) -> None:
    network.fail(LOST)

    with pytest.raises(ConnectionFailed):
        client.keys.register()

    assert network.paths == ["POST /v1/keys/register"]


@pytest.mark.parametrize("verb", ["fail", "release", "fail_many"])
def test_giving_back_what_somebody_claimed_since_is_no_error(
    client: Orchestrion, application: Application, network: Network, verb: str
) -> None:
    lease = held(client)
    identity, token = lease.task.id, lease.lease_token
    network.fail(LOST)

    def another_worker_claims(_: RetryNote) -> None:
        application.ask("POST", f"/v1/tasks/{identity}/claim", {"worker_id": "another"})

    client.exchange.on_retry = another_worker_claims
    match verb:
        case "fail":
            task = client.tasks.fail(identity, token, "broken")
        case "release":
            task = client.tasks.release(identity, token)
        case _:
            failure = Failure(id=identity, lease_token=token, reason="broken")
            (outcome,) = client.tasks.fail_many([failure])
            assert isinstance(outcome, Task)
            task = outcome

    assert (task.status, task.claimed_by) == ("claimed", "another")


def test_giving_back_a_lease_that_was_lost_before_is_an_error(
    client: Orchestrion, application: Application, network: Network
) -> None:
    lease = held(client, lease_seconds=30)
    application.pass_time(31)
    application.ask("POST", f"/v1/tasks/{lease.task.id}/claim", {})

    with pytest.raises(LeaseExpired):
        client.tasks.fail(lease.task.id, lease.lease_token, "broken")
    assert len(network.paths) == 3


def test_a_cancel_that_came_too_late_is_an_error_however_often_it_is_sent(
    client: Orchestrion, network: Network
) -> None:
    lease = held(client)
    client.tasks.complete(lease.task.id, lease.lease_token)
    network.fail(DROPPED)

    with pytest.raises(InvalidTransition):
        client.tasks.cancel(lease.task.id)


def test_giving_up_tells_that_nobody_answered(
    connect: Callable[..., Orchestrion], network: Network
) -> None:
    client = connect(max_retries=1)
    network.fail(UNSENT, UNSENT)

    with pytest.raises(ConnectionFailed, match=r"no answer in 2 tries.*Next: see that") as caught:
        client.tasks.list()

    assert not caught.value.sent
    assert not isinstance(caught.value, Timeout)


def test_giving_up_after_a_silence_is_a_timeout(
    connect: Callable[..., Orchestrion], network: Network
) -> None:
    client = connect(max_retries=0)
    network.fail(LATE)

    with pytest.raises(RequestTimeout) as caught:
        client.tasks.list()

    assert isinstance(caught.value, ConnectionFailed | TimeoutError | OrchestrionError)


def test_each_repeat_is_told_before_its_pause(
    client: Orchestrion, network: Network, retries: list[RetryNote]
) -> None:
    network.fail(UNSENT, LOST)

    client.tasks.list()

    assert [(note.retry, note.path, note.trouble.sent) for note in retries] == [
        (1, "/v1/tasks", False),
        (2, "/v1/tasks", True),
    ]
