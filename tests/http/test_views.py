"""`view` and `fields` on GET /v1/tasks/{id} and GET /v1/tasks: an agent pays for what it reads."""

from typing import Final

import pytest

from tests.http.callers import Caller, Json, next_actions, ok, recommended, refused

ALWAYS: Final = {
    *("id", "type", "status", "attemptCount", "maxAttempts", "updatedAt", "agent_contract"),
}


async def compact(caller: Caller, task_id: str) -> Json:
    return ok(await caller.read(f"/v1/tasks/{task_id}?view=compact"))


async def test_a_compact_task_is_what_one_decides_by(caller: Caller) -> None:
    waiting = await caller.task(payload={"long": "x" * 1_000})
    held = await caller.held(type="mail")
    later = await caller.task(scheduledAt="2027-01-15T09:00:00Z")
    done = await caller.held(type="print")
    ok(await caller.do("complete", done["task"]["id"], output_id="out_1", result={"a": 1}))

    shown = [await compact(caller, one) for one in (waiting["id"], held["task"]["id"], later["id"])]
    finished = await compact(caller, done["task"]["id"])

    assert shown[0].keys() == ALWAYS
    assert shown[1].keys() == ALWAYS | {"leaseExpiresAt"}
    assert shown[2].keys() == ALWAYS | {"scheduledAt"}
    assert finished.keys() == ALWAYS | {"outputId"}
    full = ok(await caller.show(held["task"]["id"]))
    names = shown[1].keys() - {"agent_contract"}
    assert {name: shown[1][name] for name in names} == {name: full[name] for name in names}


async def test_compact_guidance_is_the_recommended_step_in_codes(caller: Caller) -> None:
    task_id = (await caller.held())["task"]["id"]

    short = await compact(caller, task_id)
    full = ok(await caller.show(task_id))

    (step,) = next_actions(short)
    expected = {**recommended(full)}
    del expected["description"]
    assert step == expected
    assert short["agent_contract"]["lease_valid"] is True
    assert short["agent_contract"]["lease_expires_in_seconds"] == 300


async def test_a_compact_list_is_less_than_half_as_long(caller: Caller) -> None:
    for _ in range(10):
        await caller.task()

    full = await caller.read("/v1/tasks")
    short = await caller.read("/v1/tasks?view=compact")

    assert len(short.content) < len(full.content) / 2
    assert [one["id"] for one in ok(short)["items"]] == [one["id"] for one in ok(full)["items"]]
    assert len(next_actions(short.json())) == 1


async def test_the_next_page_keeps_its_shape(caller: Caller) -> None:
    for _ in range(3):
        await caller.task()

    first = ok(await caller.read("/v1/tasks?limit=2&view=compact&fields=id,status"))
    second = ok(await caller.read(recommended(first)["endpoint"]))

    assert [one.keys() for one in first["items"]] == [{"id", "status", "agent_contract"}] * 2
    assert [one.keys() for one in second["items"]] == [{"id", "status", "agent_contract"}]
    assert len(next_actions(second["items"][0])) == 1


async def test_a_cursor_serves_every_shape(caller: Caller) -> None:
    for _ in range(3):
        await caller.task()
    cursor = ok(await caller.read("/v1/tasks?limit=2&view=compact"))["pageInfo"]["nextCursor"]

    page = ok(await caller.read(f"/v1/tasks?limit=2&cursor={cursor}"))

    assert "payload" in page["items"][0]


async def test_chosen_fields_come_as_they_are_beside_the_whole_guidance(caller: Caller) -> None:
    task = await caller.task(payload={"n": 10**30})

    answer = await caller.read(f"/v1/tasks/{task['id']}?fields=result,payload,status")

    shown = ok(answer)
    assert list(shown) == ["payload", "status", "result", "agent_contract"]
    assert '"payload":{"n":1000000000000000000000000000000}' in answer.text
    assert shown["result"] is None
    assert shown["agent_contract"] == ok(await caller.show(task["id"]))["agent_contract"]


async def test_every_field_of_a_task_can_be_chosen(caller: Caller) -> None:
    task = await caller.task()
    names = [name for name in task if name != "agent_contract"]

    shown = ok(await caller.read(f"/v1/tasks/{task['id']}?fields={','.join(names)}"))

    assert shown == ok(await caller.show(task["id"]))


async def test_the_full_view_is_the_usual_answer(caller: Caller) -> None:
    task = await caller.task()

    assert ok(await caller.read(f"/v1/tasks/{task['id']}?view=full")) == task


@pytest.mark.parametrize(
    "query",
    [
        *("view=", "view=short", "view=COMPACT", "fields=", "fields=id,", "fields=id,,status"),
        *("fields=attempt_count", "fields=agent_contract", "fields=lease_token", "fields=*"),
        "fields=id;status",
    ],
)
async def test_what_is_no_view_or_field_is_refused(query: str, caller: Caller) -> None:
    task = await caller.task()

    one = refused(await caller.read(f"/v1/tasks/{task['id']}?{query}"), 400, "invalid_request")
    refused(await caller.read(f"/v1/tasks?{query}"), 400, "invalid_request")

    assert query.partition("=")[0] in one["message"]


async def test_an_unknown_task_is_unknown_in_every_view(caller: Caller) -> None:
    refused(await caller.read("/v1/tasks/tsk_x?view=compact"), 404, "task_not_found")
