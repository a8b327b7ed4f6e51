"""One request from bytes to bytes, in the order of checks that decisions §1 gives."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from msgspec.structs import replace
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from orchestrion.api.address import Addresses
from orchestrion.api.auth import Authenticator
from orchestrion.api.http import Request, Response
from orchestrion.api.limits import Limiter
from orchestrion.api.query import read_query, refuse_key
from orchestrion.api.receiving import read_body, refuse_repeats
from orchestrion.api.respond import Responder, window_headers
from orchestrion.core.account import Principal
from orchestrion.core.errors import ErrorCode
from orchestrion.core.faults import Crowded, Fault, PaymentsUnavailable, Poison, Unknown
from orchestrion.core.ids import RequestId
from orchestrion.core.limits import PAYMENTS_WAIT_SECONDS, SERVER_ERROR_WAIT_SECONDS
from orchestrion.core.operations import Access, Allowance, Operation
from orchestrion.core.outcomes import Rejection, Situation, Window
from orchestrion.core.strict_json import Malformed
from orchestrion.engine.door import Door
from orchestrion.engine.mint import Mint
from orchestrion.engine.overload import overloaded
from orchestrion.engine.ports import Clock, Observer, RequestRecord

Handler = Callable[[Request], Awaitable[Response]]

_INBOUND_ID = re.compile(rb"[A-Za-z0-9_-]{8,64}")
_BY_KEY = frozenset({Allowance.READS, Allowance.MUTATIONS, Allowance.HEARTBEATS})
_BY_ADDRESS = frozenset({Allowance.DISCOVERY, Allowance.REGISTRATION, Allowance.EVENTS})
# These spend their time waiting for PayPal, and hold up nobody meanwhile.
_ELSEWHERE: Final = frozenset({"start_checkout", "verify_payment", "receive_payment_event"})

# Never sent: what logs and metrics call a request whose caller left before its answer.
HUNG_UP: Final = 499
NOT_MODIFIED: Final = 304
# What metrics call a refusal because too many wait for the database.
CROWDED: Final = "database_waiters"
_UNKNOWN = "The write may or may not have taken effect: look before you repeat it."
_UNAVAILABLE = "The database cannot take this request now; nothing was changed."
NO_PAYMENTS_NOW = (
    "PayPal does not answer as it should: send this again after the wait. Nothing is charged twice."
)
_TWO_KEYS = "Send one Authorization header, not several."
# Nobody reads this answer: the client hung up while its body was arriving.
_GONE = Response(status=HUNG_UP, body=b"", error="client_disconnected")


class Reception:
    """What every endpoint shares."""

    def __init__(  # noqa: PLR0913 - the composition root hands in each part once
        self,
        *,
        authenticator: Authenticator,
        limiter: Limiter,
        addresses: Addresses,
        responder: Responder,
        mint: Mint,
        clock: Clock,
        observer: Observer,
        door: Door,
    ) -> None:
        self.authenticator = authenticator
        self.limiter = limiter
        self.addresses = addresses
        self.responder = responder
        self.mint = mint
        self.clock = clock
        self.observer = observer
        self.door = door

    def request_id(self, headers: Mapping[bytes, bytes]) -> RequestId:
        """Take the caller's id if it is a good one, else make one."""
        inbound = headers.get(b"x-request-id")
        if inbound is not None and _INBOUND_ID.fullmatch(inbound):
            return RequestId(inbound.decode("ascii"))
        return self.mint.request_id()


