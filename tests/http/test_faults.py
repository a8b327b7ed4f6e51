"""A database that cannot answer: what the caller is told, and what has become of the task."""

import asyncio

import pytest

from orchestrion.engine.overload import QueueLimits
from orchestrion.service import ServiceOptions
from tests.databases import Database, Trouble
from tests.harness import running
from tests.http.accounts import remove
from tests.http.callers import Caller, advice, ok, recommended, recovered, refused

VERBS = ("complete", "fail", "heartbeat")
TURNS_MAX = 100_000


async def test_a_full_disk_refuses_writes_and_says_that_nothing_was_changed(
    caller: Caller, trouble: Trouble
) -> None:
    claim = await caller.held()
    task_id = claim["task"]["id"]
    trouble.full = True

    answers = [
        await caller.create(),
        await caller.claim_next(),
        await caller.do("complete", task_id),
        await caller.send("POST", "/v1/keys/register"),
    ]

    # Nothing is claimable, so the claim has nothing to write and is answered.
    assert [answer.status_code for answer in answers] == [503, 200, 503, 503]
    answer = refused(answers[0], 503, "server_error")
    assert answers[0].headers["retry-after"] == "5"
    assert answer["agent_contract"]["retryable"] is True
    assert "nothing was changed" in answer["message"]
    assert ok(await caller.show(task_id))["status"] == "claimed"


async def test_the_service_goes_on_when_there_is_room_again(
    caller: Caller, trouble: Trouble
) -> None:
    before = await caller.task()
    trouble.full = True
    refused(await caller.create(), 503, "server_error")
    trouble.full = False

    after = ok(await caller.create(), 201)

    listed = ok(await caller.read("/v1/tasks"))["items"]
    assert [task["id"] for task in listed] == [after["id"], before["id"]]


async def test_a_database_that_cannot_be_read_is_a_passing_fault(
    caller: Caller, trouble: Trouble
) -> None:
    task = await caller.task()
    trouble.unreachable = True

    answers = [
        await caller.show(task["id"]),
        await caller.read("/v1/tasks?limit=3"),
        await caller.read("/v1/billing/status"),
    ]

    for answer in answers:
        body = refused(answer, 503, "server_error")
        assert body["agent_contract"]["retryable"] is True
        assert advice(body) == ["retry_after_wait"]
    trouble.unreachable = False
    ok(await recovered(lambda: caller.show(task["id"])))


async def test_a_create_of_unknown_fate_sends_the_caller_to_look(
    caller: Caller, trouble: Trouble
) -> None:
    await caller.task()
    trouble.loses_commits = True

    response = await caller.create()

    answer = refused(response, 500, "server_error")
    assert "retry-after" not in response.headers
    assert answer["agent_contract"]["retryable"] is False
    assert advice(answer) == ["list_tasks"]
    trouble.loses_commits = False
    ok(await caller.read(recommended(answer)["endpoint"]))


async def test_a_create_of_unknown_fate_with_a_key_may_be_repeated(
    caller: Caller, trouble: Trouble
) -> None:
    trouble.loses_commits = True
    response = await caller.create(idempotencyKey="k")

    answer = refused(response, 503, "server_error")
    assert response.headers["retry-after"] == "5"
    assert answer["agent_contract"]["retryable"] is True
    assert advice(answer) == ["list_tasks", "retry_after_wait"]
    trouble.loses_commits = False
    task = ok(await caller.create(idempotencyKey="k"), 201)
    listed = ok(await caller.read("/v1/tasks"))["items"]
    assert [one["id"] for one in listed] == [task["id"]]


async def test_a_crash_after_a_create_of_unknown_fate_leaves_one_task_to_the_repeat(
    caller: Caller, trouble: Trouble, database: Database
) -> None:
    trouble.loses_commits = True
    refused(await caller.create(idempotencyKey="k"), 503, "server_error")
    trouble.loses_commits = False

    with database.after_crash() as found:
        async with running(found) as service:
            again = Caller(service, caller.account)
            task = ok(await again.create(idempotencyKey="k"), 201)
            listed = ok(await again.read("/v1/tasks"))["items"]

    assert [one["id"] for one in listed] == [task["id"]]


@pytest.mark.parametrize("verb", VERBS)
async def test_a_verb_of_unknown_fate_sends_the_caller_to_its_task(
    verb: str, caller: Caller, trouble: Trouble
) -> None:
    claim = await caller.held()
    task_id, token = claim["task"]["id"], claim["lease_token"]
    trouble.loses_commits = True

    with_token = await caller.do(verb, task_id, lease_token=token)
    without = await caller.do(verb, task_id)

    answer = refused(with_token, 503, "server_error")
    assert with_token.headers["retry-after"] == "5"
    assert answer["agent_contract"]["retryable"] is True
    assert advice(answer) == ["check_task_status", "retry_after_wait"]
    answer = refused(without, 500, "server_error")
    assert answer["agent_contract"]["retryable"] is False
    assert advice(answer) == ["check_task_status"]
    assert recommended(answer)["endpoint"] == f"/v1/tasks/{task_id}"
    trouble.loses_commits = False
    ok(await caller.do(verb, task_id, lease_token=token))


