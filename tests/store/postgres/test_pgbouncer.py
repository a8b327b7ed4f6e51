"""The service behind PgBouncer in transaction mode, where a session is lent for a transaction."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from msgspec.structs import astuple

from orchestrion.core.account import Account, RequestCount
from orchestrion.core.asking import Asks
from orchestrion.core.faults import Poison, StoreRefused, Unavailable
from orchestrion.core.ids import AccountId, KeyId
from orchestrion.core.instants import DAY, HOUR, Instant
from orchestrion.core.listing import PageQuery
from orchestrion.core.plans import SELF_HOSTED, Catalogue
from orchestrion.core.purchase import FIRST_UNSETTLED
from orchestrion.core.stats import Counts, Happened
from orchestrion.core.task import Status
from orchestrion.core.view import IdempotencyRow
from orchestrion.engine.ports import Reader
from orchestrion.store import rows
from orchestrion.store.postgres.backend import open_backend
from orchestrion.store.postgres.connecting import Pool, begin, commit
from orchestrion.store.postgres.faults import DRIVER_ERRORS
from orchestrion.store.postgres.migrating import prepare
from orchestrion.store.postgres.place import LONG_READER, READER, Place, Role
from tests.databases import (
    Backend,
    Databases,
    PostgresDatabase,
    add_idempotency,
    add_key,
    add_purchases,
    add_tasks,
)
from tests.factories import ACCOUNT, ACCOUNT_ID, NOW, a_purchase, a_task, a_task_id
from tests.harness import running
from tests.http.callers import Caller, ok, stranger
from tests.pgbouncer import SESSIONS, Manner, PgBouncer

pytestmark = pytest.mark.pgbouncer
BACK_SECONDS = 10
TASKS = 60
# Due to be settled at any time.
PURCHASE = a_purchase(expires_at=Instant(HOUR))
# The pause holds a session, so that others get another one.
LEFT_BEHIND = """
select pg_sleep(0.1), current_setting('statement_timeout'), current_setting('lock_timeout'),
  current_setting('enable_seqscan'), (select count(*) from pg_prepared_statements where name <> '')
"""
NOTHING = {("0", "0", "on", 0)}
# Refuses every read of a table, and says under which settings it was made.
TELLING = """
alter table {table} rename to kept;
create function told() returns boolean stable language plpgsql as
  $$ begin raise exception '%', (
    select string_agg(name || '=' || setting, ' ' order by name) from pg_settings
    where name in ({names})
  ); end $$;