class Endpoint:
    """An ASGI application for one operation."""

    def __init__(self, operation: Operation, handler: Handler, reception: Reception) -> None:
        self._operation = operation
        self._handler = handler
        self._reception = reception
        self._keyed = operation.access is Access.KEYED
        self._per_key = operation.allowance in _BY_KEY
        self._per_address = operation.allowance in _BY_ADDRESS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, and note how it ended; one whose caller hung up has no answer."""
        reception = self._reception
        started = reception.clock.monotonic()
        headers = dict(scope["headers"])
        client = scope["client"]
        request = Request(
            operation=self._operation,
            request_id=reception.request_id(headers),
            headers=headers,
            path_id=_path_id(scope),
            address=reception.addresses.of(client[0] if client else "", scope["headers"]),
        )
        response = _GONE
        try:
            response = await self._answer(request, scope, receive)
            await send_response(send, response, request.request_id)
        except asyncio.CancelledError:
            if response.unsent is not None:
                response.unsent()
            raise
        finally:
            self._note(request, scope["method"], response, started)

    def _note(self, request: Request, method: str, response: Response, started: float) -> None:
        reception = self._reception
        reception.observer.request(
            RequestRecord(
                request_id=request.request_id,
                operation=self._operation.name,
                method=method,
                account_id=request.principal.account_id if request.principal else "",
                status=response.status,
                seconds=reception.clock.monotonic() - started - request.waited_seconds,
                error=response.error,
            )
        )

    async def _answer(self, request: Request, scope: Scope, receive: Receive) -> Response:
        try:
            admitted = await self._admit(request, scope)
        except Malformed as error:
            return self._malformed(error, request)
        except Exception as error:  # noqa: BLE001 - see _handle
            return self._broken(error, request)
        if isinstance(admitted, Rejection):
            return self._reception.responder.refused(admitted, request)
        request.window = admitted
        response = await self._handle(request, scope, receive)
        if request.window is None:
            return response
        return replace(response, headers=(*response.headers, *window_headers(request.window)))

    async def _handle(self, request: Request, scope: Scope, receive: Receive) -> Response:
        try:
            request.query = read_query(scope["query_string"])
            if self._operation.body is not None:
                if len(request.headers) != len(scope["headers"]):
                    refuse_repeats(scope["headers"], self._operation.name)
                request.body = await read_body(
                    request.headers, receive, self._operation.body_bytes_max
                )
            return await self._inside(request)
        except ClientDisconnect:
            return _GONE
        except Malformed as error:
            return self._malformed(error, request)
        except Exception as error:  # noqa: BLE001 - the outermost place: a bug ends one request
            return self._broken(error, request)

    async def _inside(self, request: Request) -> Response:
        if self._operation.name in _ELSEWHERE:
            return await self._handler(request)
        door = self._reception.door
        door.enter()
        try:
            return await self._handler(request)
        finally:
            door.leave()

    async def _admit(self, request: Request, scope: Scope) -> Window | Rejection | None:
        reception, operation = self._reception, self._operation
        refuse_key(scope["query_string"], operation.strange_query)
        if self._keyed:
            authorization = request.headers.get(b"authorization", b"")
            # Two headers of one name leave fewer names than headers; only then look closer.
            unique = len(request.headers) == len(scope["headers"])
            found = reception.authenticator.known(authorization) if unique else None
            if found is None:
                asked = await _ask(scope, authorization, reception.authenticator)
                if isinstance(asked, Rejection):
                    return asked
                found = asked
            request.principal = found
        # Before anything is counted against a limit, and before the body is read.
        if operation.errand and (refused := reception.door.refused(operation.errand)):
            return refused
        if self._per_key and request.principal is not None:
            return reception.limiter.admit_key(operation.allowance, request.principal)
        if self._per_address:
            return reception.limiter.admit_address(operation.allowance, request.address)
        return None

    def _malformed(self, error: Malformed, request: Request) -> Response:
        rejection = Rejection(
            code=ErrorCode.INVALID_REQUEST, message=str(error), status=error.status
        )
        return self._reception.responder.refused(rejection, request)

    def _broken(self, error: Exception, request: Request) -> Response:
        if isinstance(error, Fault):
            note(self._reception.observer, "request_failed", request, error)
            fault = error
        else:
            self._reception.observer.fault("request_crashed", request.request_id, error)
            fault = Unknown("a bug") if request.operation.method == "POST" else Poison("a bug")
        return self._reception.responder.refused(rejection_of(fault, request), request)


def note(observer: Observer, event: str, request: Request, fault: Fault) -> None:
    """Tell the observer of a fault, or of a refusal where only too many wait."""
    if isinstance(fault, Crowded):
        observer.refused(CROWDED)
    else:
        observer.fault(event, request.request_id, fault)


def rejection_of(fault: Fault, request: Request) -> Rejection:
    """Say what a fault means for the caller: nothing happened, or nobody knows (decisions §1)."""
    match fault:
        case Unknown() if request.repeatable:
            return Rejection(
                code=ErrorCode.SERVER_ERROR,
                status=503,
                wait_seconds=SERVER_ERROR_WAIT_SECONDS,
                situation=Situation.COMMIT_UNKNOWN,
                message=_UNKNOWN,
            )
        case Unknown():
            # No 503: generic clients repeat that by themselves, and this may act twice.
            return Rejection(
                code=ErrorCode.SERVER_ERROR, situation=Situation.COMMIT_UNKNOWN, message=_UNKNOWN
            )
        case Crowded():
            return overloaded()
        case Poison():
            return Rejection(code=ErrorCode.SERVER_ERROR, wait_seconds=SERVER_ERROR_WAIT_SECONDS)
        case PaymentsUnavailable():
            return Rejection(
                code=ErrorCode.SERVER_ERROR,
                status=503,
                wait_seconds=PAYMENTS_WAIT_SECONDS,
                message=NO_PAYMENTS_NOW,
            )
        case _:
            return Rejection(
                code=ErrorCode.SERVER_ERROR,
                status=503,
                wait_seconds=SERVER_ERROR_WAIT_SECONDS,
                message=_UNAVAILABLE,
            )


async def send_response(send: Send, response: Response, request_id: str) -> None:
    """Write a response with its length and request id."""
    headers = [*response.headers, (b"x-request-id", request_id.encode())]
    if response.status != NOT_MODIFIED:
        headers.append((b"content-length", str(len(response.body)).encode()))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})


async def _ask(
    scope: Scope, authorization: bytes, authenticator: Authenticator
) -> Principal | Rejection:
    if _repeated(scope, b"authorization"):
        return Rejection(code=ErrorCode.INVALID_API_KEY, message=_TWO_KEYS)
    return await authenticator.principal(authorization)


def _repeated(scope: Scope, name: bytes) -> bool:
    return sum(1 for header, _ in scope["headers"] if header == name) > 1


def _path_id(scope: Scope) -> str:
    found: str = scope["path_params"]["id"] if "path_params" in scope else ""
    # No id holds a NUL, and not every database can be asked for one.
    return "" if "\0" in found else found