@pytest.mark.parametrize("path", ["/v1/tasks/claim", "/v1/tasks/{id}/claim", "/v1/keys/register"])
async def test_a_claim_or_registration_of_unknown_fate_is_not_to_be_repeated(
    path: str, caller: Caller, trouble: Trouble
) -> None:
    task = await caller.task()
    body = {"type": "report"} if path == "/v1/tasks/claim" else None
    trouble.loses_commits = True

    response = await caller.send("POST", path.replace("{id}", task["id"]), body)

    answer = refused(response, 500, "server_error")
    assert answer["agent_contract"]["retryable"] is False
    wanted = "check_task_status" if "{id}" in path else "list_tasks"
    assert recommended(answer)["action"] == wanted


async def test_everybody_in_a_lost_commit_is_told_and_no_one_is_replayed(
    caller: Caller, trouble: Trouble
) -> None:
    await caller.task()
    trouble.hold()
    first = asyncio.create_task(caller.create())
    await trouble.held()
    others = [asyncio.create_task(caller.create()) for _ in range(7)]
    await _queued(caller, len(others))
    trouble.loses_commits = True
    trouble.release()

    answers = await asyncio.gather(first, *others)

    for answer in answers:
        refused(answer, 500, "server_error")
    trouble.loses_commits = False
    assert len(ok(await caller.read("/v1/tasks"))["items"]) == 1


async def test_a_bug_ends_one_request_and_no_other(caller: Caller, database: Database) -> None:
    gone = Caller(caller.service, await caller.service.account())
    ok(await gone.read("/v1/tasks"))
    remove(database, gone)

    broken, fine = await asyncio.gather(gone.create(), caller.create())

    answer = refused(broken, 500, "server_error")
    assert "retry-after" not in broken.headers
    assert answer["agent_contract"]["retryable"] is True
    assert recommended(answer)["action"] == "retry_after_wait"
    assert recommended(answer)["retry_after_seconds"] == 5
    ok(fine, 201)
    read = refused(await gone.read("/v1/billing/status"), 500, "server_error")
    assert recommended(read)["endpoint"] == "/v1/billing/status"


async def test_each_fault_is_noted_once_with_the_id_of_its_request(
    caller: Caller, trouble: Trouble
) -> None:
    trouble.full = True

    answer = await caller.create()

    ((event, request_id, _),) = caller.service.observer.faults
    assert event == "request_failed"
    assert request_id == answer.headers["x-request-id"]


async def test_a_fault_shows_nothing_of_the_inside(caller: Caller, trouble: Trouble) -> None:
    trouble.full = True

    text = (await caller.create()).text.lower()

    for word in ("sqlite", "apsw", "postgres", "asyncpg", "traceback", "no room", ".db"):
        assert word not in text


async def test_a_full_queue_turns_creates_away_first_and_lease_holders_last(
    database: Database, trouble: Trouble
) -> None:
    options = ServiceOptions(queue=QueueLimits(queue_max=12))
    async with running(database, options) as service:
        caller = Caller(service, await service.account())
        held = [(await caller.held())["task"]["id"] for _ in range(4)]
        trouble.hold()
        taken = [asyncio.create_task(caller.create())]
        await trouble.held()

        taken += [asyncio.create_task(caller.create()) for _ in range(6)]
        await _queued(caller, 6)
        refusals = [await caller.create()]
        taken += [asyncio.create_task(caller.claim_next()) for _ in range(3)]
        await _queued(caller, 9)
        refusals += [await caller.claim_next(), await caller.create()]
        ends = zip(VERBS, held, strict=False)
        taken += [asyncio.create_task(caller.do(verb, task_id)) for verb, task_id in ends]
        await _queued(caller, 12)
        refusals += [await caller.do(verb, held[3]) for verb in VERBS]
        trouble.release()
        answers = await asyncio.gather(*taken)

        assert {answer.status_code for answer in answers} == {200, 201}
        for refusal in refusals:
            answer = refused(refusal, 503, "server_error")
            assert refusal.headers["retry-after"] in {"1", "2", "3"}
            assert answer["agent_contract"]["retryable"] is True
        assert len(service.observer.refusals) == len(refusals)
        ok(await caller.do("complete", held[3]))


async def _queued(caller: Caller, count: int) -> None:
    for _ in range(TURNS_MAX):
        if caller.service.service.writer.depth >= count:
            return
        await asyncio.sleep(0)
    raise AssertionError("the requests never came to the queue")


async def test_a_stopping_server_takes_no_more_writes_but_reads(caller: Caller) -> None:
    task = await caller.task()
    caller.service.service.writer.stop()

    answer = await caller.create()

    refused(answer, 503, "server_error")
    assert answer.headers["retry-after"] == "2"
    ok(await caller.show(task["id"]))
