"""What the pretend PayPal says: answers and refusals in PayPal's published shapes."""

import secrets
from collections.abc import Mapping
from typing import Any, Final

import msgspec

DOCUMENTATION: Final = "https://developer.paypal.com/api/rest/reference/orders/v2/errors/"

Json = dict[str, Any]

_MESSAGES: Final = {
    "AUTHENTICATION_FAILURE": (
        "Authentication failed due to missing authorization header, or invalid authentication "
        "credentials."
    ),
    "INTERNAL_SERVER_ERROR": "An internal server error has occurred.",
    "INVALID_REQUEST": ("Request is not well-formed, syntactically incorrect, or violates schema."),
    "NOT_AUTHORIZED": "Authorization failed due to insufficient permissions.",
    "RATE_LIMIT_REACHED": "Too many requests. Blocked due to rate limiting.",
    "RESOURCE_CONFLICT": "The server has detected a conflict while processing this request.",
    "RESOURCE_NOT_FOUND": "The specified resource does not exist.",
    "SERVICE_UNAVAILABLE": "Service Unavailable.",
    "UNPROCESSABLE_ENTITY": (
        "The requested action could not be performed, semantically incorrect, or failed business "
        "validation."
    ),
    "VALIDATION_ERROR": "Invalid request - see details.",
}
_NAMES: Final = {
    400: "INVALID_REQUEST",
    401: "AUTHENTICATION_FAILURE",
    403: "NOT_AUTHORIZED",
    404: "RESOURCE_NOT_FOUND",
    409: "RESOURCE_CONFLICT",
    422: "UNPROCESSABLE_ENTITY",
    429: "RATE_LIMIT_REACHED",
    500: "INTERNAL_SERVER_ERROR",
    503: "SERVICE_UNAVAILABLE",
}


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """An answer before it is written."""

    status: int
    body: Json
    headers: Mapping[str, str] = {}
    # Whether it is the answer to an earlier request that is sent once more.
    repeated: bool = False


def refusal(status: int, issue: str = "", field: str = "") -> Reply:
    """Refuse, with the reason in the details, as PayPal does."""
    name = _NAMES.get(status, "INTERNAL_SERVER_ERROR")
    debug_id = secrets.token_hex(7)[:13]
    body: Json = {"name": name, "message": _MESSAGES[name], "debug_id": debug_id}
    if issue:
        detail = {"issue": issue, "description": f"Pretended: {issue}."}
        place = {"field": field, "location": "body"} if field else {}
        body["details"] = [place | detail]
        body["links"] = [
            {"href": f"{DOCUMENTATION}#{issue}", "rel": "information_link", "method": "GET"}
        ]
    return Reply(status=status, body=body, headers={"paypal-debug-id": debug_id})


def oauth_refusal(status: int, error: str, description: str) -> Reply:
    """Refuse a token, in the shape of OAuth."""
    return Reply(status=status, body={"error": error, "error_description": description})


def link(href: str, rel: str, method: str = "GET") -> Json:
    """Write a link."""
    return {"href": href, "rel": rel, "method": method}
