"""A claim as a block of code: the lease is kept meanwhile, and ends as the block ends."""

import time
from collections.abc import Callable

import pytest

from orchestrion.client.errors import ConnectionFailed, InvalidRequest, LeaseExpired
from orchestrion.client.keeping import Keeper
from orchestrion.client.leases import Lease
from orchestrion.client.sync import Orchestrion
from tests.client.application import LOST, UNSENT, Application, Network, answered

TYPE = "report"
PATIENCE_SECONDS = 10


class Clock:
    """The keeper's clock, which a test moves."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock(client: Orchestrion) -> Clock:
    """Give the client a keeper whose clock stands still."""
    clock = Clock()
    client.keeper = Keeper(client.beat, clock=clock)
    return clock


def until(seen: Callable[[], object]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not seen():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def pass_time(client: Orchestrion, clock: Clock, seconds: float) -> None:
    """Move the keeper's clock."""
    clock.seconds += seconds
    client.keeper.wake()


def the_lease(lease: Lease | None) -> Lease:
    """Give what was claimed."""
    assert lease is not None
    return lease


def test_nothing_to_claim_is_none(client: Orchestrion) -> None:
    with client.claim(TYPE) as lease:
        assert lease is None


def test_leaving_completes_with_the_result(client: Orchestrion) -> None:
    task = client.tasks.create(TYPE, {"n": 1})

    with client.claim(TYPE, worker_id="agent-7") as lease:
        held = the_lease(lease)
        assert (held.task.claimed_by, held.task.payload) == ("agent-7", {"n": 1})
        held.result = {"words": 3}
        held.output_id = "out-1"

    done = client.tasks.get(task.id)
    assert (done.status, done.result, done.output_id) == ("completed", {"words": 3}, "out-1")


def test_the_first_of_several_types_is_claimed(client: Orchestrion) -> None:
    client.tasks.create("second", {})

    with client.claim("first", "second") as lease:
        assert the_lease(lease).task.type == "second"


def test_an_exception_fails_the_task_and_goes_on(client: Orchestrion) -> None:
    task = client.tasks.create(TYPE, {})

    with pytest.raises(RuntimeError, match="broken"), client.claim(TYPE):
        raise RuntimeError("broken" + "!" * 600)

    failed = client.tasks.get(task.id)
    assert failed.status == "pending"
    assert failed.last_failure_reason == ("RuntimeError: broken" + "!" * 600)[:500]


def test_an_interrupt_spends_no_attempt(client: Orchestrion) -> None:
    task = client.tasks.create(TYPE, {})

    with pytest.raises(KeyboardInterrupt), client.claim(TYPE):
        raise KeyboardInterrupt

    released = client.tasks.get(task.id)
    assert (released.status, released.attempt_count) == ("pending", 0)


def test_the_lease_is_renewed_while_the_block_runs(client: Orchestrion, clock: Clock) -> None:
    task = client.tasks.create(TYPE, {}, lease_seconds=30)

    with client.claim(TYPE) as lease:
        assert client.tasks.get(task.id).last_heartbeat_at is None
        pass_time(client, clock, 12)
        until(lambda: client.tasks.get(task.id).last_heartbeat_at)
        assert not the_lease(lease).lost

    assert client.tasks.get(task.id).status == "completed"


def test_a_lost_lease_is_never_completed(
    client: Orchestrion, clock: Clock, application: Application, network: Network
) -> None:
    task = client.tasks.create(TYPE, {}, lease_seconds=30)

    def work() -> None:
        with client.claim(TYPE) as lease:
            application.pass_time(31)
            pass_time(client, clock, 12)
            until(lambda: the_lease(lease).lost)
            with pytest.raises(LeaseExpired):
                the_lease(lease).raise_if_lost()

    with pytest.raises(LeaseExpired, match=r"was lost.*Next: Stop working"):
        work()

    assert client.tasks.get(task.id).status == "pending"
    assert f"POST /v1/tasks/{task.id}/complete" not in network.paths


