"""What readers are given: pages, look-ups and lists for the jobs, in the same order everywhere."""

from itertools import product
from random import Random

import pytest

from orchestrion.core.ids import AccountId, TaskId, ulid
from orchestrion.core.instants import DAY, Instant
from orchestrion.core.listing import PageQuery
from orchestrion.core.task import ENDED, Status, Task
from orchestrion.core.view import IdempotencyRow
from tests.databases import Database, add_accounts, add_idempotency, add_key, add_tasks, revoke_key
from tests.engine.engines import Engine
from tests.factories import ACCOUNT_ID, OTHER_ACCOUNT_ID, a_task, a_task_id, an_account

WORKERS = ("w", "W", "ŵ", "w ")
TYPES = ("report", "Report", "report-2")
# By bytes; a locale would put capitals beside small letters and pass over hyphens.
ACCOUNTS = [AccountId(f"acct_{name}") for name in ("0", "A", "Z", "_", "a", "aa", "b-", "ba")]


@pytest.fixture
def tasks(engine: Engine) -> list[Task]:
    """Tasks in every state, of two accounts, several types and workers, newest first."""
    random = Random(11)
    found = [
        a_task(
            random.choice(list(Status)),
            account_id=random.choice([ACCOUNT_ID, ACCOUNT_ID, OTHER_ACCOUNT_ID]),
            id=a_task_id(number),
            type=random.choice(TYPES),
            claimed_by=random.choice([None, *WORKERS]),
        )
        for number in random.sample(range(10**6), 200)
    ]
    add_accounts(engine.database, an_account(id=OTHER_ACCOUNT_ID))
    add_tasks(engine.database, found)
    return sorted(found, key=lambda task: task.id, reverse=True)


@pytest.mark.parametrize("limit", [1, 7, 100])
async def test_pages_of_every_filter_add_up_to_what_it_names(
    limit: int, engine: Engine, tasks: list[Task]
) -> None:
    for status, type_, worker in product(
        (None, *Status), (None, TYPES[1], "none"), (None, WORKERS[1], "")
    ):
        query = PageQuery(
            account_id=ACCOUNT_ID, limit=limit, status=status, type=type_, claimed_by=worker
        )
        wanted = [
            task
            for task in tasks
            if task.account_id == ACCOUNT_ID
            and status in (None, task.status)
            and type_ in (None, task.type)
            and worker in (None, task.claimed_by)
        ]
        assert await scan(engine, query) == wanted


async def scan(engine: Engine, query: PageQuery) -> list[Task]:
    found: list[Task] = []
    while page := (await engine.reader.page(query)).tasks:
        assert len(page) <= query.limit
        found += page
        query = PageQuery(
            account_id=query.account_id,
            limit=query.limit,
            status=query.status,
            type=query.type,
            claimed_by=query.claimed_by,
            before=page[-1].id,
        )
    return found


async def test_a_task_is_read_by_its_own_account_only(engine: Engine, tasks: list[Task]) -> None:
    task = tasks[0]
    stranger = ACCOUNT_ID if task.account_id == OTHER_ACCOUNT_ID else OTHER_ACCOUNT_ID

    own = await engine.reader.task(task.account_id, task.id)
    foreign = await engine.reader.task(stranger, task.id)
    unknown = await engine.reader.task(task.account_id, TaskId("tsk_unknown"))

    assert own.tasks == [task]
    assert foreign.tasks == unknown.tasks == []
    assert own.now == foreign.now == engine.clock.now()


async def test_tasks_are_counted_by_status(engine: Engine, tasks: list[Task]) -> None:
    counts = await engine.reader.counts()

    assert counts == {one: sum(task.status is one for task in tasks) for one in Status}


async def test_without_a_task_every_status_counts_none(engine: Engine) -> None:
    assert await engine.reader.counts() == dict.fromkeys(Status, 0)


# --- keys


async def test_a_key_is_known_until_it_is_revoked(engine: Engine) -> None:
    key, key_id = add_key(engine.database, ACCOUNT_ID)
    ((digest,),) = engine.database.fetch("select hash from api_keys where id = $1", key_id)

    known = await engine.reader.principal(digest)
    revoke_key(engine.database, key_id)

    assert known is not None
    assert (known.account_id, known.key_id, known.plan) == (ACCOUNT_ID, key_id, "free")
    assert await engine.reader.principal(digest) is None
    assert await engine.reader.principal(key.encode()) is None


# --- for the jobs


