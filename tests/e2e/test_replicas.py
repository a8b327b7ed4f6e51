"""Two and three servers on one database: what one promises, they all keep together."""

import asyncio
import itertools
import json
import random
import subprocess
import time
from collections import Counter
from collections.abc import Awaitable, Iterator, Sequence
from datetime import datetime

import httpx2
import msgspec
import pytest

from tests.databases import Databases, PostgresDatabase
from tests.e2e.crew import until
from tests.e2e.fleet import Caller, Fleet, Json, calling, fleet_on, put_on_plan
from tests.e2e.serving import PATIENCE_SECONDS, PROGRAM, clean_variables

REPLICAS = 3
RACERS = 50
LIMIT = 17
WIDE = 1_000_000
REVOKED_SECONDS_MAX = 5
PAUSE_SECONDS = 0.01
CLIENTS = 12
PLANS = """
[plans.free]
name = "Wide"
price_usd = 0
max_workers = {wide}
tasks_per_cycle = {wide}
claims_per_hour = {wide}
creates_per_hour = {wide}
retention_days = 30

[plans.basic]
name = "Few tasks"
price_usd = 1
max_workers = {wide}
tasks_per_cycle = {limit}
claims_per_hour = {wide}
creates_per_hour = {wide}
retention_days = 30

[plans.pro]
name = "Slow"
price_usd = 2
max_workers = {wide}
tasks_per_cycle = {wide}
claims_per_hour = {limit}
creates_per_hour = {limit}
retention_days = 30

[plans.agency]
name = "Few workers"
price_usd = 3
max_workers = {limit}
tasks_per_cycle = {wide}
claims_per_hour = {wide}
creates_per_hour = {wide}
retention_days = 30
"""

OVERDUE = """
update tasks set lease_expires_at = floor(extract(epoch from clock_timestamp()) * 1000) - 1
where account_id = $1 and id = any($2) and status = 'claimed' returning id, lease_expires_at
"""


COUNT = "select count(*) from tasks where account_id = $1"
IDS = "select id from tasks where account_id = $1"
NOW = "select attempt_count, status from tasks where account_id = $1"
LEFT = "select 1 from left_lease"
AUDIT_TABLE = "create table left_lease (id text, attempt_count integer, status text)"
AUDIT_FUNCTION = """
create function note_left_lease() returns trigger language plpgsql as $$
begin
  insert into left_lease values (new.id, new.attempt_count, new.status);
  return null;
end $$
"""
AUDIT = """
create trigger left_lease after update on tasks for each row
when (old.status = 'claimed' and old.lease_token is distinct from new.lease_token
  or old.status = 'claimed' and new.status <> 'claimed')
execute function note_left_lease()
"""
AGE_TASKS = """
update tasks set
  id = overlay(id placing '01J0000000' from 5 for 10), -- which says when it was created
  updated_at = updated_at - 31 * 86400000::bigint
where id in (select id from tasks where account_id = $1 order by id limit 200)
returning id
"""
AGE_KEYS = """
update idempotency_keys set created_at = created_at - 8 * 86400000::bigint where key in (
  select key from idempotency_keys where account_id = $1 order by key limit 250
)
"""


@pytest.fixture(scope="module")
def database(databases: Databases) -> Iterator[PostgresDatabase]:
    with databases.postgres.made() as database:
        yield database


