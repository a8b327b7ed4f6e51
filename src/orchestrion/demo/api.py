"""One caller's connection to the API, over plain HTTP and nothing else."""

import time
from collections.abc import Iterator, Mapping
from typing import TypeVar

import httpx2
import msgspec

from orchestrion.demo.wire import Claim, Creation, Page, Refusal, Registration, Task

TIMEOUT_SECONDS = 10.0
PAGE_SIZE = 100
TRIES_MAX = 4
WAIT_SECONDS_MAX = 5

_T = TypeVar("_T")


class Refused(Exception):
    """The API refused a request."""

    def __init__(self, status: int, refusal: Refusal) -> None:
        super().__init__(f"{status} {refusal.error}: {refusal.message}")
        self.code = refusal.error


class Api:
    """The requests of a producer and of a worker."""

    def __init__(self, url: str, key: str) -> None:
        # A proxy of the surroundings has no business between processes of one machine.
        self._client = httpx2.Client(
            base_url=url,
            headers={"Authorization": f"Bearer {key}"},
            timeout=TIMEOUT_SECONDS,
            trust_env=False,
        )

    @classmethod
    def registered(cls, url: str) -> tuple["Api", str]:
        """Make an account; give a connection that uses its key, and the key for the workers."""
        request = httpx2.Request("POST", f"{url}/v1/keys/register")
        with httpx2.Client(timeout=TIMEOUT_SECONDS, trust_env=False) as client:
            key = _read(_accepted(client, request), Registration).api_key
        return cls(url, key), key

    def create(self, creation: Creation, idempotency_key: str) -> Task:
        """Create a task; sent again with the same key it is the same task."""
        return self._post("/v1/tasks", creation, Task, {"Idempotency-Key": idempotency_key})

    def claim(self, task_type: str, worker_id: str) -> Claim:
        """Claim the next task of a type."""
        return self._post("/v1/tasks/claim", {"type": task_type, "worker_id": worker_id}, Claim)

    def heartbeat(self, task_id: str, lease_token: str) -> Task:
        """Extend the lease."""
        return self._post(f"/v1/tasks/{task_id}/heartbeat", {"lease_token": lease_token}, Task)

    def complete(self, task_id: str, outcome: Mapping[str, object]) -> Task:
        """Finish the attempt: `lease_token` and `result`."""
        return self._post(f"/v1/tasks/{task_id}/complete", outcome, Task)

    def fail(self, task_id: str, outcome: Mapping[str, object]) -> Task:
        """Give the task back: `lease_token`, `reason` and `retry_after_seconds`."""
        return self._post(f"/v1/tasks/{task_id}/fail", outcome, Task)

    def requeue(self, task_id: str) -> Task:
        """Give a dead-lettered task all its attempts again."""
        return self._post(f"/v1/tasks/{task_id}/requeue", {}, Task)

    def get(self, task_id: str) -> Task:
        """Look at one task."""
        return _read(self._get(f"/v1/tasks/{task_id}", {}), Task)

    def tasks(self) -> Iterator[Task]:
        """List all tasks, page by page."""
        query = {"limit": str(PAGE_SIZE)}
        while True:
            page = _read(self._get("/v1/tasks", query), Page)
            yield from page.items
            if page.page_info.next_cursor is None:
                return
            query["cursor"] = page.page_info.next_cursor

    def close(self) -> None:
        """Let go of the connection."""
        self._client.close()

    def _get(self, path: str, query: Mapping[str, str]) -> httpx2.Response:
        return _accepted(self._client, self._client.build_request("GET", path, params=query))

    def _post(
        self, path: str, body: object, shape: type[_T], headers: Mapping[str, str] | None = None
    ) -> _T:
        request = self._client.build_request(
            "POST",
            path,
            content=msgspec.json.encode(body),
            headers={"Content-Type": "application/json", **(headers or {})},
        )
        return _read(_accepted(self._client, request), shape)


def _accepted(client: httpx2.Client, request: httpx2.Request) -> httpx2.Response:
    for _ in range(TRIES_MAX):
        response = client.send(request)
        if response.is_success:
            return response
        wait = response.headers.get("Retry-After")
        if wait is None:
            break
        time.sleep(min(int(wait), WAIT_SECONDS_MAX))
    raise Refused(response.status_code, _read(response, Refusal))


def _read(response: httpx2.Response, shape: type[_T]) -> _T:
    return msgspec.json.decode(response.content, type=shape)
