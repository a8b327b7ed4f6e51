"""What the clients of a campaign ask, and what each question is on the wire."""

import math
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

import msgspec

from tests.chaos.wire import Request

Json = dict[str, Any]
# What each operation is on the wire; `{}` is the task.
ROUTES: Final[Mapping[str, tuple[str, str]]] = {
    "create": ("POST", "/v1/tasks"),
    "claim": ("POST", "/v1/tasks/claim"),
    "list": ("GET", "/v1/tasks"),
    "get": ("GET", "/v1/tasks/{}"),
    "health": ("GET", "/health"),
    "claim_task": ("POST", "/v1/tasks/{}/claim"),
    "heartbeat": ("POST", "/v1/tasks/{}/heartbeat"),
    "complete": ("POST", "/v1/tasks/{}/complete"),
    "fail": ("POST", "/v1/tasks/{}/fail"),
    "release": ("POST", "/v1/tasks/{}/release"),
    "cancel": ("POST", "/v1/tasks/{}/cancel"),
    "requeue": ("POST", "/v1/tasks/{}/requeue"),
}


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """An account as its clients know it, and what its plan allows."""

    name: str
    id: str
    key: str
    limits: Mapping[str, int]
    # How long what has ended is kept.
    retention_seconds: float = math.inf

    @property
    def max_workers(self) -> int:
        """How many leases it may hold at once."""
        return self.limits["max_workers"]


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """One request as a client thinks of it; a query stands in `sent` too."""

    name: str
    task: str | None = None
    key: str | None = None
    sent: Json | None = None
    # The number of the operation that this one repeats on purpose.
    repeats: int | None = None

    @property
    def lease_token(self) -> str | None:
        """The lease it speaks for."""
        return (self.sent or {}).get("lease_token")

    @property
    def repeatable(self) -> bool:
        """Whether the service can know it again."""
        return self.key is not None or self.lease_token is not None

    def request(self, account: Account) -> Request:
        """Put it as a request of an account."""
        method, path = ROUTES[self.name]
        headers = [("Authorization", f"Bearer {account.key}")]
        if self.key is not None:
            headers.append(("Idempotency-Key", self.key))
        path = path.format(self.task)
        if method == "GET":
            query = f"?{urlencode(self.sent)}" if self.sent else ""
            return Request(method=method, path=path + query, headers=tuple(headers))
        content = msgspec.json.encode(self.sent or {})
        return Request(method=method, path=path, headers=tuple(headers), content=content)
