"""A caller of the API: one account, one method per verb, and readings of what is answered."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import httpx2

from tests.harness import BASE_URL, Account, Harness

Json = dict[str, Any]
Response = httpx2.Response
TYPE: Final = "report"
RECOVERY_SECONDS: Final = 10.0


class Caller:
    """Sends requests with a key; every answer passes the harness's check of the schema."""

    def __init__(
        self, service: Harness, account: Account, client: httpx2.AsyncClient | None = None
    ) -> None:
        self.service = service
        self.account = account
        self.client = service.client if client is None else client

    def unchecked(self) -> "Caller":
        """Give the same caller without the check, for crowds of requests that are all alike."""
        return Caller(self.service, self.account, visitor(self.service, "192.0.2.251"))

    async def send(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        headers: dict[str, str] | None = None,
    ) -> Response:
        """Send any request; no body where None is given."""
        sent = {**self.account.headers, **(headers or {})}
        return await self.client.request(method, path, json=body, headers=sent)

    async def read(self, path: str, **headers: str) -> Response:
        """GET a path."""
        return await self.send("GET", path, headers=headers)

    async def create(self, headers: dict[str, str] | None = None, /, **fields: object) -> Response:
        """POST /v1/tasks with a type and a payload unless others are given."""
        body = {"type": TYPE, "payload": {"page": 1}, **fields}
        return await self.send("POST", "/v1/tasks", body, headers)

    async def claim_next(self, type_name: str = TYPE, **fields: object) -> Response:
        """POST /v1/tasks/claim."""
        return await self.send("POST", "/v1/tasks/claim", {"type": type_name, **fields})

    async def show(self, task_id: str) -> Response:
        """GET /v1/tasks/{id}."""
        return await self.send("GET", f"/v1/tasks/{task_id}")

    async def do(self, verb: str, task_id: str, **fields: object) -> Response:
        """POST /v1/tasks/{id}/{verb}; no body where no fields are given."""
        return await self.send("POST", f"/v1/tasks/{task_id}/{verb}", fields or None)

    async def task(self, **fields: object) -> Json:
        """Create a task that must succeed."""
        return ok(await self.create(**fields), 201)

    async def held(self, **fields: object) -> Json:
        """Create a task and claim it; gives the claim's answer."""
        task = await self.task(**fields)
        return ok(await self.do("claim", task["id"]))

    async def dead(self, **fields: object) -> Json:
        """Create a task of one attempt and let it die."""
        claim = await self.held(maxAttempts=1, **fields)
        return ok(await self.do("fail", claim["task"]["id"], lease_token=claim["lease_token"]))


async def recovered(ask: Callable[[], Awaitable[Response]]) -> Response:
    """Ask until the service does what it is for again: it looks for its database in intervals."""
    async with asyncio.timeout(RECOVERY_SECONDS):
        while True:
            response = await ask()
            if response.status_code != 503:
                return response
            await asyncio.sleep(0.01)


async def stranger(service: Harness) -> Caller:
    """Register another account."""
    return Caller(service, await service.account())


def visitor(service: Harness, address: str) -> httpx2.AsyncClient:
    """Make a client at an address of its own."""
    transport = httpx2.ASGITransport(service.service.app, client=(address, 1234))
    return httpx2.AsyncClient(transport=transport, base_url=BASE_URL)


def ok(response: Response, status: int = 200) -> Json:
    """Give the body of a success."""
    assert response.status_code == status, response.text
    body: Json = response.json()
    if "agent_contract" in body:
        check_contract(body["agent_contract"])
        assert body["agent_contract"]["retryable"] is (body.get("task", body) is None)
    return body


def refused(response: Response, status: int, code: str) -> Json:
    """Give the body of a refusal, and hold it to what is true of every refusal."""
    body: Json = response.json()
    assert (response.status_code, body["error"]) == (status, code), response.text
    assert body["request_id"] == response.headers["x-request-id"]
    assert body["message"]
    check_contract(body["agent_contract"])
    waits = {str(action.get("retry_after_seconds", "")) for action in next_actions(body)} - {""}
    told = {response.headers["retry-after"]} if "retry-after" in response.headers else set()
    assert told == (waits if status in (429, 503) else set())
    assert ("www-authenticate" in response.headers) is (status == 401)
    assert ("allow" in response.headers) is (status == 405)
    return body


def check_contract(contract: Json) -> None:
    """Hold guidance to: one recommended action, first, available."""
    assert contract["version"] == "1"
    first, *others = contract["next_actions"]
    assert (first["recommended"], first["available"]) == (True, True)
    assert not any(action["recommended"] for action in others)


def next_actions(body: Json) -> list[Json]:
    """Give the actions of an answer."""
    actions: list[Json] = body["agent_contract"]["next_actions"]
    return actions


def recommended(body: Json) -> Json:
    """Give the recommended action."""
    return next_actions(body)[0]


def advice(body: Json) -> list[str]:
    """Name the actions in order; one that is not possible now stands in brackets."""
    return [
        action["action"] if action["available"] else f"({action['action']})"
        for action in next_actions(body)
    ]


def limit_left(response: Response) -> tuple[str, int, int]:
    """Read the RateLimit header: name, requests left, seconds until it resets."""
    name, left, reset = response.headers["ratelimit"].split(";")
    return name.strip('"'), int(left.removeprefix("r=")), int(reset.removeprefix("t="))


def limit_policy(response: Response) -> tuple[str, int, int]:
    """Read the RateLimit-Policy header: name, quota, seconds of the window."""
    name, quota, window = response.headers["ratelimit-policy"].split(";")
    return name.strip('"'), int(quota.removeprefix("q=")), int(window.removeprefix("w="))
