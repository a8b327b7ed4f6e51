"""X-Request-Id: the caller's if it is a good one, else one of ours; on every answer."""

import re

import pytest

from tests.harness import Harness
from tests.http.callers import Caller, refused

OURS = re.compile(r"req_[0-9A-HJKMNP-TV-Z]{26}")
EVERYWHERE = [
    ("GET", "/v1/tasks", 200),
    ("POST", "/v1/tasks", 400),
    ("GET", "/v1/tasks/x", 404),
    ("GET", "/v1/capabilities", 200),
    ("GET", "/llms.txt", 200),
    ("GET", "/health", 200),
    ("GET", "/livez", 200),
    ("GET", "/nowhere", 404),
    ("DELETE", "/v1/tasks", 405),
    ("HEAD", "/v1/tasks", 200),
]


@pytest.mark.parametrize(("method", "path", "status"), EVERYWHERE)
async def test_every_answer_carries_an_id_of_ours(
    method: str, path: str, status: int, caller: Caller
) -> None:
    answers = [await caller.send(method, path) for _ in range(2)]

    ids = {answer.headers["x-request-id"] for answer in answers}
    assert [answer.status_code for answer in answers] == [status] * 2
    assert len(ids) == 2
    assert all(OURS.fullmatch(one) for one in ids)


@pytest.mark.parametrize(("method", "path", "status"), EVERYWHERE)
async def test_a_good_id_of_the_caller_comes_back(
    method: str, path: str, status: int, caller: Caller
) -> None:
    answer = await caller.send(method, path, headers={"X-Request-Id": "my-request_01"})

    assert answer.status_code == status
    assert answer.headers["x-request-id"] == "my-request_01"


async def test_the_id_in_the_body_is_the_id_in_the_header(caller: Caller) -> None:
    answer = await caller.send("GET", "/v1/tasks/x", headers={"X-Request-Id": "my-request_01"})

    assert refused(answer, 404, "task_not_found")["request_id"] == "my-request_01"


@pytest.mark.parametrize("sent", ["a" * 8, "a" * 64, "_-_-_-_-"])
async def test_ids_from_8_to_64_characters_are_taken(sent: str, service: Harness) -> None:
    answer = await service.client.get("/livez", headers={"X-Request-Id": sent})

    assert answer.headers["x-request-id"] == sent


@pytest.mark.parametrize("sent", ["", "a" * 7, "a" * 65, "with space", "semi;colon", "ümlaut-ü"])
async def test_other_ids_are_replaced(sent: str, service: Harness) -> None:
    header = (b"x-request-id", sent.encode())

    answer = await service.client.get("/livez", headers=[header])

    assert OURS.fullmatch(answer.headers["x-request-id"])


async def test_each_answer_is_noted_once_with_its_id(caller: Caller) -> None:
    service = caller.service
    service.observer.requests.clear()

    await caller.send("GET", "/v1/tasks/x", headers={"X-Request-Id": "my-request_01"})
    await caller.send("GET", "/nowhere", headers={"X-Request-Id": "my-request_02"})

    first, second = service.observer.requests
    assert (first.request_id, first.operation, first.status) == (
        "my-request_01",
        "check_task_status",
        404,
    )
    assert (first.account_id, first.error) == (caller.account.id, "task_not_found")
    assert (second.request_id, second.operation, second.account_id) == (
        "my-request_02",
        "unknown",
        "",
    )