create view {table} as select * from kept where told()
"""
# What says who is connected and how a dead one is noticed; the pooler has its own.
OF_A_SESSION = ("application_name", "tcp_")
SCANS = """
select relname::text, seq_scan, idx_scan
from pg_stat_user_tables where relname <> 'schema_migrations'
"""
SESSIONS_OF_DATABASE = "select from pg_stat_activity where datname = current_database()"
Read = Callable[[Reader], Awaitable[object]]


class Pooled(PostgresDatabase):
    """A database that servers open through the pooler."""

    pooler: PgBouncer

    @property
    def place(self) -> Place:
        """Where servers find it."""
        name = self.url.rpartition("/")[2]
        return Place(url=self.pooler.url(name), pooler="transaction", writers=2)

    async def open(self, catalogue: Catalogue = SELF_HOSTED) -> Backend:
        return await open_backend(self.place, lambda _: self.clock, catalogue, self.clock)


@pytest.fixture(scope="module")
def pooler(databases: Databases) -> Iterator[PgBouncer]:
    """Run a pooler before the test server."""
    with PgBouncer(databases.postgres.url) as pooler:
        yield pooler


@pytest.fixture
def pooled(databases: Databases, pooler: PgBouncer) -> Iterator[Pooled]:
    """Lend a database behind the pooler."""
    with databases.postgres.made() as database:
        pooled = Pooled(databases.postgres.desk, database.url)
        pooled.pooler = pooler
        yield pooled
        pooled.close()


@asynccontextmanager
async def caller_on(database: Pooled) -> AsyncIterator[Caller]:
    async with running(database) as service:
        yield await stranger(service)


async def test_a_new_database_is_prepared_through_the_pooler(
    databases: Databases, pooler: PgBouncer
) -> None:
    name = databases.postgres.bare().rpartition("/")[2]
    place = Place(url=pooler.url(name), pooler="transaction")

    await prepare(place)
    await prepare(place)


async def test_a_task_lives_its_life(pooled: Pooled) -> None:
    async with caller_on(pooled) as caller:
        created = ok(await caller.create({"Idempotency-Key": "one"}), 201)
        repeated = ok(await caller.create({"Idempotency-Key": "one"}), 201)
        claim = ok(await caller.claim_next())
        token = claim["lease_token"]
        beaten = ok(await caller.do("heartbeat", created["id"], lease_token=token))
        completed = ok(await caller.do("complete", created["id"], lease_token=token))
        listed = ok(await caller.read("/v1/tasks?status=completed"))

    assert repeated["id"] == claim["task"]["id"] == beaten["id"] == created["id"]
    assert completed["status"] == "completed"
    assert [task["id"] for task in listed["items"]] == [created["id"]]


async def test_two_servers_share_the_sessions_and_no_task_goes_to_two(pooled: Pooled) -> None:
    async with AsyncExitStack() as stack:
        services = [await stack.enter_async_context(running(pooled)) for _ in range(2)]
        account = await services[0].account()
        first, second = (Caller(each, account).unchecked() for each in services)
        await asyncio.gather(*(first.task(type="a") for _ in range(TASKS)))

        claims = await asyncio.gather(
            *(each.claim_next("a") for each in (first, second) for _ in range(TASKS // 2))
        )
        taken = [ok(claim)["task"] for claim in claims]
        ends = await asyncio.gather(
            *(
                second.do("complete", ok(claim)["task"]["id"], lease_token=ok(claim)["lease_token"])
                for claim in claims
            )
        )

    assert len({task["id"] for task in taken}) == TASKS
    assert {ok(end)["status"] for end in ends} == {"completed"}
    assert await _settings_left_behind(pooled) == NOTHING


async def test_background_jobs_run(pooled: Pooled) -> None:
    async with running(pooled) as service:
        caller = await stranger(service)
        claim = await caller.held(leaseDurationSeconds=30)
        service.clock.advance(31)

        for job in service.jobs:
            await service.run_job(job.name)

        assert ok(await caller.show(claim["task"]["id"]))["status"] == "pending"


async def test_a_transaction_is_limited_and_leaves_no_limit_behind(pooled: Pooled) -> None:
    pool = Pool(pooled.place, 1)
    async with pool.connection() as session:
        await begin(session)
        within = await session.fetchval("select current_setting('lock_timeout')")
        await commit(session)
    await pool.close()

    assert within == "2s"
    assert await _settings_left_behind(pooled) == NOTHING


@pytest.mark.parametrize(
    ("table", "role", "read"),
    [
        ("accounts", READER, lambda reader: reader.account(ACCOUNT_ID)),
        ("tasks", LONG_READER, lambda reader: reader.overdue(1)),
    ],
)
async def test_a_read_is_limited_and_planned_as_without_a_pooler(
    pooled: Pooled, table: str, role: Role, read: Read
) -> None:
    direct = Place(url=pooled.url).start_up(role).items()
    wanted = {name: value for name, value in direct if not name.startswith(OF_A_SESSION)}
    pooled.execute(TELLING.format(table=table, names=", ".join(f"'{name}'" for name in wanted)))
    backend = await pooled.open()

    with pytest.raises(Poison) as told:
        await read(backend.reader)

    await backend.close()
    found = dict(pair.split("=") for pair in str(told.value).split() if "=" in pair)
    assert found == wanted
    assert await _settings_left_behind(pooled) == NOTHING


async def test_a_read_follows_an_index_where_a_small_table_is_read_whole_sooner(
    pooled: Pooled,
) -> None:
    key, _ = fill(pooled)
    pooled.execute("vacuum analyze")
    # What was read until now does not count.
    pooled.fetch("select pg_stat_force_next_flush()")
    pooled.fetch("select pg_stat_reset()")
    backend = await pooled.open()

    await read_everything(backend.reader, hashlib.sha256(key.encode()).digest())

    await backend.close()
    # Sessions tell what they read when they end.
    pooled.pooler.stop()
    pooled.pooler.start()
    async with asyncio.timeout(BACK_SECONDS):
        while len(pooled.fetch(SESSIONS_OF_DATABASE)) > 2:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
    found = {table: (whole, by_index) for table, whole, by_index in pooled.fetch(SCANS)}
    # A start reads all counters.
    assert {table for table, (whole, _) in found.items() if whole} == {"request_counts"}
    read_by_index = {table for table, (_, by_index) in found.items() if by_index}
    assert read_by_index == set(pooled.tables) - {"request_counts"}


def fill(database: PostgresDatabase) -> tuple[str, str]:
    """Write a row into every table."""
    database.insert("accounts", Account.__struct_fields__, [astuple(ACCOUNT)])
    add_tasks(database, [a_task(Status.COMPLETED, id=a_task_id(1))])
    first = a_task()
    add_idempotency(
        database,
        [
            IdempotencyRow(
                account_id=ACCOUNT_ID, key="one", request_digest=b"", created_at=NOW, first=first
            )
        ],
    )
    count = RequestCount(
        account_id=ACCOUNT_ID, key_id=KeyId("key_1"), kind="reads", window_at=NOW, count=1
    )
    database.insert("request_counts", RequestCount.__struct_fields__, [rows.count_row(count)])
    asks = Asks(account_id=ACCOUNT_ID, at={"report": NOW})
    database.insert("worker_asks", ("account_id", "asked"), [rows.asks_row(asks)])
    add_purchases(database, PURCHASE)
    database.insert(
        "task_counts",
        ("account_id", "type", *Counts.__struct_fields__),
        [(ACCOUNT_ID, "report", *[0] * len(Counts.__struct_fields__))],
    )
    database.insert(
        "task_minutes",
        ("account_id", "type", "minute_at", *Happened.__struct_fields__),
        [(ACCOUNT_ID, "", 0, *[1] * len(Happened.__struct_fields__))],
    )
    return add_key(database, ACCOUNT_ID)


async def read_everything(reader: Reader, key_hash: bytes) -> None:
    """Ask all that handlers and jobs ask, of rows that are there."""
    assert (await reader.task(ACCOUNT_ID, a_task_id(1))).tasks
    for status in (None, *Status):
        await reader.page(PageQuery(account_id=ACCOUNT_ID, limit=50, status=status))
    await reader.page(PageQuery(account_id=ACCOUNT_ID, limit=50, type="report"))
    assert (await reader.tasks(ACCOUNT_ID, [a_task_id(1)])).tasks
    assert await reader.marks(ACCOUNT_ID, [a_task_id(1)])
    await reader.next_due([(ACCOUNT_ID, "report")])
    await reader.type_state((ACCOUNT_ID, "report"))
    await reader.type_leases(ACCOUNT_ID, ["report"])
    assert await reader.types(ACCOUNT_ID, 10)
    await reader.ahead(a_task(), 10)
    await reader.leases(ACCOUNT_ID, 10)
    assert await reader.asks(ACCOUNT_ID)
    assert await reader.account(ACCOUNT_ID)
    assert await reader.principal(key_hash)
    assert await reader.request_counts(Instant(0))
    await reader.overdue(50)
    assert await reader.account_with_ended(AccountId(""))
    assert await reader.ended_before(ACCOUNT_ID, Instant(NOW + DAY), 50)
    assert await reader.idempotency_keys_before(NOW, 50)
    assert await reader.asks(ACCOUNT_ID)
    assert await reader.purchase(ACCOUNT_ID, PURCHASE.id) == PURCHASE
    assert await reader.newest_purchase(ACCOUNT_ID) == PURCHASE
    assert await reader.purchase_of_order(PURCHASE.order_id or "") == PURCHASE
    assert await reader.unsettled_purchases(FIRST_UNSETTLED, 50) == [PURCHASE]
    assert (await reader.task_counts(ACCOUNT_ID, 10)).by_type
    assert await reader.task_minutes(ACCOUNT_ID, [""], [Instant(0)])
    assert await reader.minutes_before(NOW, 50)
    assert await reader.idle_types(ACCOUNT_ID, 50) == ["report"]
    assert (await reader.counts())[Status.COMPLETED] == 1


async def test_a_read_that_was_refused_leaves_the_session_to_others(pooled: Pooled) -> None:
    pooled.execute("alter table accounts rename column plan to moved")
    backend = await pooled.open()
    for _ in range(SESSIONS + 1):
        with pytest.raises(Unavailable, match="plan"):
            await backend.reader.account(ACCOUNT_ID)
    pooled.execute("alter table accounts rename column moved to plan")

    assert await backend.reader.account(ACCOUNT_ID) is None
    await backend.close()


async def test_a_pooler_that_restarts_is_survived(pooled: Pooled) -> None:
    pool = Pool(pooled.place, 2)
    await pool.open()
    pooled.pooler.stop()
    assert not await _answered(pool)

    pooled.pooler.start()

    async with asyncio.timeout(BACK_SECONDS):
        while not await _answered(pool):  # noqa: ASYNC110 - the pooler sends no event
            await asyncio.sleep(0.01)
    await pool.close()


async def _look(pool: Pool) -> None:
    async with pool.connection() as session:
        await session.fetchval("select 1")


async def _answered(pool: Pool) -> bool:
    try:
        await _look(pool)
    except (Unavailable, *DRIVER_ERRORS):
        return False
    return True


async def _settings_left_behind(pooled: Pooled) -> set[tuple[object, ...]]:
    """Ask every session that the pooler holds, at once."""
    pool = Pool(pooled.place, SESSIONS)
    left = await asyncio.gather(*(_ask_slowly(pool) for _ in range(SESSIONS)))
    await pool.close()
    return set(left)


async def _ask_slowly(pool: Pool) -> tuple[object, ...]:
    async with pool.connection() as session:
        ((_, *settings),) = await session.fetch(LEFT_BEHIND)
        return tuple(settings)


# --- other modes, and mistakes


async def test_in_session_mode_a_task_lives_its_life_with_the_same_setting(
    databases: Databases,
) -> None:
    # A session for each connection of the service, and for operators.
    manner = Manner(mode="session", sessions=10)
    with (
        PgBouncer(databases.postgres.url, manner) as pooler,
        databases.postgres.made() as database,
    ):
        pooled = Pooled(databases.postgres.desk, database.url)
        pooled.pooler = pooler
        async with caller_on(pooled) as caller:
            created = ok(await caller.create(), 201)
            claim = ok(await caller.claim_next())
            ended = ok(await caller.do("complete", created["id"], lease_token=claim["lease_token"]))
        pooled.close()

    assert ended["status"] == "completed"


@pytest.mark.parametrize("mode", ["session", "transaction"])
async def test_without_the_setting_the_start_is_refused_at_once_and_told_of_it(
    databases: Databases, mode: str
) -> None:
    with PgBouncer(databases.postgres.url, Manner(mode=mode)) as pooler:
        name = databases.postgres.bare().rpartition("/")[2]

        with pytest.raises(StoreRefused, match="say --database-pooler transaction"):
            await prepare(Place(url=pooler.url(name), opening_seconds=1_000))


@pytest.mark.parametrize("password", ["", ":wrong"])
async def test_a_wrong_password_is_refused_at_once(databases: Databases, password: str) -> None:
    with PgBouncer(databases.postgres.url, Manner(auth="scram-sha-256")) as pooler:
        (pooler.folder / "users").write_text('"someone" "right"\n', "utf-8")
        pooler.stop()
        pooler.start()
        url = f"postgresql://someone{password}@127.0.0.1:{pooler.port}/postgres"

        with pytest.raises(StoreRefused, match="refuses the connection at 127"):
            await prepare(Place(url=url, pooler="transaction", opening_seconds=1_000))
