"""The access token: kept until shortly before its end, and never fetched twice at a time."""

import asyncio
import base64
from typing import Final

import msgspec

from orchestrion.core.clock import Clock
from orchestrion.core.faults import PaymentsUnavailable
from orchestrion.payments.calls import Call, Calls
from orchestrion.payments.wire import TokenBody

UNUSED_SECONDS: Final = 60
"""A token is not used this long before its end, so that no call meets it on the way."""

_OK: Final = 200


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """Who we are to PayPal; shown to nobody else."""

    client_id: str
    secret: str

    def __repr__(self) -> str:
        return "Credentials(…)"

    @property
    def header(self) -> str:
        """How a request proves it."""
        pair = f"{self.client_id}:{self.secret}".encode()
        return "Basic " + base64.b64encode(pair).decode()


class Tokens:
    """Hands out the token that holds now."""

    def __init__(self, calls: Calls, credentials: Credentials, clock: Clock) -> None:
        self._calls = calls
        self._credentials = credentials
        self._clock = clock
        self._token = ""
        self._stale_at = 0.0
        self._fetching: asyncio.Task[str | PaymentsUnavailable] | None = None

    async def current(self) -> str:
        """Give the token, fetched if there is none. Raises PaymentsUnavailable."""
        if self._token and self._clock.monotonic() < self._stale_at:
            return self._token
        if self._fetching is None:
            self._fetching = asyncio.create_task(self._fetch(), name="paypal token")
        # Whoever gives up waiting must not take the token from the others.
        fetched = await asyncio.shield(self._fetching)
        if isinstance(fetched, PaymentsUnavailable):
            raise PaymentsUnavailable(str(fetched)) from fetched
        return fetched

    def refused(self, token: str) -> None:
        """Forget a token PayPal no longer takes, unless there is a newer one already."""
        if token == self._token:
            self._token = ""

    async def close(self) -> None:
        """Give up fetching."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.wait({self._fetching})

    async def _fetch(self) -> str | PaymentsUnavailable:
        try:
            body = await self._ask()
        except PaymentsUnavailable as fault:
            return fault
        finally:
            self._fetching = None
        self._token = body.access_token
        self._stale_at = self._clock.monotonic() + body.expires_in - UNUSED_SECONDS
        return self._token

    async def _ask(self) -> TokenBody:
        answer = await self._calls.send(
            Call(
                name="token",
                method="POST",
                path="/v1/oauth2/token",
                headers={
                    "Authorization": self._credentials.header,
                    "Content-Type": "application/x-www-form-urlencoded",
                },
                content=b"grant_type=client_credentials",
            )
        )
        if answer.status != _OK:
            raise answer.unavailable("no token; are the client id and the secret right?")
        return answer.read(TokenBody)