def add_crowd(database: Database, status: Status, count: int, **changes: object) -> None:
    """Give each of several accounts tasks of a status."""
    add_accounts(database, *(an_account(id=one) for one in ACCOUNTS))
    add_tasks(
        database,
        (
            a_task(status, account_id=one, id=a_task_id(number), **changes)
            for one in ACCOUNTS
            for number in range(count)
        ),
    )


async def test_overdue_leases_are_named_account_by_account(engine: Engine) -> None:
    now = engine.clock.now()
    add_crowd(engine.database, Status.CLAIMED, 3, lease_expires_at=now)
    live = a_task(
        Status.CLAIMED,
        account_id=ACCOUNTS[0],
        id=a_task_id(9),
        lease_expires_at=Instant(now + 1),
    )
    add_tasks(engine.database, [live])

    every = await engine.reader.overdue(1_000)
    some = await engine.reader.overdue(7)

    assert sorted(every) == [(one, a_task_id(n)) for one in sorted(ACCOUNTS) for n in range(3)]
    assert [account_id for account_id, _ in every] == sorted(ACCOUNTS * 3)
    assert len(some) == 7
    assert set(some) <= set(every)


async def test_the_longest_overdue_of_an_account_come_first(engine: Engine) -> None:
    now = engine.clock.now()
    add_tasks(
        engine.database,
        (
            a_task(Status.CLAIMED, id=a_task_id(n), lease_expires_at=Instant(now - ago))
            for n, ago in enumerate((5, 9, 1, 7, 0))
        ),
    )

    found = await engine.reader.overdue(3)

    assert [task_id for _, task_id in found] == [a_task_id(n) for n in (1, 3, 0)]


async def test_accounts_with_ended_tasks_follow_each_other_by_the_bytes_of_their_ids(
    engine: Engine,
) -> None:
    for status in sorted(ENDED):
        add_crowd_of_one_status(engine.database, status)

    met, after = [], AccountId("")
    while account := await engine.reader.account_with_ended(after):
        after = account.id
        met.append(after)

    assert met == sorted(ACCOUNTS)


def add_crowd_of_one_status(database: Database, status: Status) -> None:
    add_accounts(database, *(an_account(id=one) for one in ACCOUNTS))
    offset = sorted(Status).index(status)
    add_tasks(
        database,
        (
            a_task(status, account_id=one, id=a_task_id(offset))
            for number, one in enumerate(ACCOUNTS)
            if number % len(ENDED) == sorted(ENDED).index(status)
        ),
    )


async def test_ended_tasks_are_named_up_to_the_very_instant(engine: Engine) -> None:
    cutoff = Instant(engine.clock.now() - 30 * DAY)
    tasks = [
        a_task(
            status,
            id=TaskId("tsk_" + ulid(Instant(cutoff - 10), 10 * number + late + 1)),
            updated_at=Instant(cutoff + late),
        )
        for number, status in enumerate(sorted(Status))
        for late in (-1, 0, 1)
    ]
    add_tasks(engine.database, tasks)

    every = await engine.reader.ended_before(ACCOUNT_ID, cutoff, 100)
    some = await engine.reader.ended_before(ACCOUNT_ID, cutoff, 4)

    ended = {one.id for one in tasks if one.status in ENDED and one.updated_at <= cutoff}
    assert set(every) == ended
    assert len(every) == len(ended)
    assert len(some) == 4
    assert set(some) <= ended


async def test_old_idempotency_keys_are_named_up_to_the_very_instant(engine: Engine) -> None:
    cutoff = Instant(engine.clock.now() - 7 * DAY)
    add_accounts(engine.database, *(an_account(id=one) for one in ACCOUNTS))
    kept = [
        IdempotencyRow(
            account_id=one,
            key=f"key {late}",
            request_digest=b"\0\xff",
            created_at=Instant(cutoff + late),
            first=a_task(account_id=one),
        )
        for one in ACCOUNTS
        for late in (-1, 0, 1)
    ]
    add_idempotency(engine.database, kept)

    every = await engine.reader.idempotency_keys_before(cutoff, 1_000)
    some = await engine.reader.idempotency_keys_before(cutoff, 5)

    assert sorted(every) == sorted((one, f"key {late}") for one in ACCOUNTS for late in (-1, 0))
    assert len(some) == 5
    assert set(some) <= set(every)


async def test_the_state_of_every_database_has_its_size(engine: Engine) -> None:
    state = await engine.reader.state()

    assert state.size_bytes > 0
