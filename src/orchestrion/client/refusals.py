"""Error answers read as values, whoever on the way has written them."""

from collections.abc import Mapping
from typing import Any

import msgspec

from orchestrion.client.contract import Action, AgentContract
from orchestrion.client.errors import Refusal

MESSAGE_LENGTH_MAX = 200
# Where a proxy answers for the server, a later try may reach it.
_PASSING_STATUSES = frozenset({429, 502, 503, 504})


class _Error(msgspec.Struct, frozen=True):
    error: str
    message: str = ""
    request_id: str | None = None
    agent_contract: AgentContract = msgspec.field(default_factory=AgentContract)


_ERROR = msgspec.json.Decoder(_Error)
_SHOWN = frozenset(_Error.__struct_fields__)


def read_refusal(status: int, headers: Mapping[str, str], body: bytes) -> Refusal:
    """Read an error answer; one that is not the API's own counts as a server error."""
    try:
        answer = _ERROR.decode(body)
        said: dict[str, Any] = msgspec.json.decode(body)
    except msgspec.MsgspecError:
        return _foreign(status, headers, body)
    return Refusal(
        code=answer.error,
        status=status,
        message=answer.message,
        contract=answer.agent_contract,
        request_id=answer.request_id or headers.get("x-request-id"),
        retry_after=_wait(headers, answer.agent_contract),
        details=_details(said),
    )


def _details(said: dict[str, Any]) -> dict[str, Any]:
    beside = {name: value for name, value in said.items() if name not in _SHOWN}
    inner = beside.pop("details", None)
    return {**beside, **inner} if isinstance(inner, dict) else beside


def _wait(headers: Mapping[str, str], contract: AgentContract) -> float | None:
    asked = headers.get("retry-after", "")
    if asked.isascii() and asked.isdigit():
        return float(asked)
    for action in contract.next_actions:
        if action.action == "retry_after_wait" and action.retry_after_seconds is not None:
            return action.retry_after_seconds
    return None


def _foreign(status: int, headers: Mapping[str, str], body: bytes) -> Refusal:
    passing = status in _PASSING_STATUSES
    said = body[:MESSAGE_LENGTH_MAX].decode(errors="replace").strip()
    description = (
        "Repeat the request later." if passing else "See what stands between you and the server."
    )
    step = Action(
        action="retry_after_wait" if passing else "fix_request",
        available=True,
        recommended=True,
        description=description,
    )
    return Refusal(
        code="server_error",
        status=status,
        message=f"The answer is not one of Orchestrion's: {said!r}",
        contract=AgentContract(retryable=passing, next_actions=(step,)),
        request_id=headers.get("x-request-id"),
        retry_after=_wait(headers, AgentContract()),
        own=False,
    )