def test_an_error_in_a_lost_block_is_the_one_that_is_raised(
    client: Orchestrion, clock: Clock, application: Application, network: Network
) -> None:
    task = client.tasks.create(TYPE, {}, lease_seconds=30)

    def work() -> None:
        with client.claim(TYPE) as lease:
            application.pass_time(31)
            pass_time(client, clock, 12)
            until(lambda: the_lease(lease).lost)
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken") as caught:
        work()

    assert caught.value.__notes__ == [f"The lease on {task.id} was lost before."]
    assert f"POST /v1/tasks/{task.id}/fail" not in network.paths


@pytest.mark.parametrize("given_back", [True, False], ids=["given back", "over"])
def test_a_lease_nobody_noticed_was_lost_is_told_on_leaving(
    client: Orchestrion, application: Application, *, given_back: bool
) -> None:
    client.tasks.create(TYPE, {}, lease_seconds=30)
    lose = application.pass_time if given_back else application.harness.clock.advance

    with pytest.raises(LeaseExpired), client.claim(TYPE):
        lose(31)


def test_a_cancel_is_heard_of_in_the_block(client: Orchestrion, clock: Clock) -> None:
    task = client.tasks.create(TYPE, {})

    def work() -> None:
        with client.claim(TYPE) as lease:
            assert not the_lease(lease).cancel_requested
            client.tasks.cancel(task.id, force=True)
            pass_time(client, clock, 150)
            until(lambda: the_lease(lease).cancel_requested)
            raise RuntimeError("stopped as asked")

    with pytest.raises(RuntimeError):
        work()

    assert client.tasks.get(task.id).status == "cancelled"


def test_a_complete_whose_answer_is_lost_is_no_error(client: Orchestrion, network: Network) -> None:
    task = client.tasks.create(TYPE, {})

    with client.claim(TYPE) as lease:
        the_lease(lease).result = {"n": 1}
        network.fail(LOST)

    assert client.tasks.get(task.id).status == "completed"


@pytest.mark.parametrize(
    ("result", "error"),
    [({"n": float("nan")}, ValueError), ({"n": object()}, TypeError), ([1], InvalidRequest)],
    ids=["nan", "object", "list"],
)
def test_a_result_that_cannot_be_sent_fails_the_task(
    client: Orchestrion, result: object, error: type[Exception]
) -> None:
    task = client.tasks.create(TYPE, {})

    with pytest.raises(error), client.claim(TYPE) as lease:
        the_lease(lease).result = result  # type: ignore[assignment]

    failed = client.tasks.get(task.id)
    assert failed.status == "pending"
    assert failed.last_failure_reason is not None
    assert failed.last_failure_reason.startswith(f"{error.__name__}: ")


def test_a_failure_that_cannot_be_told_is_noted_on_the_error(
    connect: Callable[..., Orchestrion], network: Network
) -> None:
    client = connect(max_retries=0)
    client.tasks.create(TYPE, {})

    def work() -> None:
        with client.claim(TYPE):
            network.fail(UNSENT)
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError) as caught:
        work()

    (note,) = caught.value.__notes__
    assert note.startswith("The task could not be given back: ")


def test_a_completion_that_cannot_be_told_is_an_error(
    connect: Callable[..., Orchestrion], network: Network
) -> None:
    client = connect(max_retries=0)
    client.tasks.create(TYPE, {})

    with pytest.raises(ConnectionFailed), client.claim(TYPE):
        network.fail(UNSENT)


def test_a_refused_claim_is_raised_before_the_block(client: Orchestrion, network: Network) -> None:
    with pytest.raises(InvalidRequest), client.claim("no such type!"):
        pytest.fail("the block must not run")
    assert network.paths == ["POST /v1/tasks/claim"]


def test_no_heartbeat_follows_the_end_of_the_block(
    client: Orchestrion, clock: Clock, network: Network
) -> None:
    client.tasks.create(TYPE, {})
    with client.claim(TYPE):
        pass
    network.fail(answered(500))

    pass_time(client, clock, 1000)

    assert client.keeper.pulse.sent == client.keeper.pulse.failed == 0
    assert len(network.fates) == 1
