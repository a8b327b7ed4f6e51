"""The ASGI application: one route per path, one endpoint per operation, one answer for the rest."""

from collections.abc import Mapping, Sequence

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response as HttpResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from orchestrion.api.endpoint import Endpoint, Handler, Reception, send_response
from orchestrion.api.http import Request, Response
from orchestrion.api.paths import Paths
from orchestrion.core.errors import ErrorCode
from orchestrion.core.operations import (
    OPERATIONS,
    PAGES,
    Access,
    Allowance,
    Operation,
)
from orchestrion.core.outcomes import Rejection, Situation
from orchestrion.engine.ports import RequestRecord

ROUTES: Sequence[Operation] = OPERATIONS + PAGES
EXPOSED_HEADERS = (
    "Idempotent-Replayed",
    "Link",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "X-Request-Id",
)
NO_OPERATION = Operation(
    name="unknown",
    method="GET",
    path="",
    tag="",
    summary="",
    description="",
    access=Access.PUBLIC,
    allowance=Allowance.NONE,
    errand=None,
    answer="",
)
ALLOWED_HEADERS = (
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "If-None-Match",
    "traceparent",
    "X-Request-Id",
)
FIRST_ERROR = 400
NO_ROUTE = "There is nothing at this path."
WRONG_METHOD = "This path does not take this method; see the Allow header."


_NOT_LET_IN = Rejection(
    code=ErrorCode.INVALID_REQUEST,
    message="This origin, method or header is not allowed to web pages by this server.",
)


def create_app(
    handlers: Mapping[str, Handler], reception: Reception, cors_origins: Sequence[str] = ()
) -> ASGIApp:
    """Build the application; every operation must have a handler."""
    paths: dict[str, dict[str, ASGIApp]] = {}
    for operation in ROUTES:
        endpoint = Endpoint(operation, handlers[operation.name], reception)
        methods = paths.setdefault(operation.path, {})
        methods[operation.method] = endpoint
        if operation.method == "GET":
            methods["HEAD"] = endpoint
    router = Paths(
        {path: _Path(methods, reception) for path, methods in paths.items()}, _Nowhere(reception)
    )
    if not cors_origins:
        return router
    return _Origins(router, reception, cors_origins)


class _Origins(CORSMiddleware):
    """Lets the web pages of some origins in; others are told so in our shape."""

    def __init__(self, app: ASGIApp, reception: Reception, origins: Sequence[str]) -> None:
        super().__init__(
            app,
            allow_origins=list(origins),
            allow_methods=["GET", "POST"],
            allow_headers=list(ALLOWED_HEADERS),
            expose_headers=list(EXPOSED_HEADERS),
        )
        self._reception = reception

    def preflight_response(self, request_headers: Headers) -> HttpResponse:
        """Answer what a browser asks before it sends a request."""
        answer = super().preflight_response(request_headers)
        request_id = self._reception.request_id(dict(request_headers.raw))
        answer.headers["X-Request-Id"] = request_id
        if answer.status_code < FIRST_ERROR:
            return answer
        request = Request(operation=NO_OPERATION, request_id=request_id, headers={})
        refused = self._reception.responder.refused(_NOT_LET_IN, request)
        headers = {name.decode(): value.decode() for name, value in refused.headers}
        return HttpResponse(
            refused.body, refused.status, {**headers, "X-Request-Id": request_id, "Vary": "Origin"}
        )


class _Path:
    """Chooses the endpoint of a path by method."""

    def __init__(self, methods: Mapping[str, ASGIApp], reception: Reception) -> None:
        self._methods = methods
        self._wrong = _Refuse(
            reception,
            Rejection(code=ErrorCode.INVALID_REQUEST, status=405, message=WRONG_METHOD),
            ((b"allow", ", ".join(sorted(methods)).encode()),),
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = self._methods.get(scope["method"], self._wrong)
        await endpoint(scope, receive, send)


class _Refuse:
    """Answers every request with one refusal."""

    def __init__(
        self,
        reception: Reception,
        rejection: Rejection,
        headers: Sequence[tuple[bytes, bytes]] = (),
    ) -> None:
        self._reception = reception
        self._rejection = rejection
        self._headers = headers

    async def __call__(self, scope: Scope, _: Receive, send: Send) -> None:
        reception = self._reception
        started = reception.clock.monotonic()
        request = Request(
            operation=NO_OPERATION,
            request_id=reception.request_id(dict(scope["headers"])),
            headers={},
        )
        refused = reception.responder.refused(self._rejection, request)
        response = Response(
            status=refused.status,
            body=refused.body,
            headers=(*refused.headers, *self._headers),
            error=refused.error,
        )
        await send_response(send, response, request.request_id)
        reception.observer.request(
            RequestRecord(
                request_id=request.request_id,
                operation="unknown",
                method=_known_method(scope["method"]),
                account_id="",
                status=response.status,
                seconds=reception.clock.monotonic() - started,
                error=response.error,
            )
        )


class _Nowhere(_Refuse):
    """Answers paths that are no route."""

    def __init__(self, reception: Reception) -> None:
        super().__init__(
            reception,
            Rejection(
                code=ErrorCode.INVALID_REQUEST,
                status=404,
                message=NO_ROUTE,
                situation=Situation.UNKNOWN_ROUTE,
            ),
        )


def _known_method(method: str) -> str:
    return method if method in _METHODS else "OTHER"


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
