"""Reads, mutations, heartbeats, discovery: counted per key or address, kept over a restart."""

import pytest

from orchestrion.core.plans import HOSTED
from orchestrion.service import ServiceOptions
from tests.databases import Database
from tests.harness import running
from tests.http.accounts import put_on_plan
from tests.http.callers import (
    Caller,
    Response,
    advice,
    limit_left,
    limit_policy,
    ok,
    recommended,
    refused,
    stranger,
    visitor,
)

HOUR = 3600
OPTIONS = ServiceOptions(catalogue=HOSTED)


def used_so_far(database: Database, kind: str, count: int) -> None:
    """Say in a database at rest how many requests of a kind were counted."""
    assert database.execute("update request_counts set count = $1 where kind = $2", count, kind)


async def test_reads_have_a_window_of_their_own(frugal: Caller) -> None:
    task = await frugal.task()
    reads = [
        "/v1/tasks",
        f"/v1/tasks/{task['id']}",
        "/v1/billing/status",
        "/v1/tasks?limit=1",
        "/v1/tasks/tsk_unknown",
    ]
    for left, path in zip((4, 3, 2, 1, 0), reads, strict=True):
        response = await frugal.read(path)
        assert limit_left(response) == ("reads", left, HOUR)
        assert limit_policy(response) == ("reads", 5, HOUR)

    for path in reads:
        response = await frugal.read(path)
        answer = refused(response, 429, "rate_limited")
        assert response.headers["retry-after"] == "3600"
        assert limit_left(response) == ("reads", 0, HOUR)
        assert advice(answer) == ["retry_after_wait"]
        assert recommended(answer)["method"] == "GET"


async def test_a_full_window_of_reads_leaves_the_writes_alone(frugal: Caller) -> None:
    task = await frugal.task()
    for _ in range(5):
        ok(await frugal.read("/v1/tasks"))
    refused(await frugal.read("/v1/tasks"), 429, "rate_limited")

    ok(await frugal.create(), 201)
    ok(await frugal.do("claim", task["id"]))
    ok(await frugal.do("heartbeat", task["id"]))
    ok(await frugal.do("complete", task["id"]))


async def test_reads_open_again_after_the_hour(frugal: Caller) -> None:
    for _ in range(5):
        ok(await frugal.read("/v1/tasks"))
        frugal.service.clock.advance(60)
    response = await frugal.read("/v1/tasks")
    refused(response, 429, "rate_limited")
    assert response.headers["retry-after"] == str(HOUR - 300)

    frugal.service.clock.advance(HOUR - 300 - 0.001)
    refused(await frugal.read("/v1/tasks"), 429, "rate_limited")
    frugal.service.clock.advance(0.001)

    assert limit_left(await frugal.read("/v1/tasks")) == ("reads", 4, HOUR)


async def test_reads_of_accounts_are_counted_apart(frugal: Caller) -> None:
    other = await stranger(frugal.service)
    for _ in range(5):
        ok(await frugal.read("/v1/tasks"))

    refused(await frugal.read("/v1/tasks"), 429, "rate_limited")
    ok(await other.read("/v1/tasks"))


async def test_an_empty_claim_counts_as_a_read(frugal: Caller) -> None:
    for _ in range(3):
        ok(await frugal.claim_next())

    assert limit_left(await frugal.read("/v1/tasks"))[1] == 1


async def test_a_claim_that_finds_a_task_is_no_read(frugal: Caller) -> None:
    await frugal.held()

    assert limit_left(await frugal.read("/v1/tasks"))[1] == 4


async def test_who_asked_in_vain_too_often_waits(frugal: Caller) -> None:
    for _ in range(5):
        ok(await frugal.claim_next())

    response = await frugal.claim_next()

    answer = refused(response, 429, "rate_limited")
    assert response.headers["retry-after"] == "3600"
    assert recommended(answer)["endpoint"] == "/v1/tasks/claim"
    frugal.service.clock.advance(HOUR)
    assert ok(await frugal.claim_next())["task"] is None


async def test_polling_as_advised_never_ends_in_a_refusal(customer: Caller) -> None:
    for _ in range(720):
        claim = (await customer.unchecked().claim_next()).json()
        customer.service.clock.advance(recommended(claim)["retry_after_seconds"])

    assert claim["task"] is None


async def test_paid_plans_read_ten_times_as_much(frugal: Caller, database: Database) -> None:
    put_on_plan(database, frugal, "basic")

    response = await frugal.read("/v1/tasks")

    assert limit_policy(response) == ("reads", 50, HOUR)
    assert limit_left(response)[1] == 49


@pytest.mark.parametrize(
    ("plan", "limits"),
    [
        ("free", {"reads": 3_000, "mutations": 600, "heartbeats": 1_800}),
        ("basic", {"reads": 30_000, "mutations": 2_400, "heartbeats": 3_600}),
        ("pro", {"reads": 30_000, "mutations": 8_000, "heartbeats": 9_000}),
        ("agency", {"reads": 30_000, "mutations": 30_000, "heartbeats": 18_000}),
    ],
    ids=["free", "basic", "pro", "agency"],
)
async def test_each_plan_has_its_windows(
    plan: str, limits: dict[str, int], customer: Caller, database: Database
) -> None:
    put_on_plan(database, customer, plan)
    task_id = (await customer.held())["task"]["id"]

    answers = [
        await customer.do("heartbeat", task_id),
        await customer.do("complete", task_id),
        await customer.show(task_id),
    ]

    policies = [limit_policy(answer) for answer in answers]
    assert {name: quota for name, quota, _ in policies} == limits
    assert {window for _, _, window in policies} == {HOUR}