@pytest.fixture(scope="module")
def fleet(database: PostgresDatabase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Three replicas for all tests that do them no harm."""
    plans = tmp_path_factory.mktemp("plans") / "plans.toml"
    plans.write_text(PLANS.format(wide=WIDE, limit=LIMIT), "utf-8")
    with fleet_on(database, REPLICAS, "--plans", str(plans)) as fleet:
        yield fleet
    assert fleet.complaints() == []


def instant(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1_000)


def statuses(answers: Sequence[httpx2.Response]) -> Counter[int]:
    return Counter(answer.status_code for answer in answers)


# --- one worker at a time


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt, in the database's time."""

    task: str
    token: str
    since: int
    until: int


class Works:
    """Workers that end their leases in every way there is, each at another replica."""

    def __init__(self, fleet: Fleet, caller: Caller) -> None:
        self._fleet = fleet
        self._caller = caller
        self._chance = random.Random(1)
        self.leases: list[Lease] = []
        self.open: set[str] = set()

    async def run(self, tasks: Sequence[str], workers: int) -> None:
        self.open = set(tasks)
        async with asyncio.timeout(PATIENCE_SECONDS), asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(self._work())

    async def _work(self) -> None:
        while self.open:
            if self._chance.random() < 0.5:
                answer = await self._caller.claim()
            else:
                task = self._chance.choice(sorted(self.open))
                answer = await self._caller.ask("POST", f"/v1/tasks/{task}/claim", {})
            if answer.status_code == 409:
                continue
            assert answer.status_code == 200, answer.text
            if answer.json()["task"] is not None:
                await self._end(answer.json())

    async def _end(self, lease: Json) -> None:
        way = self._chance.random()
        if way < 0.5:
            await self._complete(lease)
        elif way < 0.8:
            failed = await self._caller.verb("fail", lease, reason="another try")
            assert failed.status_code == 200, failed.text
            self._keep(lease, instant(failed.json()["lastFailedAt"]))
            self._note_last_attempt(lease)
        else:
            await self._let_run_out(lease)

    async def _complete(self, lease: Json) -> None:
        result = {"by": lease["lease_token"]}
        answers = await asyncio.gather(
            *(self._caller.verb("complete", lease, result=result) for _ in range(2))
        )
        # The later one is a repeat, and finds what the earlier one did.
        assert statuses(answers) == {200: 2}
        done, again = (answer.json() for answer in answers)
        assert again == done
        self._keep(lease, instant(done["completedAt"]))
        self.open.discard(lease["task"]["id"])

    async def _let_run_out(self, lease: Json) -> None:
        beat = await self._caller.verb("heartbeat", lease)
        assert beat.status_code == 200, beat.text
        ids = [lease["task"]["id"]]
        overdue = await asyncio.to_thread(self._fleet.fetch, OVERDUE, self._caller.account_id, ids)
        ((_, ended),) = overdue
        late = await self._caller.verb("complete", lease)
        assert late.status_code == 409, late.text
        self._keep(lease, ended)
        self._note_last_attempt(lease)

    def _note_last_attempt(self, lease: Json) -> None:
        if lease["task"]["attemptCount"] == lease["task"]["maxAttempts"]:
            self.open.discard(lease["task"]["id"])

    def _keep(self, lease: Json, until: int) -> None:
        task = lease["task"]
        since = instant(task["claimedAt"])
        token = lease["lease_token"]
        self.leases.append(Lease(task=task["id"], token=token, since=since, until=until))


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 3])
async def test_every_task_is_leased_to_one_worker_at_a_time(
    count: int, database: PostgresDatabase
) -> None:
    with fleet_on(database, count) as fleet:
        async with calling(fleet) as caller:
            tasks = [(await caller.create(maxAttempts=10)).json()["id"] for _ in range(40)]
            works = Works(fleet, caller)

            await works.run(tasks, workers=16)

            shown = [(await caller.ask("GET", f"/v1/tasks/{task}")).json() for task in tasks]
    assert fleet.complaints() == []
    assert len({lease.token for lease in works.leases}) == len(works.leases)
    for task in shown:
        leases = sorted(
            (lease for lease in works.leases if lease.task == task["id"]),
            key=lambda lease: (lease.since, lease.until),
        )
        assert all(earlier.until <= later.since for earlier, later in itertools.pairwise(leases)), (
            leases
        )
        assert task["attemptCount"] == len(leases)
        if task["status"] == "completed":
            assert task["result"] == {"by": leases[-1].token}
    assert Counter(task["status"] for task in shown)["completed"] > len(tasks) / 2


# --- limits are exact


