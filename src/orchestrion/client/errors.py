"""What can go wrong, one class for each code the server may answer with."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from orchestrion.client.contract import AgentContract


class OrchestrionError(Exception):
    """Anything this client raises by itself.

    From an operation on many tasks, `outcomes` is what its requests before this one came to:
    the task or the refusal of each item, from the first on.
    """

    outcomes: tuple[object, ...] = ()


class ConfigurationError(OrchestrionError, ValueError):
    """The configuration cannot be used: the message names the place."""


class ConnectionFailed(OrchestrionError):
    """No answer came, repeats included. `sent`: the request may have taken effect."""

    def __init__(self, message: str, *, sent: bool = False) -> None:
        super().__init__(message)
        self.sent = sent


class Timeout(OrchestrionError, TimeoutError):
    """What was waited for did not come in time."""


class RequestTimeout(ConnectionFailed, Timeout):
    """The server did not answer within the client's `timeout`, repeats included."""


class UnreadableAnswer(OrchestrionError):
    """A success that is no answer of this API, as another kind of server may give."""


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """An error answer as a value. `retry_after` is in seconds; `details` is what else it said.

    Not `own`: something between client and server has answered, and the contract is made up.
    """

    code: str
    status: int
    message: str
    contract: AgentContract
    request_id: str | None = None
    retry_after: float | None = None
    details: dict[str, Any] = {}
    own: bool = True


class APIError(OrchestrionError):
    """The server refused the request; there is a subclass for each code it may name.

    A code unknown to this release comes as APIError itself.
    """

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal)
        self.refusal = refusal
        self.code = refusal.code
        self.status = refusal.status
        self.message = refusal.message
        self.request_id = refusal.request_id
        self.contract = refusal.contract
        # Whether the very same request can succeed later, and is safe to send again.
        self.retryable = refusal.contract.retryable
        self.retry_after = refusal.retry_after
        self.details = refusal.details

    def __str__(self) -> str:
        quoted = f", {self.request_id}" if self.request_id else ""
        said = f"{self.message} ({self.code}, HTTP {self.status}{quoted})"
        return f"{said} Next: {self.contract.recommended.words}"


class MissingApiKey(APIError):
    """The request carried no key."""


class InvalidApiKey(APIError):
    """The key is mistyped, unknown or revoked."""


class InvalidRequest(APIError):
    """The request does not fit the API's schema; nothing was changed."""


class TaskNotFound(APIError):
    """The account has no such task."""


class InvalidTransition(APIError):
    """The task's state does not allow this; to a worker: this attempt is over."""


class LeaseExpired(APIError):
    """The lease is over: stop working on the task and discard the result."""


class TaskCurrentlyClaimed(APIError):
    """A worker holds the task: cancel it with `force`, or once it is pending."""


class NotYetClaimable(APIError):
    """The task is scheduled for later."""


class IdempotencyConflict(APIError):
    """The idempotency key was used with another request."""


class IdempotencyInFlight(APIError):
    """The first request with this idempotency key is not decided yet."""


class QuotaExceeded(APIError):
    """The plan's tasks for this cycle are used up."""


class PlanExpired(APIError):
    """The paid plan ran out, and the one it fell back to does not allow this."""


class MaxWorkersReached(APIError):
    """The account holds as many live leases as its plan allows."""


class PaymentFailed(APIError):
    """The payment was declined, is not approved yet, or its checkout ran out."""


class RateLimited(APIError):
    """Too many requests in this window: wait `retry_after` seconds."""


class ServerError(APIError):
    """The server could not carry out the request."""


BY_CODE: Mapping[str, type[APIError]] = MappingProxyType(
    {
        "missing_api_key": MissingApiKey,
        "invalid_api_key": InvalidApiKey,
        "invalid_request": InvalidRequest,
        "task_not_found": TaskNotFound,
        "invalid_transition": InvalidTransition,
        "lease_expired": LeaseExpired,
        "task_currently_claimed": TaskCurrentlyClaimed,
        "not_yet_claimable": NotYetClaimable,
        "idempotency_conflict": IdempotencyConflict,
        "idempotency_in_flight": IdempotencyInFlight,
        "quota_exceeded": QuotaExceeded,
        "plan_expired": PlanExpired,
        "max_workers_reached": MaxWorkersReached,
        "payment_failed": PaymentFailed,
        "rate_limited": RateLimited,
        "server_error": ServerError,
    }
)


def error_of(refusal: Refusal) -> APIError:
    """Give the exception for a refusal."""
    return BY_CODE.get(refusal.code, APIError)(refusal)
