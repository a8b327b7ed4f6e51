"""POST /v1/tasks."""

import pytest

from orchestrion.core.ids import AccountId, TaskId
from tests.http.callers import Caller, advice, ok, recommended, refused


async def test_a_task_starts_pending_with_the_documented_defaults(caller: Caller) -> None:
    task = ok(await caller.create(), 201)

    assert task["status"] == "pending"
    assert (task["priority"], task["maxAttempts"], task["leaseDurationSeconds"]) == (0, 3, 300)
    assert (task["attemptCount"], task["scheduledAt"]) == (0, None)
    assert advice(task) == ["claim_task", "check_task_status"]


async def test_what_was_answered_is_what_is_read_back(caller: Caller) -> None:
    task = ok(await caller.create(priority=100, maxAttempts=10, leaseDurationSeconds=3600), 201)

    assert ok(await caller.show(task["id"])) == task


async def test_numbers_keep_their_digits(caller: Caller) -> None:
    payload = '{"a":1.10,"b":1e2,"c":123456789012345678901234567890,"d":-0.0,"e":1E-9}'
    sent = await caller.service.client.post(
        "/v1/tasks",
        content=f'{{"type": "report", "payload": {payload}}}',
        headers={**caller.account.headers, "Content-Type": "application/json"},
    )

    task_id = ok(sent, 201)["id"]

    assert f'"payload":{payload},' in sent.text
    assert f'"payload":{payload},' in (await caller.show(task_id)).text


async def test_a_whole_float_counts_as_an_integer(caller: Caller) -> None:
    task = ok(await caller.create(priority=5.0, leaseDurationSeconds=60.0), 201)

    assert (task["priority"], task["leaseDurationSeconds"]) == (5, 60)


async def test_unknown_fields_are_ignored(caller: Caller) -> None:
    task = ok(await caller.create(colour="red"), 201)

    assert "colour" not in task


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("2027-01-15T10:00:00+01:00", "2027-01-15T09:00:00.000Z"),
        ("2027-01-15T09:00:00.123456Z", "2027-01-15T09:00:00.123Z"),
        ("2027-02-14T08:00:00Z", "2027-02-14T08:00:00.000Z"),
        ("2027-01-15T08:00:00Z", None),
        ("2027-01-15T07:59:00Z", None),
    ],
    ids=["offset", "microseconds", "thirty days ahead", "now", "a minute ago"],
)
async def test_a_schedule_is_kept_in_utc_unless_it_has_come(
    sent: str, kept: str | None, caller: Caller
) -> None:
    assert ok(await caller.create(scheduledAt=sent), 201)["scheduledAt"] == kept


@pytest.mark.parametrize("sent", ["2027-02-14T08:00:00.001Z", "2027-01-15T07:58:59.999Z"])
async def test_a_schedule_outside_its_windows_is_refused(sent: str, caller: Caller) -> None:
    refused(await caller.create(scheduledAt=sent), 400, "invalid_request")


async def test_a_scheduled_task_says_how_long_to_wait(caller: Caller) -> None:
    task = ok(await caller.create(scheduledAt="2027-01-15T08:00:10.001Z"), 201)

    assert advice(task) == ["retry_after_wait", "(claim_task)", "check_task_status"]
    assert recommended(task)["retry_after_seconds"] == 11
    assert recommended(task)["endpoint"] == f"/v1/tasks/{task['id']}/claim"


async def test_the_trace_of_the_caller_is_kept_with_the_task(caller: Caller) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    task = ok(await caller.create({"traceparent": trace}), 201)

    reader = caller.service.backend.reader
    stored = await reader.task(AccountId(caller.account.id), TaskId(task["id"]))

    assert stored.tasks[0].traceparent == trace


async def test_a_refused_create_leaves_nothing_behind(caller: Caller) -> None:
    refused(await caller.create(priority=101), 400, "invalid_request")

    assert ok(await caller.read("/v1/tasks"))["items"] == []
    assert ok(await caller.read("/v1/billing/status"))["tasksCreatedThisCycle"] == 0