async def test_a_monthly_quota_is_used_up_exactly(fleet: Fleet) -> None:
    async with calling(fleet, "basic") as caller:
        answers = await asyncio.gather(*(caller.create() for _ in range(RACERS)))

        assert statuses(answers) == {201: LIMIT, 402: RACERS - LIMIT}
        status = (await caller.ask("GET", "/v1/billing/status")).json()
        assert status["tasksCreatedThisCycle"] == LIMIT
        assert fleet.fetch(COUNT, caller.account_id) == [(LIMIT,)]


async def test_creates_in_an_hour_are_counted_exactly(fleet: Fleet) -> None:
    async with calling(fleet, "pro") as caller:
        answers = await asyncio.gather(*(caller.create() for _ in range(RACERS)))

        assert statuses(answers) == {201: LIMIT, 429: RACERS - LIMIT}
        assert fleet.fetch(COUNT, caller.account_id) == [(LIMIT,)]


async def test_claims_in_an_hour_are_counted_exactly(fleet: Fleet) -> None:
    async with calling(fleet) as caller:
        await asyncio.gather(*(caller.create() for _ in range(RACERS)))
        put_on_plan(fleet, caller, "pro")

        answers = await asyncio.gather(*(caller.claim() for _ in range(RACERS)))

        assert statuses(answers) == {200: LIMIT, 429: RACERS - LIMIT}
        claimed = {answer.json()["task"]["id"] for answer in answers if answer.is_success}
        assert len(claimed) == LIMIT


async def test_no_more_workers_than_the_plan_has_hold_leases_at_once(fleet: Fleet) -> None:
    async with calling(fleet, "agency") as caller:
        await asyncio.gather(*(caller.create() for _ in range(RACERS)))

        answers = await asyncio.gather(*(caller.claim() for _ in range(RACERS)))

        assert statuses(answers) == {200: LIMIT, 429: RACERS - LIMIT}
        refusal = next(answer.json() for answer in answers if not answer.is_success)
        assert refusal["error"] == "max_workers_reached"
        assert refusal["billing_context"]["workers_in_use"] == LIMIT


@pytest.mark.slow
async def test_workers_that_come_and_go_never_exceed_the_plan(fleet: Fleet) -> None:
    async with calling(fleet, "agency") as caller:
        await asyncio.gather(*(caller.create() for _ in range(3 * RACERS)))
        steps: list[tuple[int, int]] = []
        refused = 0

        async def work() -> None:
            nonlocal refused
            while True:
                answer = await caller.claim()
                if answer.status_code == 429:
                    refused += 1
                    await asyncio.sleep(PAUSE_SECONDS)
                    continue
                lease = answer.json()
                if lease["task"] is None:
                    return
                done = (await caller.verb("complete", lease)).json()
                steps.append((instant(done["claimedAt"]), 1))
                steps.append((instant(done["completedAt"]), -1))

        async with asyncio.timeout(PATIENCE_SECONDS):
            await asyncio.gather(*(work() for _ in range(RACERS)))

        assert len(steps) == 6 * RACERS
        assert refused > 0
        # Within a millisecond an end stands before a beginning.
        assert max(itertools.accumulate(step for _, step in sorted(steps))) <= LIMIT


# --- keys


@pytest.mark.slow
async def test_a_revoked_key_is_refused_everywhere_soon(fleet: Fleet) -> None:
    async with calling(fleet) as caller:
        keys = await asyncio.to_thread(operate, fleet, "keys", "list", "--json")
        (key_id,) = (
            row["key_id"] for row in json.loads(keys) if row["account_id"] == caller.account_id
        )
        refused_at: dict[int, float] = {}
        accepted_at: dict[int, float] = {}

        async def watch(index: int) -> None:
            headers = {"Authorization": f"Bearer {caller.key}"}
            async with httpx2.AsyncClient(base_url=fleet.urls[index], headers=headers) as client:
                while len(refused_at) < REPLICAS:
                    answer = await client.get("/v1/tasks")
                    if answer.status_code == 401:
                        refused_at.setdefault(index, time.monotonic())
                    else:
                        accepted_at[index] = time.monotonic()
                    await asyncio.sleep(0.01)

        async def revoke() -> float:
            # Not before every replica knows the key.
            await asyncio.to_thread(until, lambda: len(accepted_at) == REPLICAS)
            await asyncio.to_thread(operate, fleet, "keys", "revoke", key_id)
            return time.monotonic()

        async with asyncio.timeout(PATIENCE_SECONDS):
            revoking = asyncio.create_task(revoke())
            await asyncio.gather(*map(watch, range(REPLICAS)))
            revoked_at = await revoking

        for index in range(REPLICAS):
            assert refused_at[index] - revoked_at < REVOKED_SECONDS_MAX
            assert accepted_at[index] < refused_at[index]


