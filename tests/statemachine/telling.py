"""What the model has to say: an answer in outline, and how a refusal is put into one."""

from dataclasses import dataclass
from typing import Final

from tests.statemachine import advice
from tests.statemachine.lifecycle import Refused
from tests.statemachine.task import Json

WORKERS_MAX: Final = 3
_STATUSES: Final = {
    "invalid_request": 400,
    "task_not_found": 404,
    "max_workers_reached": 429,
}


@dataclass(frozen=True, kw_only=True)
class Told:
    """What must be answered; messages, descriptions and request ids are left out."""

    status: int = 200
    body: Json
    replayed: bool = False

    @property
    def code(self) -> str:
        """The error; empty where there is none."""
        code: str = self.body.get("error", "")
        return code


def refusal(no: Refused, now: int, endpoint: str = "") -> Told:
    """Write what a refusal must say."""
    more: Json = {} if no.reason is None else {"details": {"reason": no.reason}}
    if no.code == "max_workers_reached":
        in_use = {"plan": "free", "workers_in_use": no.live, "workers_limit": WORKERS_MAX}
        more["billing_context"] = in_use
    guidance = no.then or _guidance(no, now, endpoint)
    status = _STATUSES.get(no.code, 409)
    return Told(status=status, body={"error": no.code, "agent_contract": guidance, **more})


def _guidance(no: Refused, now: int, endpoint: str) -> Json:
    match no.code:
        case "invalid_request":
            return advice.FIX
        case "task_not_found":
            return advice.LIST
        case "max_workers_reached":
            return advice.workers_full(endpoint, no.wait)
        case _:
            pass
    assert no.task is not None, no.code
    match no.code:
        case "lease_expired":
            return advice.lease_expired(no.task)
        case "task_currently_claimed":
            return advice.currently_claimed(no.task, now)
        case "not_yet_claimable":
            return advice.not_yet(no.task, now)
        case _:
            return advice.refused_by_state(no.task, now)
