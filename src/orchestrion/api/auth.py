"""From a bearer key to a principal, through a short-lived cache."""

import asyncio
import hashlib
from collections import OrderedDict
from typing import Final

import msgspec

from orchestrion.core.account import Principal
from orchestrion.core.clock import Clock
from orchestrion.core.errors import ErrorCode
from orchestrion.core.ids import is_api_key
from orchestrion.core.outcomes import Rejection
from orchestrion.engine.ports import Reader

# A revoked key is refused within 5 s: the cache forgets well before that.
CACHE_SECONDS: Final = 3.0
CACHE_MAX: Final = 10_000
_SCHEME: Final = b"bearer "


class _Cached(msgspec.Struct, frozen=True):
    principal: Principal
    until: float


class Authenticator:
    """Tells whose key a request shows."""

    def __init__(self, reader: Reader, clock: Clock) -> None:
        self._reader = reader
        self._clock = clock
        self._cache: OrderedDict[bytes, _Cached] = OrderedDict()
        self._asking: dict[bytes, asyncio.Task[Principal | None]] = {}

    def known(self, authorization: bytes) -> Principal | None:
        """Give the principal of a key seen a moment ago, without waiting."""
        key_hash = hashlib.sha256(authorization[len(_SCHEME) :]).digest()
        cached = self._cache.get(key_hash)
        if cached is None or cached.until <= self._clock.monotonic():
            return None
        if authorization[: len(_SCHEME)].lower() != _SCHEME:
            return None
        return cached.principal

    async def principal(self, authorization: bytes) -> Principal | Rejection:
        """Read who shows this Authorization header; empty if there is none."""
        if authorization[: len(_SCHEME)].lower() != _SCHEME:
            return Rejection(code=ErrorCode.MISSING_API_KEY)
        key = authorization[len(_SCHEME) :]
        # Form and checksum first: a mistyped or invented key costs no database work.
        if not is_api_key(key.decode("latin-1")):
            return Rejection(code=ErrorCode.INVALID_API_KEY)
        # The index finds the hash, not the key: what timing could tell is useless to a guesser.
        key_hash = hashlib.sha256(key).digest()
        principal = await self._ask(key_hash)
        return principal or Rejection(code=ErrorCode.INVALID_API_KEY)

    async def _ask(self, key_hash: bytes) -> Principal | None:
        # When a busy key's time is up, its requests share one question.
        asking = self._asking.get(key_hash)
        if asking is None:
            asking = asyncio.create_task(self._look_up(key_hash))
            self._asking[key_hash] = asking
            asking.add_done_callback(lambda _: self._asking.pop(key_hash))
        # One of them hanging up must not end it for the others.
        return await asyncio.shield(asking)

    async def _look_up(self, key_hash: bytes) -> Principal | None:
        principal = await self._reader.principal(key_hash)
        if principal is None:
            self._cache.pop(key_hash, None)
        else:
            self._remember(key_hash, principal)
        return principal

    def _remember(self, key_hash: bytes, principal: Principal) -> None:
        self._cache[key_hash] = _Cached(principal, self._clock.monotonic() + CACHE_SECONDS)
        self._cache.move_to_end(key_hash)
        if len(self._cache) > CACHE_MAX:
            self._cache.popitem(last=False)