def operate(fleet: Fleet, *arguments: str) -> str:
    """Run a command of the operator's."""
    return subprocess.run(
        [*PROGRAM, *arguments, "--database", fleet.database.url],
        env=clean_variables(),
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE_SECONDS,
    ).stdout


# --- sweeps and purges


@pytest.mark.slow
async def test_three_sweepers_give_each_task_back_once(fleet: Fleet) -> None:
    fleet.fetch(AUDIT_TABLE)
    fleet.fetch(AUDIT_FUNCTION)
    fleet.fetch(AUDIT)
    async with calling(fleet) as caller:
        await asyncio.gather(*(caller.create(maxAttempts=2) for _ in range(200)))
        await asyncio.gather(*(caller.create(maxAttempts=1) for _ in range(100)))
        for _ in range(6):
            claims = await asyncio.gather(*(caller.claim() for _ in range(RACERS)))
            assert statuses(claims) == {200: RACERS}

        ids = [row[0] for row in fleet.fetch(IDS, caller.account_id)]
        assert len(fleet.fetch(OVERDUE, caller.account_id, ids)) == 300
        # Workers take part: a claim expires what it finds overdue.
        again = await asyncio.gather(*(caller.claim() for _ in range(RACERS)))
        await asyncio.to_thread(until, lambda: len(fleet.fetch(LEFT)) == 300)

        assert statuses(again) == {200: RACERS}
        retaken = {one.json()["task"]["id"] for one in again if one.json()["task"]}
        back = fleet.fetch("select id, attempt_count, status from left_lease order by id")
        assert [row[0] for row in back] == sorted(ids)
        # Those that went from one worker to the next without being seen between.
        direct = sum(status == "claimed" for _, _, status in back)
        # A dict would have to leave out what is not there.
        assert Counter(row[1:] for row in back) == Counter(
            {(1, "pending"): 200 - direct, (2, "claimed"): direct, (1, "dead_letter"): 100}
        )
        now = fleet.fetch(NOW, caller.account_id)
        left = 200 - len(retaken)
        assert Counter(now) == Counter(
            {(1, "pending"): left, (2, "claimed"): len(retaken), (1, "dead_letter"): 100}
        )
    fleet.fetch("drop trigger left_lease on tasks")