async def test_the_verbs_that_end_something_share_a_window(database: Database) -> None:
    async with running(database, OPTIONS) as service:
        account = await service.account()
        first = Caller(service, account)
        held = await first.held()
        ok(await first.do("fail", held["task"]["id"]))
    used_so_far(database, "mutations", 595)

    async with running(database, OPTIONS) as service:
        caller = Caller(service, account)
        completed = await caller.held(priority=100)
        dead = await caller.held(maxAttempts=1, priority=100)
        answers: list[Response] = [
            await caller.do("complete", completed["task"]["id"]),
            await caller.do("fail", dead["task"]["id"]),
            await caller.do("requeue", dead["task"]["id"]),
            await caller.do("cancel", dead["task"]["id"]),
            await caller.do("cancel", "tsk_unknown"),
            await caller.do("cancel", held["task"]["id"]),
        ]

        assert [limit_left(answer)[:2] for answer in answers] == [
            ("mutations", left) for left in (4, 3, 2, 1, 0, 0)
        ]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 404, 429]
        ok(await caller.do("claim", held["task"]["id"]))
        ok(await caller.do("heartbeat", held["task"]["id"]))


async def test_heartbeats_have_a_window_of_their_own(database: Database) -> None:
    async with running(database, OPTIONS) as service:
        caller = Caller(service, await service.account())
        claim = await caller.held()
        ok(await caller.do("heartbeat", claim["task"]["id"]))
    used_so_far(database, "heartbeats", 1_799)

    async with running(database, OPTIONS) as service:
        caller = Caller(service, caller.account)
        last = await caller.do("heartbeat", claim["task"]["id"])
        after = await caller.do("heartbeat", claim["task"]["id"])

        ok(last)
        assert limit_left(last)[:2] == ("heartbeats", 0)
        refused(after, 429, "rate_limited")
        ok(await caller.do("complete", claim["task"]["id"]))


async def test_counters_survive_a_restart(database: Database) -> None:
    async with running(database, OPTIONS) as service:
        caller = Caller(service, await service.account())
        for _ in range(4):
            ok(await caller.read("/v1/tasks"))
        task = await caller.task()
        ok(await caller.claim_next())

    async with running(database, OPTIONS) as service:
        caller = Caller(service, caller.account)
        assert limit_left(await caller.read("/v1/tasks"))[:2] == ("reads", 2_995)
        assert limit_left(await caller.create())[:2] == ("creates", 118)
        assert limit_left(await caller.claim_next())[:2] == ("claims", 118)
        assert ok(await caller.read("/v1/billing/status"))["tasksCreatedThisCycle"] == 2
        assert task["id"]


async def test_a_crash_forgets_what_the_last_second_counted_and_no_more(database: Database) -> None:
    async with running(database, OPTIONS) as service:
        caller = Caller(service, await service.account())
        for _ in range(4):
            ok(await caller.read("/v1/tasks"))
        await service.run_job("count_requests")
        ok(await caller.read("/v1/tasks"))
        # The process ends here: what was not saved yet is never saved.
        service.service.limiter.unsaved()

    async with running(database, OPTIONS) as service:
        caller = Caller(service, caller.account)
        assert limit_left(await caller.read("/v1/tasks"))[:2] == ("reads", 2_995)


async def test_windows_that_are_over_start_anew_after_a_restart(database: Database) -> None:
    async with running(database, OPTIONS) as service:
        caller = Caller(service, await service.account())
        ok(await caller.read("/v1/tasks"))
        service.clock.advance(HOUR)
        await caller.task()

    async with running(database, OPTIONS) as service:
        caller = Caller(service, caller.account)
        assert limit_left(await caller.read("/v1/tasks"))[:2] == ("reads", 2_999)


async def test_discovery_is_counted_by_address_and_minute(frugal: Caller) -> None:
    service = frugal.service
    paths = ["/v1/capabilities", "/v1/billing/plans", "/llms.txt", "/.well-known/agent.json"]
    for left, path in zip((3, 2, 1, 0), paths, strict=True):
        response = await service.client.get(path)
        assert limit_left(response) == ("discovery", left, 60)
        assert limit_policy(response) == ("discovery", 4, 60)

    response = await service.client.get("/v1/schema")

    answer = refused(response, 429, "rate_limited")
    assert response.headers["retry-after"] == "60"
    assert recommended(answer)["endpoint"] == "/v1/schema"
    assert (await visitor(service, "198.51.100.7").get("/v1/schema")).status_code == 200
    service.clock.advance(60)
    ok(await service.client.get("/v1/schema"))


async def test_a_document_that_is_known_already_counts_too(frugal: Caller) -> None:
    client = frugal.service.client
    etag = (await client.get("/llms.txt")).headers["etag"]

    response = await client.get("/llms.txt", headers={"If-None-Match": etag})

    assert response.status_code == 304
    assert limit_left(response)[1] == 2


async def test_a_server_of_ones_own_limits_none_of_these(caller: Caller) -> None:
    claim = await caller.held()
    answers = [
        await caller.read("/v1/tasks"),
        await caller.do("heartbeat", claim["task"]["id"]),
        await caller.do("complete", claim["task"]["id"]),
        await caller.read("/v1/capabilities"),
    ]

    assert not any("ratelimit" in answer.headers for answer in answers)
