"""What is past its time goes, in bounded batches; nothing else does."""

import pytest
from msgspec.structs import replace

from orchestrion.core.ids import AccountId, TaskId, ulid
from orchestrion.core.instants import DAY, Instant
from orchestrion.core.limits import PURGE_BATCH_MAX
from orchestrion.core.plans import HOSTED
from orchestrion.core.task import Status
from orchestrion.core.view import IdempotencyRow
from orchestrion.engine.overload import QueueLimits
from orchestrion.jobs import purge
from orchestrion.service import ServiceOptions
from tests.databases import Database, add_accounts, add_idempotency, add_tasks, count
from tests.factories import a_task, an_account
from tests.harness import Account, Harness, running
from tests.http.callers import Caller, ok

ENDED = (Status.COMPLETED, Status.DEAD_LETTER, Status.CANCELLED)


@pytest.fixture
def caller(service: Harness, account: Account) -> Caller:
    return Caller(service, account)


class Past:
    """Writes rows of any age into a service's database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._made = 0

    def add(self, account_id: str, status: Status, days: float, count: int = 1) -> None:
        """Write tasks that were made and last changed so many days ago."""
        then = self._then(days)
        add_tasks(
            self._database,
            (
                a_task(
                    status,
                    account_id=AccountId(account_id),
                    id=TaskId("tsk_" + ulid(then, self._made + number)),
                    created_at=then,
                    updated_at=then,
                )
                for number in range(count)
            ),
        )
        self._made += count

    def add_keys(self, account_id: str, days: float, count: int) -> None:
        """Write idempotency keys made so many days ago."""
        then = self._then(days)
        add_idempotency(
            self._database,
            (
                IdempotencyRow(
                    account_id=AccountId(account_id),
                    key=f"key {self._made + number}",
                    request_digest=b"",
                    created_at=then,
                    first=a_task(),
                )
                for number in range(count)
            ),
        )
        self._made += count

    def count(self, sql: str) -> int:
        """Ask the database for a number."""
        return count(self._database, sql)

    def _then(self, days: float) -> Instant:
        return Instant(int(self._database.clock.now() - days * DAY))


@pytest.fixture
def past(database: Database) -> Past:
    return Past(database)


TASKS = "select count(*) from tasks"
KEYS = "select count(*) from idempotency_keys"


@pytest.mark.parametrize("status", ENDED)
async def test_ended_tasks_go_after_thirty_days(
    service: Harness, account: Account, past: Past, status: Status
) -> None:
    past.add(account.id, status, days=30)
    past.add(account.id, status, days=29.999)

    await service.run_job(purge.FINISHED)

    assert past.count(TASKS) == 1


@pytest.mark.parametrize("status", [Status.PENDING, Status.CLAIMED])
async def test_tasks_that_have_not_ended_never_go(
    service: Harness, account: Account, past: Past, status: Status
) -> None:
    past.add(account.id, status, days=4_000)

    await service.run_job(purge.FINISHED)

    assert past.count(TASKS) == 1


async def test_a_task_made_long_ago_that_ended_lately_stays(
    service: Harness, caller: Caller
) -> None:
    held = (await caller.held())["task"]
    service.clock.advance(300)
    service.clock.advance(40 * 86_400)
    claimed = ok(await caller.claim_next())["task"]
    ok(await caller.do("complete", claimed["id"]))
    service.clock.advance(29 * 86_400)

    await service.run_job(purge.FINISHED)
    kept = await caller.show(held["id"])
    service.clock.advance(86_400)
    await service.run_job(purge.FINISHED)
    gone = await caller.show(held["id"])

    assert (kept.status_code, gone.status_code) == (200, 404)


async def test_each_account_keeps_by_its_own_plan(database: Database) -> None:
    async with running(database, ServiceOptions(catalogue=HOSTED)) as service:
        past = Past(database)
        ends = Instant(service.clock.now() + DAY)
        for number, plan in enumerate(HOSTED.plans):
            owner = an_account(plan, id=AccountId(f"acct_{number}"), plan_expires_at=ends)
            add_accounts(database, replace(owner, plan_expires_at=None if plan == "free" else ends))
            for days in (6, 8, 29, 31, 59, 61, 89, 91):
                past.add(owner.id, Status.COMPLETED, days)

        await service.run_job(purge.FINISHED)

        left = [
            past.count(f"{TASKS} where account_id = 'acct_{number}'")
            for number in range(len(HOSTED.plans))
        ]
        assert dict(zip(HOSTED.plans, left, strict=True)) == {
            "free": 1,
            "basic": 3,
            "pro": 5,
            "agency": 7,
        }


async def test_many_go_in_bounded_batches(service: Harness, account: Account, past: Past) -> None:
    other = await service.account()
    for status in ENDED:
        past.add(account.id, status, days=31, count=PURGE_BATCH_MAX)
        past.add(account.id, status, days=1, count=10)
    past.add(other.id, Status.COMPLETED, days=31, count=PURGE_BATCH_MAX + 1)
    before = service.backend.store.commits

    await service.run_job(purge.FINISHED)

    assert past.count(TASKS) == 30
    assert service.backend.store.commits - before == 5


async def test_a_purge_with_nothing_to_do_writes_nothing(
    service: Harness, account: Account, past: Past
) -> None:
    past.add(account.id, Status.COMPLETED, days=1, count=10)
    past.add_keys(account.id, days=1, count=10)
    before = service.backend.store.commits

    await service.run_job(purge.FINISHED)
    await service.run_job(purge.KEYS)

    assert service.backend.store.commits == before


async def test_idempotency_keys_go_after_seven_days(
    service: Harness, account: Account, past: Past
) -> None:
    past.add_keys(account.id, days=7, count=2 * PURGE_BATCH_MAX + 5)
    past.add_keys(account.id, days=6.999, count=3)
    before = service.backend.store.commits

    await service.run_job(purge.KEYS)

    assert past.count(KEYS) == 3
    assert service.backend.store.commits - before == 3


async def test_a_key_that_went_makes_a_new_task(service: Harness, caller: Caller) -> None:
    first = await caller.task(idempotencyKey="once")
    service.clock.advance(7 * 86_400)
    await service.run_job(purge.KEYS)

    again = await caller.create(idempotencyKey="once")

    assert again.status_code == 201
    assert again.json()["id"] != first["id"]
    assert "idempotent-replayed" not in again.headers


async def test_a_replay_outlives_its_task(service: Harness, caller: Caller, past: Past) -> None:
    """The answer is remembered for seven days, whatever became of the task."""
    first = await caller.task(idempotencyKey="once")
    ok(await caller.do("cancel", first["id"]))
    assert past.count(TASKS) == 1
    service.clock.advance(6 * 86_400)

    repeated = await caller.create(idempotencyKey="once")

    assert repeated.headers["idempotent-replayed"] == "true"
    assert repeated.json()["id"] == first["id"]


@pytest.mark.parametrize("job", [purge.FINISHED, purge.KEYS])
async def test_a_purge_that_is_turned_away_counts_as_failed(database: Database, job: str) -> None:
    options = ServiceOptions(queue=QueueLimits(queue_max=10, create_share=0.0))
    async with running(database) as first:
        account = await first.account()
        past = Past(database)
        past.add(account.id, Status.COMPLETED, days=31)
        past.add_keys(account.id, days=8, count=1)

    async with running(database, options) as service:
        await service.run_job(job)

        assert [event for event, _, _ in service.observer.faults] == [f"job_{job}_failed"]
        assert (past.count(TASKS), past.count(KEYS)) == (1, 1)


async def test_a_run_looks_at_a_bounded_number_of_accounts_and_goes_on_from_there(
    service: Harness, monkeypatch: pytest.MonkeyPatch, past: Past
) -> None:
    monkeypatch.setattr(purge, "ACCOUNTS_MAX", 2)
    accounts = [await service.account() for _ in range(3)]
    for account in accounts:
        past.add(account.id, Status.COMPLETED, days=31)

    left = []
    for _ in range(2):
        await service.run_job(purge.FINISHED)
        left.append(past.count("select count(*) from tasks"))

    assert left == [1, 0]
