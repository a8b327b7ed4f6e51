"""One exchange with PayPal: bounded in time and size, never redirected, never unverified.

Nothing is sent twice here; whoever asked decides about that.
"""

import asyncio
import re
from collections.abc import Callable, Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Final, TypeVar

import httpx2
import msgspec

from orchestrion.core.clock import Clock
from orchestrion.core.faults import PaymentsUnavailable
from orchestrion.payments.hosts import BaseUrl
from orchestrion.payments.wire import ErrorBody

T = TypeVar("T")

TOO_MANY_REQUESTS: Final = 429
_DEBUG_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)


class CallLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How long one call may take, how much it may answer, and how many go on at a time."""

    connect_seconds: float = 5.0
    write_seconds: float = 5.0
    read_seconds: float = 20.0
    # Waiting for a connection of the pool.
    pool_seconds: float = 5.0
    # All of it, however slowly the answer trickles in.
    total_seconds: float = 25.0
    # Opening an order: the token, the call, and both once more where the token was refused. Ends
    # before the purchase it is for may be replaced (CHECKOUT_START_SECONDS).
    opening_seconds: float = 45.0
    answer_bytes_max: int = 262_144
    connections_max: int = 32
    idle_connections_max: int = 8
    # Less than any server waits, so that none closes a connection just as it is used again.
    idle_seconds_max: float = 5.0
    # Webhook events being verified at a time; anybody can send one, and a capture must not wait.
    events_max: int = 4


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A request; `name` is how the log calls it."""

    name: str
    method: str
    path: str
    headers: Mapping[str, str]
    content: bytes = b""


class CallRecord(msgspec.Struct, frozen=True, kw_only=True):
    """How a call ended, for the log: never a word of PayPal's but its codes.

    `status` is 0 where no answer came; `issue` is why it failed.
    """

    call: str
    status: int
    issue: str
    debug_id: str
    seconds: float


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What PayPal said."""

    call: str
    status: int
    body: bytes
    debug_id: str
    error: ErrorBody | None = None

    @property
    def issues(self) -> frozenset[str]:
        """Why it was refused, in PayPal's codes."""
        return (
            frozenset(detail.issue for detail in self.error.details) if self.error else frozenset()
        )

    def read(self, shape: type[T]) -> T:
        """Decode the body. Raises PaymentsUnavailable if it is not of that shape."""
        body = _decoded(self.body, shape)
        if body is None:
            raise self.unavailable("malformed")
        return body

    def unavailable(self, why: str) -> PaymentsUnavailable:
        """Make the fault that this answer comes to."""
        return PaymentsUnavailable(
            f"PayPal, {self.call}: {why} (status {self.status}, debug_id {self.debug_id or 'none'})"
        )


class Calls:
    """Connections to PayPal."""

    def __init__(
        self, base: BaseUrl, limits: CallLimits, clock: Clock, told: Callable[[CallRecord], None]
    ) -> None:
        self._base = base
        self._limits = limits
        self._clock = clock
        self._told = told
        # Nothing of the environment counts: no proxy, no certificates, no .netrc.
        self._client = httpx2.AsyncClient(
            verify=True,
            trust_env=False,
            follow_redirects=False,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            # An answer that unpacks to more than it weighs cannot be bounded while it is read.
            headers={"Accept-Encoding": "identity", "User-Agent": "orchestrion"},
            timeout=httpx2.Timeout(
                connect=limits.connect_seconds,
                read=limits.read_seconds,
                write=limits.write_seconds,
                pool=limits.pool_seconds,
            ),
            limits=httpx2.Limits(
                max_connections=limits.connections_max,
                max_keepalive_connections=limits.idle_connections_max,
                keepalive_expiry=limits.idle_seconds_max,
            ),
        )

    async def send(self, call: Call) -> Answer:
        """Ask once. Raises PaymentsUnavailable where no sound answer came."""
        begun = self._clock.monotonic()
        try:
            async with asyncio.timeout(self._limits.total_seconds):
                answer, flaw = await self._exchange(call)
        except (TimeoutError, httpx2.HTTPError) as error:
            flaw = (
                "timeout" if isinstance(error, TimeoutError | httpx2.TimeoutException) else "lost"
            )
            answer = Answer(call=call.name, status=0, body=b"", debug_id="")
            self._tell(answer, flaw, begun)
            raise answer.unavailable(flaw) from error
        except asyncio.CancelledError:
            # PayPal may have done it all the same: whoever looks for it finds that it was asked.
            self._tell(Answer(call=call.name, status=0, body=b"", debug_id=""), "given_up", begun)
            raise
        self._tell(answer, flaw, begun)
        if flaw:
            raise answer.unavailable(flaw)
        return answer

    async def close(self) -> None:
        """Let go of the connections."""
        await self._client.aclose()

    async def _exchange(self, call: Call) -> tuple[Answer, str]:
        request = self._client.build_request(
            call.method, self._base.text + call.path, content=call.content, headers=call.headers
        )
        response = await self._client.send(request, stream=True)
        try:
            body = bytearray()
            async for piece in response.aiter_raw():
                body += piece
                if len(body) > self._limits.answer_bytes_max:
                    return _answer(call, response, b""), "too_long"
        finally:
            await response.aclose()
        answer = _answer(call, response, bytes(body))
        return answer, _flaw(response)

    def _tell(self, answer: Answer, flaw: str, begun: float) -> None:
        self._told(
            CallRecord(
                call=answer.call,
                status=answer.status,
                issue=flaw or ",".join(sorted(answer.issues)),
                debug_id=answer.debug_id,
                seconds=self._clock.monotonic() - begun,
            )
        )


def _answer(call: Call, response: httpx2.Response, body: bytes) -> Answer:
    shown = _DEBUG_ID.fullmatch(response.headers.get("paypal-debug-id", ""))
    return Answer(
        call=call.name,
        status=response.status_code,
        body=body,
        debug_id=shown[0] if shown else "",
        error=_decoded(body, ErrorBody) if response.is_client_error else None,
    )


def _flaw(response: httpx2.Response) -> str:
    """Name what makes an answer none."""
    if response.headers.get("content-encoding", "identity") != "identity":
        return "encoded"
    if response.is_redirect:
        return "redirect"
    if response.status_code == TOO_MANY_REQUESTS:
        return "rate_limited"
    return "" if response.is_success or response.is_client_error else "failed"


def _decoded(body: bytes, shape: type[T]) -> T | None:
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
