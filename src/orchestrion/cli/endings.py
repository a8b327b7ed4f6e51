"""How a command ends when a server has refused, and what of it a command outlives that lasts."""

from collections.abc import Mapping
from types import MappingProxyType

from orchestrion.cli.refusals import Conflict, NotAllowed, NotFound, Refusal, UsedUp, WrongUsage
from orchestrion.client.errors import (
    APIError,
    ConnectionFailed,
    OrchestrionError,
    UnreadableAnswer,
)

# How the program ends, by the code of the refusal, and by its status where the code is unknown.
BY_CODE: Mapping[str, type[Refusal]] = MappingProxyType(
    {
        "missing_api_key": NotAllowed,
        "invalid_api_key": NotAllowed,
        "invalid_request": WrongUsage,
        "task_not_found": NotFound,
        "invalid_transition": Conflict,
        "lease_expired": Conflict,
        "task_currently_claimed": Conflict,
        "not_yet_claimable": Conflict,
        "idempotency_conflict": Conflict,
        "idempotency_in_flight": Conflict,
        "quota_exceeded": UsedUp,
        "plan_expired": UsedUp,
        "max_workers_reached": UsedUp,
        "payment_failed": Refusal,
        "rate_limited": UsedUp,
        "server_error": Refusal,
    }
)
BY_STATUS: Mapping[int, type[Refusal]] = MappingProxyType(
    {400: WrongUsage, 401: NotAllowed, 403: NotAllowed, 404: NotFound, 409: Conflict, 429: UsedUp}
)


def kind_of(error: APIError) -> type[Refusal]:
    """Choose the end of the program for a refusal."""
    if error.code == "invalid_request":
        if error.contract.recommended.action == "verify_payment":
            return Conflict
        return NotFound if error.status == 404 else WrongUsage  # noqa: PLR2004 - an HTTP status
    return BY_CODE.get(error.code) or BY_STATUS.get(error.status, Refusal)


def pause_after(error: OrchestrionError, interval: float) -> float:
    """Give the seconds until the next look of a command that lasts.

    Raises the error itself where that look would fare no better.
    """
    match error:
        case ConnectionFailed() | UnreadableAnswer():
            return interval
        case APIError(retryable=True):
            return max(interval, error.retry_after or 0.0)
        case _:
            raise error
