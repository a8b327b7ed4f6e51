"""Requests for several tasks, and readings of what each item came to."""

import re
from typing import Any, Final

from tests.http.callers import Caller, Json, Response, ok

PATHS: Final = {
    "create": "/v1/tasks/batch",
    "complete": "/v1/tasks/complete",
    "fail": "/v1/tasks/fail",
    "heartbeat": "/v1/tasks/heartbeat",
}
_MADE_UP: Final = re.compile(r"\b(?:tsk|acct|req|lse)_\w+")


async def together(caller: Caller, verb: str, items: list[Json]) -> Response:
    """Send a batch."""
    return await caller.send("POST", PATHS[verb], {"items": items})


async def alone(caller: Caller, verb: str, item: Json) -> Response:
    """Send what one item of a batch says as a request of its own."""
    if verb == "create":
        return await caller.send("POST", "/v1/tasks", item)
    body = {name: value for name, value in item.items() if name != "id"}
    return await caller.send("POST", f"/v1/tasks/{item['id']}/{verb}", body)


def items_of(response: Response) -> list[Json]:
    """Give what the items came to."""
    items: list[Json] = ok(response)["items"]
    return items


def statuses(response: Response) -> list[int]:
    """Give the status of each item."""
    return [item["status"] for item in items_of(response)]


def errors(response: Response) -> list[str]:
    """Give the error of each item; empty where it was accepted."""
    return [item["body"].get("error", "") for item in items_of(response)]


def item_of(claim: Json, **fields: object) -> Json:
    """Name a claimed task and its lease in a batch."""
    return {"id": claim["task"]["id"], "lease_token": claim["lease_token"], **fields}


def claimed_items(claim: Json) -> list[Json]:
    """Name every task of a claim of several."""
    return [item_of(one) for one in claim["tasks"]]


class Names:
    """Numbers what is made up at random by its first appearance, so that histories compare."""

    def __init__(self) -> None:
        self._seen: dict[str, str] = {}

    def plain(self, value: Any) -> Any:  # noqa: ANN401 - any JSON, or a row
        """Give the value with numbers for names."""
        if isinstance(value, dict):
            return {name: self.plain(inner) for name, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self.plain(one) for one in value]
        if isinstance(value, bytes):
            # A digest over what was made up.
            return len(value)
        return _MADE_UP.sub(self._number, value) if isinstance(value, str) else value

    def _number(self, match: re.Match[str]) -> str:
        name = match.group()
        if name.startswith("req_"):
            return "req"
        return self._seen.setdefault(name, f"{name[:3]}-{len(self._seen)}")
