"""What can be reached, by whom, and what every answer shows: nothing beside the documents."""

import itertools
from collections.abc import Iterator
from typing import Any, Final
from urllib.error import HTTPError
from urllib.request import urlopen

import httpx2
import pytest

from orchestrion.core.account import Account, ApiKey, Principal
from orchestrion.core.operations import OPERATIONS, PAGES
from orchestrion.core.task import Task
from tests.databases import Databases
from tests.e2e.serving import PATIENCE_SECONDS, Served, serving
from tests.harness import Account as Owner
from tests.harness import Harness
from tests.http.callers import Caller, ok
from tests.http.test_tenants import ROWS
from tests.security.walk import through, through_awaited, walk
from tests.security.wire import Sent

# The headers that an answer may have; a new one is a decision.
HEADERS: Final = {
    *("cache-control", "content-length", "content-type", "date", "x-request-id"),
    *("allow", "retry-after", "ratelimit", "ratelimit-policy", "www-authenticate", "link"),
    *("idempotent-replayed", "etag", "access-control-allow-origin", "content-language"),
    *("content-security-policy", "referrer-policy", "x-content-type-options"),
}
# Where operators look, or frameworks leave doors: nothing of it is on the port of the API.
ELSEWHERE: Final = (
    *("/metrics", "/admin", "/v1/admin", "/v1/accounts", "/v1/keys", "/v1/keys/revoke", "/v1/jobs"),
    *("/debug", "/debug/pprof", "/status", "/server-status", "/docs", "/redoc", "/openapi.json"),
    *(
        "/v1/metrics",
        "/v1/audit",
        "/dashboard",
        "/.env",
        "/.git/config",
        "/static/x",
        "/favicon.ico",
    ),
)
# What is kept of a task, and what of it is anybody's to see: the rest stays inside.
SHOWN: Final = {
    *("id", "type", "payload", "status", "priority", "scheduled_at", "attempt_count"),
    *("max_attempts", "lease_duration_seconds", "claimed_by", "claimed_at", "lease_expires_at"),
    *("last_heartbeat_at", "created_at", "updated_at", "completed_at", "last_failed_at"),
    *("last_failure_reason", "result", "output_id", "cancel_requested_at"),
    # The token in the answer to a claim alone; the plan and its cycle in the billing status.
    *("lease_token", "plan", "plan_expires_at", "cycle_started_at"),
}
# What a tenant might try to write into a task or its account, and must not.
UNWRITABLE: Final = {
    **dict.fromkeys(("id", "taskId", "task_id"), "tsk_00000000000000000000000000"),
    **dict.fromkeys(("accountId", "account_id", "account"), "acct_00000000000000000000000000"),
    **dict.fromkeys(("status", "state"), "completed"),
    **dict.fromkeys(("attemptCount", "attempt_count", "releaseCount", "release_count"), 99),
    **dict.fromkeys(("claimedBy", "claimed_by", "plan", "role"), "somebody"),
    **dict.fromkeys(("createdAt", "completedAt", "leaseExpiresAt"), "2026-01-01T00:00:00.000Z"),
    **dict.fromkeys(("leaseToken", "nextLeaseToken"), "lse_0"),
    **{name: {"x": 1} for name in ("result", "agent_contract", "billing_context")},
    **dict.fromkeys(("outputId", "output_id", "lastFailureReason"), "out_1"),
}
INTERNAL: Final = (
    b"Traceback",
    b'File "',
    b".py",
    b"asyncpg",
    b"apsw",
    b"SQL",
    b"select ",
    b"/src/",
)

Json = dict[str, Any]


# --- API9: what is served is what is documented, and the other way round


