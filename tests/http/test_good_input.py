"""What stands just inside the bounds is accepted, and JSON comes back as it was sent."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings

from orchestrion.core.limits import BODY_BYTES_MAX, BODY_NESTING_MAX, DOCUMENT_BYTES_MAX
from tests.databases import KINDS, Databases
from tests.http.asking import Answer, Ask
from tests.http.world import World, claimed, peopled
from tests.json_texts import STYLES, Style, objects, read, write

LONGEST_INTEGER = "9" * 4_000


@pytest.fixture(scope="module", params=KINDS)
async def world(databases: Databases, request: pytest.FixtureRequest) -> AsyncIterator[World]:
    with databases.fresh(request.param) as database:
        async with peopled(database) as peopled_world:
            yield peopled_world


async def send(world: World, method: str, target: str, body: str = "", **headers: str) -> Answer:
    usual = {"authorization": f"Bearer {world.owner.key}"}
    if body:
        usual["content-type"] = "application/json"
    changed = {name.replace("_", "-"): value for name, value in headers.items()}
    return await world.asker.ask(
        Ask(
            method=method,
            target=target.encode(),
            headers=tuple((k.encode(), v.encode()) for k, v in {**usual, **changed}.items()),
            body=body.encode(),
            address=world.address(),
        )
    )


async def create(world: World, fields: str) -> dict[str, Any]:
    """Create a task whose body begins with a good type and payload; fields may replace them."""
    known = {'"type"': '"type":"good"', '"payload"': '"payload":{}'}
    usual = ",".join(text for name, text in known.items() if name not in fields)
    body = "{" + ",".join(part for part in (usual, fields) if part) + "}"
    answer = await send(world, "POST", "/v1/tasks", body)
    assert answer.status == 201, answer.body
    task: dict[str, Any] = msgspec.json.decode(answer.body)
    return task


@pytest.mark.parametrize(
    ("field", "sent", "kept"),
    [
        ("type", '"t"', "t"),
        ("type", f'"{"t" * 100}"', "t" * 100),
        ("type", '"-_-"', "-_-"),
        ("type", '"\\u0041"', "A"),
        ("priority", "0", 0),
        ("priority", "-0", 0),
        ("priority", "100", 100),
        ("priority", "5.0", 5),
        ("priority", "5e1", 50),
        ("priority", "-0.0", 0),
        ("priority", "100.000", 100),
        ("maxAttempts", "1", 1),
        ("maxAttempts", "10", 10),
        ("maxAttempts", "1.0E+1", 10),
        ("leaseDurationSeconds", "30", 30),
        ("leaseDurationSeconds", "3600", 3600),
        ("leaseDurationSeconds", "3.6e3", 3600),
    ],
)
async def test_a_field_is_accepted_up_to_its_bounds(
    world: World, field: str, sent: str, kept: object
) -> None:
    task = await create(world, f'"{field}":{sent}')

    assert task[field] == kept


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("2027-01-15T07:59:00.000Z", None),
        ("2027-01-15T07:59:59.999Z", None),
        ("2027-01-15T08:00:00Z", None),
        ("2027-01-15T08:00:00.001Z", "2027-01-15T08:00:00.001Z"),
        ("2027-02-14T08:00:00.000Z", "2027-02-14T08:00:00.000Z"),
        ("2027-01-16t08:00:00z", "2027-01-16T08:00:00.000Z"),
        ("2027-01-16T08:00:00.5+05:30", "2027-01-16T02:30:00.500Z"),
        ("2027-01-16T08:00:00-00:00", "2027-01-16T08:00:00.000Z"),
        ("2027-01-16T08:00:00+23:59", "2027-01-15T08:01:00.000Z"),
        ("2027-01-15T08:00:00-23:59", "2027-01-16T07:59:00.000Z"),
        ("2027-01-16T08:00:00.123456789Z", "2027-01-16T08:00:00.123Z"),
        ("2027-01-16T08:00:00.99999Z", "2027-01-16T08:00:00.999Z"),
        ("2027-01-31T23:59:60Z", "2027-01-31T23:59:59.000Z"),
    ],
)
async def test_a_schedule_is_accepted_inside_its_window(
    world: World, sent: str, kept: str | None
) -> None:
    task = await create(world, f'"scheduledAt":"{sent}"')

    assert task["scheduledAt"] == kept


@pytest.mark.parametrize("key", ["k", "k" * 255, " ", "~", '"quoted"', "a, b", "' or 1=1 --"])
async def test_an_idempotency_key_is_any_printable_ascii(world: World, key: str) -> None:
    fields = f'"idempotencyKey":{msgspec.json.encode(key).decode()}'

    first, again = await create(world, fields), await create(world, fields)

    assert first["id"] == again["id"]


@pytest.mark.parametrize("header", ["header-key", '"header-key"'])
async def test_a_key_means_the_same_in_header_quoted_header_and_body(
    world: World, header: str
) -> None:
    first = await create(world, '"idempotencyKey":"header-key"')

    body = '{"type":"good","payload":{},"idempotencyKey":"header-key"}'
    again = await send(world, "POST", "/v1/tasks", body, idempotency_key=header)

    assert again.headers["idempotent-replayed"] == "true"
    assert msgspec.json.decode(again.body)["id"] == first["id"]


async def test_a_quoted_key_may_have_255_characters_between_its_quotes(world: World) -> None:
    body = '{"type":"good","payload":{}}'

    answer = await send(world, "POST", "/v1/tasks", body, idempotency_key=f'"{"q" * 255}"')

    assert answer.status == 201


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        'application/json;charset="UTF-8"',
        "application/json ; charset = utf-8",
    ],
)
async def test_json_may_name_its_character_set(world: World, content_type: str) -> None:
    body = '{"type":"good","payload":{}}'

    answer = await send(world, "POST", "/v1/tasks", body, content_type=content_type)

    assert answer.status == 201


async def test_identity_is_no_encoding(world: World) -> None:
    body = '{"type":"good","payload":{}}'

    answer = await send(world, "POST", "/v1/tasks", body, content_encoding="identity")

    assert answer.status == 201


@pytest.mark.parametrize("verb", ["heartbeat", "fail", "complete"])
async def test_an_empty_body_needs_no_type_and_means_an_empty_object(
    world: World, verb: str
) -> None:
    task_id, _ = await claimed(world, world.owner, "bodiless", maxAttempts=10)

    answer = await send(world, "POST", f"/v1/tasks/{task_id}/{verb}", content_type="text/plain")

    assert answer.status == 200


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("heartbeat", {"lease_token": "<token>"}),
        ("fail", {"reason": ""}),
        ("fail", {"reason": "r" * 500}),
        ("fail", {"reason": "😀" * 500}),
        ("fail", {"retry_after_seconds": 1}),
        ("fail", {"retry_after_seconds": 86_400}),
        ("fail", {"retry_after_seconds": 2.0}),
        ("complete", {"output_id": "o"}),
        ("complete", {"output_id": "o" * 200}),
        ("complete", {"output_id": "..."}),
        ("complete", {"output_id": "../.."}),
        ("complete", {"output_id": "a/b?c#d e%00"}),
        ("complete", {"result": {}}),
        ("complete", {"claim_next": {"type": "none", "wait_seconds": 0.0}}),
        (
            "fail",
            {"retry_after_seconds": 2.0, "claim_next": {"type": "none", "wait_seconds": -0.0}},
        ),
        ("complete", {"unknown": {"status": "pending", "x": [[[[[[[1]]]]]]]}}),
    ],
)
async def test_what_a_worker_may_just_say(world: World, verb: str, body: dict[str, object]) -> None:
    task_id, token = await claimed(world, world.owner, "worked", maxAttempts=1)
    body = {**body, "lease_token": token}

    task = await world.post(f"/v1/tasks/{task_id}/{verb}", world.owner, **body)

    assert task["id"] == task_id


async def test_an_item_may_write_whole_numbers_as_floats(world: World) -> None:
    task_id, token = await claimed(world, world.owner, "worked", maxAttempts=2)
    item = {"id": task_id, "lease_token": token, "retry_after_seconds": 2.0}

    answer = await world.post("/v1/tasks/fail", world.owner, items=[item])

    assert [one["status"] for one in answer["items"]] == [200]


@pytest.mark.parametrize("worker", ["w", "w" * 200, "😀" * 200, "\u202eworker\t\n", "'; --"])
async def test_a_worker_may_have_any_name(world: World, worker: str) -> None:
    await world.create(world.owner, "named")

    answer = await world.post("/v1/tasks/claim", world.owner, type="named", worker_id=worker)

    assert answer["task"]["claimedBy"] == worker
    found = await world.service.client.get(
        "/v1/tasks", params={"claimed_by": worker}, headers=world.owner.headers
    )
    assert [task["id"] for task in found.json()["items"]] == [answer["task"]["id"]]


@pytest.mark.parametrize(
    "email", ["a@b.c", "a" * 242 + "@example.com", "é@exämple.com", "a+b.c_d@sub.example.co.uk"]
)
async def test_an_email_is_checked_for_its_shape_alone(world: World, email: str) -> None:
    body = msgspec.json.encode({"email": email}).decode()

    answer = await send(world, "POST", "/v1/keys/register", body)

    assert answer.status == 201


@pytest.mark.parametrize(
    "target",
    [
        "/v1/tasks?limit=1",
        "/v1/tasks?limit=100",
        "/v1/tasks?unknown=1&other=%F0%9F%98%80",
        "/v1/tasks?" + "x=" + "x" * 8_190,
        "/v1/tasks?type=" + "t" * 100,
        "/v1/tasks?claimed_by=" + "w" * 200,
        "/v1/tasks?claimed_by=%F0%9F%98%80+x%25",
        "/v1/tasks?status=dead_letter&",
        "/v1/tasks?",
        "/v1/tasks?monkey=1&tokens=1&keys=1&myorch_live_=1",
    ],
)
async def test_a_query_is_accepted_up_to_its_bounds(world: World, target: str) -> None:
    answer = await send(world, "GET", target)

    assert answer.status == 200


async def test_a_key_that_no_handler_reads_is_ignored_in_headers(world: World) -> None:
    answer = await send(world, "GET", "/v1/tasks", idempotency_key="")

    assert answer.status == 200


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_the_scheme_may_be_written_anyhow(world: World, scheme: str) -> None:
    answer = await send(world, "GET", "/v1/tasks", authorization=f"{scheme} {world.owner.key}")

    assert answer.status == 200


async def test_unknown_fields_may_hold_anything_and_are_ignored(world: World) -> None:
    deep = "[" * (BODY_NESTING_MAX - 1) + "]" * (BODY_NESTING_MAX - 1)
    fields = f'"id":"tsk_x","status":"completed","attemptCount":9,"x":{deep},"":null,"__proto__":1'

    task = await create(world, fields)

    assert task["id"] != "tsk_x"
    assert (task["status"], task["attemptCount"]) == ("pending", 0)


@pytest.mark.parametrize(
    "inside",
    [
        '"a":[[[[]]]]',
        '"a":{"a":{"a":{"a":{}}}}',
        '"a":[{"a":[{}]}]',
        '"a":[[[[1,"x",null]]]]',
        f'"a":"{"[" * 1000}"',
        '"a":"\\\\\\"[[[[[[{{{{{{"',
        f'"a":[{",".join(["[]"] * 1000)}]',
    ],
)
async def test_five_levels_are_no_bomb_nor_are_brackets_in_strings(
    world: World, inside: str
) -> None:
    task = await create(world, f'"payload":{{{inside}}}')

    assert task["payload"] == msgspec.json.decode(f"{{{inside}}}")


@pytest.mark.parametrize("letter", ["x", "é", "😀"])
@pytest.mark.parametrize("style", [Style(), Style(space=" \n"), Style(escapes="all")])
async def test_size_is_measured_as_compact_utf8_however_it_was_written(
    world: World, letter: str, style: Style
) -> None:
    room = DOCUMENT_BYTES_MAX - len('{"a":""}')
    letters = letter * (room // len(letter.encode()))
    filled = {"a": letters + "y" * (room - len(letters.encode()))}
    sent = write(filled, style)
    assert len(sent.encode()) <= BODY_BYTES_MAX

    task = await create(world, f'"payload":{sent}')

    assert task["payload"] == filled


async def test_a_body_may_be_as_large_as_its_limit(world: World) -> None:
    body = '{"type":"good","payload":{}}'

    answer = await send(world, "POST", "/v1/tasks", body.ljust(BODY_BYTES_MAX))

    assert answer.status == 201


async def test_a_body_may_come_in_pieces(world: World) -> None:
    answer = await world.asker.ask(
        Ask(
            method="POST",
            target=b"/v1/tasks",
            headers=(
                (b"authorization", f"Bearer {world.owner.key}".encode()),
                (b"content-type", b"application/json"),
                (b"transfer-encoding", b"chunked"),
            ),
            body='{"type":"good","payload":{"a":"😀"}}'.encode(),
            pieces=36,
        )
    )

    assert answer.status == 201


async def test_the_largest_numbers_keep_every_digit(world: World) -> None:
    document = (
        f'{{"a":{LONGEST_INTEGER},"b":-{LONGEST_INTEGER},"c":1.7976931348623157e308,'
        f'"d":0.{"3" * 5_000},"e":1e-400,"f":0e999999999}}'
    )

    answer = await send(world, "POST", "/v1/tasks", f'{{"type":"good","payload":{document}}}')

    assert answer.status == 201
    assert read(raw_field(answer.body, "payload")) == read(document)


@settings(max_examples=80, deadline=None, derandomize=True, database=None)
@given(payload=objects(5), result=objects(5), style=STYLES)
async def test_payload_and_result_come_back_as_they_were_sent_through_every_answer(
    world: World, payload: dict[str, object], result: dict[str, object], style: Style
) -> None:
    body = f'{{"type":"round","payload":{write(payload, style)}}}'
    created = await send(world, "POST", "/v1/tasks", body)
    claim = await send(world, "POST", "/v1/tasks/claim", '{"type":"round"}')
    held = msgspec.json.decode(claim.body)
    path, token = f"/v1/tasks/{held['task']['id']}", held["lease_token"]
    beaten = await send(world, "POST", f"{path}/heartbeat")
    done = f'{{"result":{write(result, style)},"lease_token":"{token}"}}'
    completed = await send(world, "POST", f"{path}/complete", done)
    shown = await send(world, "GET", path)
    listed = await send(world, "GET", "/v1/tasks?type=round&limit=1")

    newest = msgspec.json.decode(listed.body, type=dict[str, msgspec.Raw])["items"]
    (item,) = msgspec.json.decode(newest, type=list[msgspec.Raw])
    claimed_task = raw_field(claim.body, "task")
    for answer in (created.body, claimed_task, beaten.body, completed.body, shown.body, item):
        assert read(raw_field(bytes(answer), "payload")) == payload
    for answer in (completed.body, shown.body, item):
        assert read(raw_field(bytes(answer), "result")) == result


def raw_field(body: bytes, name: str) -> bytes:
    return bytes(msgspec.json.decode(body, type=dict[str, msgspec.Raw])[name])