@pytest.mark.slow
async def test_purges_on_every_replica_delete_what_is_past_its_time_and_no_more(
    fleet: Fleet, database: PostgresDatabase
) -> None:
    async with calling(fleet) as caller:
        await asyncio.gather(*(caller.create(idempotencyKey=f"k{n}") for n in range(300)))
        for _ in range(300 // RACERS):
            claims = await asyncio.gather(*(caller.claim() for _ in range(RACERS)))
            await asyncio.gather(*(caller.verb("complete", one.json()) for one in claims))
        aged = {row[0] for row in fleet.fetch(AGE_TASKS, caller.account_id)}
        fleet.fetch(AGE_KEYS, caller.account_id)
        assert len(aged) == 200

        # Every job runs at once when a server starts.
        with fleet_on(database, REPLICAS) as others:
            await asyncio.to_thread(until, lambda: len(fleet.fetch(IDS, caller.account_id)) == 100)
            keys = "select key from idempotency_keys where account_id = $1"
            await asyncio.to_thread(until, lambda: len(fleet.fetch(keys, caller.account_id)) == 50)

        assert others.complaints() == []
        assert aged.isdisjoint(row[0] for row in fleet.fetch(IDS, caller.account_id))


# --- replicas that come and go


class Lives:
    """Clients that take tasks through their lives, and remember what they were told."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._numbers = itertools.count()
        self.created: dict[str, str] = {}
        self.completed: dict[str, str] = {}
        self.unanswered: list[str] = []
        self.ended = asyncio.Event()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(CLIENTS):
                group.create_task(self._live())

    async def until_more(self, completed: int) -> None:
        """Wait until so many more lives are over."""
        target = len(self.completed) + completed
        await asyncio.to_thread(until, lambda: len(self.completed) >= target)

    async def _live(self) -> None:
        while not self.ended.is_set():
            began = time.monotonic()
            await self._create(f"key-{next(self._numbers)}")
            await self._work()
            # Idle as long as busy: half the load there could be.
            await asyncio.sleep(time.monotonic() - began)

    async def _create(self, key: str) -> None:
        while True:
            answer = await self._answer(self._caller.create(idempotencyKey=key))
            if answer is not None and answer.status_code == 201:
                self.created[key] = answer.json()["id"]
                return
            # Who was not told asks again, elsewhere, for the same task.
            assert answer is None or answer.json()["error"] == "idempotency_in_flight", answer.text

    async def _work(self) -> None:
        claim = await self._answer(self._caller.claim())
        if claim is None:
            return
        assert claim.status_code == 200, claim.text
        lease = claim.json()
        if lease["task"] is None:
            return
        result = {"by": lease["lease_token"]}
        done = await self._answer(self._caller.verb("complete", lease, result=result))
        if done is not None:
            assert done.status_code == 200, done.text
            task = lease["task"]["id"]
            assert task not in self.completed
            self.completed[task] = lease["lease_token"]

    async def _answer(self, asked: Awaitable[httpx2.Response]) -> httpx2.Response | None:
        try:
            return await asked
        except httpx2.TransportError as error:
            self.unanswered.append(repr(error))
            return None

    async def kept(self, fleet: Fleet) -> None:
        """See that everything acknowledged is there, each task once, each result as told."""
        rows = fleet.fetch("select id, status, result from tasks")
        found = {task: (status, result) for task, status, result in rows}
        assert len(set(self.created.values())) == len(self.created)
        assert found.keys() == set(self.created.values())
        for task, token in self.completed.items():
            assert found[task] == ("completed", json.dumps({"by": token}, separators=(",", ":")))
        shown = [await self._caller.ask("GET", f"/v1/tasks/{task}") for task in self.completed]
        assert {answer.json()["status"] for answer in shown} <= {"completed"}


@pytest.mark.slow
async def test_a_killed_replica_takes_nothing_acknowledged_with_it(databases: Databases) -> None:
    with databases.postgres.made() as database, fleet_on(database, REPLICAS) as fleet:
        async with calling(fleet) as caller:
            lives = Lives(caller)

            async def kill_and_replace() -> None:
                for index in range(2):
                    await lives.until_more(40)
                    await asyncio.to_thread(fleet.replicas[index].kill)
                    await lives.until_more(40)
                    await asyncio.to_thread(fleet.again, index)
                await lives.until_more(40)
                lives.ended.set()

            await asyncio.gather(lives.run(), kill_and_replace())

            assert caller.refused > 0
            # Each client had one request on its way at most when a replica died.
            assert len(lives.unanswered) <= 2 * CLIENTS
            await lives.kept(fleet)


@pytest.mark.slow
async def test_a_rolling_restart_at_half_load_fails_no_request(databases: Databases) -> None:
    with databases.postgres.made() as database, fleet_on(database, REPLICAS) as fleet:
        async with calling(fleet) as caller:
            lives = Lives(caller)

            async def restart_each() -> None:
                for index in range(REPLICAS):
                    await lives.until_more(30)
                    assert await asyncio.to_thread(fleet.replicas[index].stop) == 0
                    await lives.until_more(30)
                    await asyncio.to_thread(fleet.again, index)
                await lives.until_more(30)
                lives.ended.set()

            await asyncio.gather(lives.run(), restart_each())

            assert lives.unanswered == []
            assert caller.refused > 0
            await lives.kept(fleet)
        assert fleet.complaints() == []
