"""Which refusals an operation may answer, and why each comes with its status."""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from orchestrion.core.errors import CATALOGUE, ErrorCode
from orchestrion.core.limits import BATCH_BODY_BYTES_MAX, BODY_BYTES_MAX
from orchestrion.core.operations import Access, Allowance, Operation

_E = ErrorCode


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One reason for one status; `example` names an entry of the examples."""

    status: int
    code: ErrorCode
    cause: str
    example: str


def _case(code: ErrorCode, *, status: int = 0, cause: str = "", example: str = "") -> Case:
    return Case(
        status=status or CATALOGUE[code].statuses[0],
        code=code,
        cause=cause or CATALOGUE[code].meaning,
        example=example or code,
    )


_INVALID = _case(_E.INVALID_REQUEST, cause="A header, the query or the body is wrong.")
_FAULT = _case(_E.SERVER_ERROR, cause="A fault of the server.")
_UNKNOWN = _case(
    _E.SERVER_ERROR,
    cause="The write may or may not have happened: look before you repeat it.",
    example="commit_unknown",
)
_BUSY = _case(
    _E.SERVER_ERROR,
    status=503,
    cause="The database does not answer, or the server sheds load. Wait and repeat.",
    example="server_busy",
)
_METHOD = _case(
    _E.INVALID_REQUEST,
    status=405,
    cause="The path does not know this method; Allow lists those it does.",
    example="wrong_method",
)


def _large(bytes_max: int) -> Case:
    return _case(
        _E.INVALID_REQUEST,
        status=413,
        cause=f"The body has more than {bytes_max // 1024} KiB.",
        example="too_large",
    )


_MEDIA = _case(
    _E.INVALID_REQUEST,
    status=415,
    cause="The body is not application/json in UTF-8, or carries a Content-Encoding.",
    example="wrong_media",
)
_EXPIRED_CHECKOUT = _case(
    _E.PAYMENT_FAILED,
    status=410,
    cause="The checkout ran out, or a newer one took its place. Start another.",
    example="checkout_expired",
)

_NO_PAYMENTS_NOW = _case(
    _E.SERVER_ERROR,
    status=503,
    cause="PayPal does not answer as it should, or this payment is being taken at this moment. "
    "Wait and repeat.",
    example="no_payments_now",
)

# No operation's, and so in no list of cases.
UNKNOWN_ROUTE = _case(_E.INVALID_REQUEST, status=404, cause="The path is none of the API.")

# The same wherever they occur, so the document has each once.
SHARED: Mapping[tuple[Case, ...], str] = MappingProxyType(
    {
        (_METHOD,): "WrongMethod",
        (_large(BODY_BYTES_MAX),): "TooLarge",
        (_large(BATCH_BODY_BYTES_MAX),): "BatchTooLarge",
        (_MEDIA,): "WrongMedia",
        (_FAULT,): "ServerError",
        (_FAULT, _UNKNOWN): "WriteError",
        (_BUSY,): "ServerBusy",
    }
)

_CLAIM_KEY: Mapping[tuple[Allowance, ErrorCode], Case] = MappingProxyType(
    {
        (Allowance.CLAIMS, _E.IDEMPOTENCY_CONFLICT): _case(
            _E.IDEMPOTENCY_CONFLICT,
            cause="A lease that a different claim took under this key is live.",
            example="claim_key_in_use",
        )
    }
)

# What the operation's own row cannot tell.
_MORE: Mapping[str, tuple[Case, ...]] = MappingProxyType(
    {
        "register_key": (
            _case(
                _E.INVALID_REQUEST,
                status=404,
                cause="The server is closed to registration.",
                example="registration_closed",
            ),
        ),
        "start_checkout": (
            _case(
                _E.INVALID_REQUEST,
                cause="The plan is not for sale here, or the body is wrong.",
                example="unknown_plan",
            ),
            _case(
                _E.INVALID_REQUEST,
                cause="A checkout of the account is pending: the answer names it.",
                example="checkout_pending",
            ),
            _NO_PAYMENTS_NOW,
            _case(
                _E.SERVER_ERROR,
                status=503,
                cause="Payments are not configured on this server (then without Retry-After).",
                example="payments_off",
            ),
        ),
        "verify_payment": (
            _case(
                _E.INVALID_REQUEST,
                status=404,
                cause="The account has no purchase of this id.",
                example="unknown_purchase",
            ),
            _case(
                _E.PAYMENT_FAILED,
                cause="Nobody has approved the payment yet, or its money is on its way. Wait and "
                "repeat.",
                example="not_approved",
            ),
            _EXPIRED_CHECKOUT,
            _NO_PAYMENTS_NOW,
        ),
        "receive_payment_event": (
            _case(_E.INVALID_REQUEST, cause="PayPal did not send this.", example="not_genuine"),
            _case(
                _E.INVALID_REQUEST,
                status=404,
                cause="The server takes no events.",
                example="no_events",
            ),
            _NO_PAYMENTS_NOW,
        ),
    }
)


def cases(row: Operation) -> list[Case]:
    """List every refusal of the operation, by status."""
    found = [_INVALID, _METHOD, _FAULT, _BUSY]
    if row.access is Access.KEYED:
        found += [_case(_E.MISSING_API_KEY), _case(_E.INVALID_API_KEY)]
    if row.allowance is not Allowance.NONE:
        found.append(_case(_E.RATE_LIMITED))
    if row.body is not None:
        found += [_UNKNOWN, _large(row.body_bytes_max), _MEDIA]
    found += [_CLAIM_KEY.get((row.allowance, code), _case(code)) for code in row.refusals]
    found += _MORE.get(row.name, ())
    return sorted(found, key=lambda case: case.status)
