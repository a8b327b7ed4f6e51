"""The pretend PayPal's API: the five calls, each of which may be told to go wrong."""

import base64
import binascii
import secrets
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from orchestrion.payments.pretend.answering import broken, written
from orchestrion.payments.pretend.behaviours import Behaviour, Behaviours, Point, What
from orchestrion.payments.pretend.orders import Ledger
from orchestrion.payments.pretend.replies import Reply, oauth_refusal, refusal
from orchestrion.payments.pretend.requests import OrderRequest, read_order_request
from orchestrion.payments.pretend.wall import Wall
from orchestrion.payments.pretend.webhooks import Notary

CLIENT_ID: Final = "pretend-client"
SECRET: Final = "pretend-secret"  # noqa: S105 - it opens nothing
TOKEN_SECONDS: Final = 32_400
TOKENS_MAX: Final = 10_000
CALLS_KEPT: Final = 10_000
BODY_BYTES_MAX: Final = 262_144

Endpoint = Callable[[Request], Awaitable[Response]]
Act = Callable[[Request, bytes, Behaviour | None], Reply]


class CallSeen(msgspec.Struct, frozen=True, kw_only=True):
    """A call; `status` is what it came to, `told` what was to go wrong with the answer."""

    point: Point
    order_id: str
    request_id: str
    status: int
    told: str
    repeated: bool


class PretendApi:
    """Answers the calls."""

    def __init__(self, ledger: Ledger, notary: Notary, wall: Wall) -> None:
        self.behaviours = Behaviours()
        self.calls: deque[CallSeen] = deque(maxlen=CALLS_KEPT)
        self._ledger = ledger
        self._notary = notary
        self._wall = wall
        self._tokens: dict[str, float] = {}
        self._last: dict[Point, Reply] = {}
        self._counts: Counter[Point] = Counter()

    def counts(self) -> dict[Point, int]:
        """Count the calls of each kind, however many."""
        return {point: self._counts[point] for point in Point}

    def reset(self) -> None:
        """Behave from now on, and forget the calls so far; orders and money stay."""
        self.behaviours.reset()
        self.calls.clear()
        self._last.clear()
        self._counts.clear()

    def endpoint(self, point: Point) -> Endpoint:
        """Make the endpoint of one call."""
        acts: dict[Point, Act] = {
            Point.TOKEN: self._token,
            Point.CREATE: self._create,
            Point.ORDER: self._order,
            Point.CAPTURE: self._capture,
            Point.VERIFY: self._verify,
        }

        async def answer(request: Request) -> Response:
            return await self._answer(point, acts[point], request)

        return answer

    async def _answer(self, point: Point, act: Act, request: Request) -> Response:
        body = await _body(request)
        told = self.behaviours.take(point)
        what = told.what if told else None
        if what is What.HOLD_BEFORE:
            await self.behaviours.hold(point)
        reply = self._instead(point, told) or self._allowed(point, act, request, body, told)
        self._last.setdefault(point, reply)
        seen = CallSeen(
            point=point,
            order_id=reply.body.get("id", request.path_params.get("order_id", "")),
            request_id=request.headers.get("paypal-request-id", ""),
            status=reply.status,
            told=what or "",
            repeated=reply.repeated,
        )
        self.calls.append(seen)
        self._counts[point] += 1
        if what is What.HOLD:
            await self.behaviours.hold(point)
        return written(reply) if told is None else broken(reply, told)

    def _instead(self, point: Point, told: Behaviour | None) -> Reply | None:
        """Answer without acting, where it was told so."""
        match told.what if told else None:
            case What.STATUS:
                return refusal(told.status if told else 503)
            case What.ISSUE if point is not Point.CAPTURE:
                return refusal(422, told.issue if told else "")
            case What.REPEAT:
                return self._last.get(point)
            case What.REDIRECT:
                return refusal(503)
            case _:
                return None

    def _allowed(
        self, point: Point, act: Act, request: Request, body: bytes, told: Behaviour | None
    ) -> Reply:
        if point is Point.TOKEN:
            return act(request, body, told)
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        fresh = self._tokens.get(token, 0) > self._wall.now()
        if told is not None and told.what is What.UNAUTHORIZED:
            self._tokens.pop(token, None)
            fresh = False
        return act(request, body, told) if scheme == "Bearer" and fresh else refusal(401)

    def tokens(self) -> tuple[str, ...]:
        """Name the tokens given out, so that a test can look where they must not be."""
        return tuple(self._tokens)

    def _token(self, request: Request, body: bytes, told: Behaviour | None) -> Reply:
        refused = told is not None and told.what is What.UNAUTHORIZED
        if refused or not _knows_us(request.headers.get("authorization", "")):
            return oauth_refusal(401, "invalid_client", "Client Authentication failed")
        if body != b"grant_type=client_credentials":
            return oauth_refusal(400, "unsupported_grant_type", "Grant Type is NULL")
        now = self._wall.now()
        self._tokens = {token: end for token, end in self._tokens.items() if end > now}
        if len(self._tokens) >= TOKENS_MAX:
            return refusal(503)
        token = "A21AA" + secrets.token_urlsafe(48)
        self._tokens[token] = now + TOKEN_SECONDS
        return Reply(
            status=200,
            body={
                "scope": "https://uri.paypal.com/services/payments/payment",
                "access_token": token,
                "token_type": "Bearer",
                "app_id": "APP-PRETEND",
                "expires_in": TOKEN_SECONDS,
                "nonce": secrets.token_hex(16),
            },
        )

    def _create(self, request: Request, body: bytes, told: Behaviour | None) -> Reply:
        request_id = request.headers.get("paypal-request-id", "")
        asked = read_order_request(body, request_id)
        if isinstance(asked, OrderRequest):
            return _preferred(request, self._ledger.create(asked, request_id, told))
        return refusal(asked.status, asked.issue, asked.field)

    def _order(self, request: Request, _body: bytes, _told: Behaviour | None) -> Reply:
        order = self._ledger.find(request.path_params["order_id"])
        if order is None:
            return refusal(404, "INVALID_RESOURCE_ID")
        return Reply(status=200, body=self._ledger.shown(order))

    def _capture(self, request: Request, body: bytes, told: Behaviour | None) -> Reply:
        if request.headers.get("content-type") != "application/json" or body not in (b"", b"{}"):
            return refusal(400, "INVALID_PARAMETER_SYNTAX")
        request_id = request.headers.get("paypal-request-id", secrets.token_hex())
        order_id = request.path_params["order_id"]
        return _preferred(request, self._ledger.capture(order_id, request_id, told))

    def _verify(self, _request: Request, body: bytes, _told: Behaviour | None) -> Reply:
        return self._notary.verify(body)


def _preferred(request: Request, reply: Reply) -> Reply:
    """Leave out what is left out of an answer unless one asks for all of it."""
    if request.headers.get("prefer") == "return=representation" or "id" not in reply.body:
        return reply
    body = {name: reply.body[name] for name in ("id", "status", "payment_source", "links")}
    return msgspec.structs.replace(reply, body=body)


def _knows_us(header: str) -> bool:
    scheme, _, pair = header.partition(" ")
    try:
        known = base64.b64decode(pair, validate=True) == f"{CLIENT_ID}:{SECRET}".encode()
    except binascii.Error:
        return False
    return scheme == "Basic" and known


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > BODY_BYTES_MAX:
            return b""
    return bytes(body)