async def test_what_is_served_is_what_is_documented(service: Harness) -> None:
    document = (await service.client.get("/v1/schema")).json()

    documented = {
        (method.upper(), path, operation["operationId"], "security" in operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    served = {
        (row.method, row.path, row.name, row.access == "keyed") for row in (*OPERATIONS, *PAGES)
    }
    assert documented == served


async def test_whatever_is_documented_has_its_row_in_the_matrix(service: Harness) -> None:
    document = (await service.client.get("/v1/schema")).json()

    names = {one["operationId"] for each in document["paths"].values() for one in each.values()}
    assert names == ROWS.keys()


async def test_a_documented_operation_answers_and_none_beside_it(service: Harness) -> None:
    document = (await service.client.get("/v1/schema")).json()

    for path, methods in document["paths"].items():
        allowed = {method.upper() for method in methods}
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            answer = await service.client.request(method, path.replace("{id}", "tsk_1"))
            assert (answer.status_code == 405) is (method not in allowed), (method, path)


# --- API3: properties


async def test_nobody_writes_what_is_not_theirs_to_write(caller: Caller) -> None:
    task = ok(await caller.create(**UNWRITABLE), 201)
    path = f"/v1/tasks/{task['id']}"
    claim = ok(await caller.send("POST", f"{path}/claim", UNWRITABLE))
    lease = {**UNWRITABLE, "lease_token": claim["lease_token"]}
    beaten = await caller.send("POST", f"{path}/heartbeat", lease)
    shown = ok(await caller.show(task["id"]))

    assert ok(beaten)["status"] == "claimed"
    assert task["id"] != UNWRITABLE["id"]
    assert (task["status"], task["attemptCount"], task["result"]) == ("pending", 0, None)
    assert (shown["claimedBy"], shown["attemptCount"], shown["outputId"]) == (None, 1, None)
    ((account_id, attempts),) = caller.service.database.fetch(
        "select account_id, attempt_count from tasks"
    )
    assert (account_id, attempts) == (caller.account.id, 1)
    assert ok(await caller.read("/v1/billing/status"))["plan"]["id"] == "free"


async def test_registration_gives_no_plan_that_is_asked_for(service: Harness) -> None:
    body = {"email": "a@example.com", "plan": "agency", "accountId": "acct_1", "apiKey": "x"}
    answer = ok(await service.client.post("/v1/keys/register", json=body), 201)

    headers = {"Authorization": f"Bearer {answer['apiKey']}"}
    status = ok(await service.client.get("/v1/billing/status", headers=headers))
    assert answer["accountId"] != "acct_1"
    assert status["plan"]["id"] == "free"


async def test_no_answer_shows_a_column_that_is_kept_inside(caller: Caller) -> None:
    kept = (Task, Account, Principal, ApiKey)
    inside = {name for one in kept for name in one.__struct_fields__} - SHOWN
    hidden = {name for one in inside for name in (one, camel(one))}
    shown: list[str] = []

    async def ask(sent: Sent) -> Json:
        body = None if sent.body is None else dict(sent.body)
        answer = await caller.send(sent.method, sent.path, body, dict(sent.headers))
        found: Json = answer.json()
        # Whose account it is, and its key, are told to whoever makes it, and then never again.
        shown.extend(names_in(found) if sent.name != "register_key" else ())
        return found

    await through_awaited(walk("worker 7", "report"), ask)

    assert inside >= {"account_id", "claim_digest", "given_back_by", "traceparent", "hash"}
    assert len(shown) > 2_000
    assert hidden & set(shown) == set()


def names_in(value: object) -> Iterator[str]:
    """Name every field at any depth, but for what a tenant keeps."""
    if isinstance(value, list):
        for one in value:
            yield from names_in(one)
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name
            if name not in {"payload", "result"}:
                yield from names_in(inner)


def camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.title() for part in rest)


# --- API5: operators' doors


async def test_no_door_of_operators_is_on_the_port_of_the_api(caller: Caller) -> None:
    for path, method in itertools.product(ELSEWHERE, ("GET", "POST", "DELETE")):
        for headers in ({}, caller.account.headers):
            answer = await caller.client.request(method, path, headers=headers)
            assert answer.status_code == 404, (method, path)
            assert answer.json()["error"] == "invalid_request"


@pytest.fixture
def caller(service: Harness, account: Owner) -> Caller:
    return Caller(service, account)


@pytest.fixture(scope="module")
def served(databases: Databases) -> Iterator[Served]:
    with databases.sqlite() as database, serving(database.path) as served:
        served.url()
        yield served


def test_metrics_stand_on_a_port_of_their_own_and_nowhere_else(served: Served) -> None:
    key = served.first_key()
    with urlopen(f"http://127.0.0.1:{served.metrics_port}/metrics") as page:
        assert b"orchestrion_requests" in page.read()

    answer = httpx2.get(f"{served.url()}/metrics", headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == 404
    with pytest.raises(HTTPError) as refused:
        urlopen(f"http://127.0.0.1:{served.metrics_port}/v1/tasks")
    refused.value.close()
    assert refused.value.code == 404


# --- API8: headers, errors


def test_every_answer_has_the_headers_it_should_and_no_other(served: Served) -> None:
    seen: dict[int, set[str]] = {}
    bodies: list[bytes] = []
    with client_of(served) as client:

        def ask(sent: Sent) -> Json:
            answer = client.request(sent.method, sent.path, json=sent.body, headers=sent.headers)
            seen.setdefault(answer.status_code, set()).update(answer.headers)
            bodies.append(answer.content)
            assert answer.headers["cache-control"] == "no-store"
            assert answer.headers["content-type"] == "application/json"
            found: Json = answer.json()
            return found

        through(walk("worker 7", "report"), ask)
        for row in PAGES:
            answer = client.request(row.method, row.path)
            seen.setdefault(answer.status_code, set()).update(answer.headers)

    assert set().union(*seen.values()) <= HEADERS
    assert {200, 201, 400, 404, 409} <= seen.keys()
    # No name of a program, no version.
    assert "server" not in set().union(*seen.values())
    assert [body for body in bodies for inside in INTERNAL if inside in body] == []


def test_a_fault_inside_shows_nothing_of_the_inside(databases: Databases) -> None:
    with databases.sqlite() as database, serving(database.path) as served:
        with client_of(served) as client:
            database.execute("alter table tasks rename to away")
            answers = [
                client.get("/v1/tasks"),
                client.post("/v1/tasks", json={"type": "report", "payload": {}}),
                client.post("/v1/tasks/claim", json={"type": "report"}),
            ]
            database.execute("alter table away rename to tasks")
        assert {answer.status_code for answer in answers} <= {500, 503}
        for answer in answers:
            assert answer.json()["error"] == "server_error"
            assert not any(inside in answer.content for inside in INTERNAL), answer.text
            assert "away" not in answer.text


def client_of(served: Served) -> httpx2.Client:
    headers = {"Authorization": f"Bearer {served.first_key()}"}
    return httpx2.Client(
        base_url=served.url(), headers=headers, timeout=PATIENCE_SECONDS, trust_env=False
    )
