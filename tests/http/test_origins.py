"""CORS: open where everybody may read, closed on keyed routes unless configured."""

import pytest

from orchestrion.service import ServiceOptions
from tests.databases import Database
from tests.harness import Harness, running
from tests.http.callers import Caller, ok

ORIGIN = "https://console.example.org"
DOCUMENTS = [
    "/.well-known/agent.json",
    "/v1/capabilities",
    "/v1/tool",
    "/v1/schema",
    "/llms.txt",
    "/AGENTS.md",
    "/AGENT_CONTRACT.md",
]
PREFLIGHT = {
    "Origin": ORIGIN,
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization, content-type, idempotency-key",
}


@pytest.mark.parametrize("path", DOCUMENTS)
async def test_every_origin_may_read_the_documents(path: str, service: Harness) -> None:
    answer = await service.client.get(path, headers={"Origin": ORIGIN})

    assert answer.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("path", ["/v1/tasks", "/v1/billing/status", "/v1/tasks/tsk_1"])
async def test_keyed_routes_name_no_origin(path: str, caller: Caller) -> None:
    answer = await caller.send("GET", path, headers={"Origin": ORIGIN})

    assert not any(name.startswith("access-control") for name in answer.headers)


async def test_a_preflight_of_a_keyed_route_is_refused(service: Harness) -> None:
    answer = await service.client.options("/v1/tasks", headers=PREFLIGHT)

    assert answer.status_code == 405
    assert not any(name.startswith("access-control") for name in answer.headers)


async def test_a_configured_origin_may_call_keyed_routes(database: Database) -> None:
    async with running(database, ServiceOptions(cors_origins=(ORIGIN,))) as service:
        caller = Caller(service, await service.account())

        preflight = await service.client.options("/v1/tasks", headers=PREFLIGHT)
        answer = await caller.create({"Origin": ORIGIN})

    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == ORIGIN
    allowed = preflight.headers["access-control-allow-headers"].lower()
    for header in ("authorization", "content-type", "idempotency-key", "x-request-id"):
        assert header in allowed
    ok(answer, 201)
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    exposed = answer.headers["access-control-expose-headers"]
    for header in ("Retry-After", "X-Request-Id", "RateLimit", "Idempotent-Replayed", "Link"):
        assert header in exposed


async def test_refusals_can_be_read_from_a_configured_origin(database: Database) -> None:
    async with running(database, ServiceOptions(cors_origins=(ORIGIN,))) as service:
        missing = await service.client.get("/v1/tasks", headers={"Origin": ORIGIN})
        nowhere = await service.client.get("/nowhere", headers={"Origin": ORIGIN})

    assert (missing.status_code, nowhere.status_code) == (401, 404)
    assert missing.headers["access-control-allow-origin"] == ORIGIN
    assert nowhere.headers["access-control-allow-origin"] == ORIGIN


async def test_other_origins_stay_out_where_one_is_configured(database: Database) -> None:
    async with running(database, ServiceOptions(cors_origins=(ORIGIN,))) as service:
        caller = Caller(service, await service.account())
        stranger = {"Origin": "https://evil.example.org"}

        answer = await caller.send("GET", "/v1/tasks", headers=stranger)
        preflight = await service.client.options("/v1/tasks", headers={**PREFLIGHT, **stranger})

    assert "access-control-allow-origin" not in answer.headers
    assert "access-control-allow-origin" not in preflight.headers
    assert (preflight.status_code, preflight.json()["error"]) == (400, "invalid_request")
    assert preflight.headers["x-request-id"] == preflight.json()["request_id"]


@pytest.mark.parametrize("path", DOCUMENTS)
async def test_the_documents_stay_open_where_an_origin_is_configured(
    path: str, database: Database
) -> None:
    options = ServiceOptions(cors_origins=(ORIGIN,))
    async with running(database, options) as service:
        for origin, allowed in (("https://any.example", {"*"}), (ORIGIN, {"*", ORIGIN})):
            answer = await service.client.get(path, headers={"Origin": origin})
            (named,) = answer.headers.get_list("access-control-allow-origin")
            assert named in allowed
