"""What both drivers know of HTTP: how the connection is set up, and what its failures mean."""

import ipaddress
import ssl
import time
from collections.abc import Mapping
from typing import Any

import httpx2
import msgspec

from orchestrion import __version__
from orchestrion.client.call import Call
from orchestrion.client.config import Target
from orchestrion.client.exchange import Answer
from orchestrion.client.log import LOG
from orchestrion.client.retrying import Trouble

# Each request that waits at the server has one of its own.
CONNECTIONS_MAX = 1000
CONNECTIONS_KEPT = 100
# The server closes what rests for 15 s: the client lets go of it sooner.
IDLE_SECONDS_MAX = 10.0
# What fails before a byte of the request has gone out.
_UNSENT = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.ProxyError,
)


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """How a connection is opened."""

    target: Target
    timeout: float

    def options(self) -> dict[str, Any]:
        """Give the arguments of either client of httpx2."""
        headers = {"User-Agent": f"orchestrion-python/{__version__}", "Accept": "application/json"}
        if self.target.api_key is not None:
            headers["Authorization"] = f"Bearer {self.target.api_key}"
        url = httpx2.URL(self.target.url)
        return {
            "base_url": self.target.url,
            "headers": headers,
            "timeout": self.timeout,
            "limits": httpx2.Limits(
                max_connections=CONNECTIONS_MAX,
                max_keepalive_connections=CONNECTIONS_KEPT,
                keepalive_expiry=IDLE_SECONDS_MAX,
            ),
            # A proxy of the surroundings has no business between processes of one machine.
            "trust_env": not is_loopback(url.host),
            "verify": _trusting_nobody() if url.scheme == "http" else True,
        }

    def request(self, call: Call[Any]) -> dict[str, Any]:
        """Give the arguments that send a call."""
        headers = dict(call.headers)
        if call.body is not None:
            headers["Content-Type"] = "application/json"
        # While the server may hold the answer back, silence is no failure.
        patience = httpx2.Timeout(self.timeout, read=self.timeout + call.wait_seconds)
        return {
            "method": call.method,
            "url": call.path,
            "params": call.query or None,
            "content": call.body,
            "headers": headers,
            "timeout": patience,
        }


def _trusting_nobody() -> ssl.SSLContext:
    # Where nothing is encrypted, the certificates of the system need not be read: that takes
    # longer than all else. Should TLS be spoken all the same, no peer is accepted.
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def answer_of(call: Call[Any], response: httpx2.Response, began: float) -> Answer:
    """Take over an answer that was read."""
    headers: Mapping[str, str] = response.headers
    LOG.debug(
        "%s %s: %d in %.0f ms, %d bytes, %s",
        call.method,
        call.path,
        response.status_code,
        (time.monotonic() - began) * 1000,
        len(response.content),
        headers.get("x-request-id", "no request id"),
    )
    return Answer(status=response.status_code, headers=headers, body=response.content)


def trouble_of(error: httpx2.RequestError) -> Trouble:
    """Tell what a failure of the connection means for a repeat."""
    return Trouble(
        message=f"{str(error) or 'no answer'} ({type(error).__name__}).",
        sent=not isinstance(error, _UNSENT),
        late=isinstance(error, httpx2.TimeoutException),
    )
