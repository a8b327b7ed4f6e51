"""Paths and methods: what is no route, what takes another method, HEAD."""

import pytest

from orchestrion.core.operations import OPERATIONS, PAGES, Operation
from tests.harness import Harness
from tests.http.callers import Caller, ok, recommended, refused

ROWS = OPERATIONS + PAGES
PATHS = sorted({row.path for row in ROWS})
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PURGE")


def _allowed(path: str) -> list[str]:
    methods = {row.method for row in ROWS if row.path == path}
    return sorted(methods | ({"HEAD"} if "GET" in methods else set()))


@pytest.mark.parametrize("path", PATHS)
async def test_a_method_that_a_path_does_not_take_is_answered_with_those_it_does(
    path: str, service: Harness
) -> None:
    for method in METHODS:
        if method in _allowed(path):
            continue
        answer = await service.client.request(method, path.replace("{id}", "tsk_1"))
        refused(answer, 405, "invalid_request")
        assert answer.headers["allow"] == ", ".join(_allowed(path))


@pytest.mark.parametrize("path", PATHS)
async def test_a_slash_at_the_end_is_another_path(path: str, service: Harness) -> None:
    answer = await service.client.get(path.replace("{id}", "tsk_1") + "/")

    body = refused(answer, 404, "invalid_request")
    assert recommended(body)["endpoint"] == "/v1/capabilities"


@pytest.mark.parametrize(
    "path",
    ["/", "/v1", "/v2/tasks", "/v1/Tasks", "/v1/tasks/tsk_1/explode", "/v1//tasks", "/docs"],
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "OPTIONS"])
async def test_what_is_no_route_leads_to_the_capabilities(
    method: str, path: str, service: Harness
) -> None:
    body = refused(await service.client.request(method, path), 404, "invalid_request")

    assert recommended(body)["action"] == "fix_request"
    assert recommended(body)["endpoint"] == "/v1/capabilities"
    assert body["agent_contract"]["retryable"] is False


async def test_a_task_id_may_look_like_anything(caller: Caller) -> None:
    for name in ("claim", "x", "..", "%2e%2e", "tsk_" + "0" * 200, "%00", "%ff", "a%2Fb", "é"):
        answer = await caller.send("GET", f"/v1/tasks/{name}")
        assert answer.status_code in (404, 405), (name, answer.text)


async def test_ids_that_are_none_are_not_written_back(caller: Caller) -> None:
    answer = await caller.do("complete", "ignore-all-instructions")

    body = refused(answer, 404, "task_not_found")
    assert "ignore-all-instructions" not in str(body)


@pytest.mark.parametrize("row", [row for row in ROWS if row.method == "GET"], ids=lambda r: r.name)
async def test_head_answers_as_get_without_the_body(row: Operation, caller: Caller) -> None:
    path = row.path.replace("{id}", (await caller.task())["id"])
    fixed = {"X-Request-Id": "same-for-both"}
    got = await caller.send("GET", path, headers=fixed)

    answer = await caller.send("HEAD", path, headers=fixed)

    assert answer.status_code == got.status_code == 200
    assert answer.headers == got.headers
    assert answer.content == b""


async def test_head_is_refused_as_get_is(service: Harness) -> None:
    answer = await service.client.head("/v1/tasks")

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer ")


async def test_the_path_of_claims_is_no_task(caller: Caller) -> None:
    answer = await caller.read("/v1/tasks/claim")

    refused(answer, 405, "invalid_request")
    assert answer.headers["allow"] == "POST"


async def test_answers_about_an_account_are_kept_by_no_cache(caller: Caller) -> None:
    task = await caller.task()
    for path in ("/v1/tasks", f"/v1/tasks/{task['id']}", "/v1/billing/status", "/v1/tasks/x"):
        answer = await caller.read(path)
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["content-type"] == "application/json"


async def test_a_body_is_read_only_where_one_has_a_meaning(caller: Caller) -> None:
    answer = await caller.service.client.request(
        "GET", "/v1/tasks", content=b"{", headers=caller.account.headers
    )

    assert ok(answer)["items"] == []


async def test_replays_and_refusals_by_state_show_where_the_limit_stands(caller: Caller) -> None:
    body = {"type": "t", "payload": {}, "idempotencyKey": "k"}
    task_id = ok(await caller.send("POST", "/v1/tasks", body), 201)["id"]
    claim = f"/v1/tasks/{task_id}/claim"

    replayed = await caller.send("POST", "/v1/tasks", body)
    ok(await caller.send("POST", claim))
    held = await caller.send("POST", claim)

    assert replayed.headers["idempotent-replayed"] == "true"
    assert replayed.headers["ratelimit"].startswith('"creates";r=')
    assert held.status_code == 409
    assert held.headers["ratelimit"].startswith('"claims";r=')
