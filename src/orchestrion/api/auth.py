"""From a bearer key to a principal, through a short-lived cache."""

import asyncio
import hashlib
from collections import OrderedDict
from functools import partial
from typing import Final

import msgspec

from orchestrion.core.account import Principal
from orchestrion.core.clock import Clock
from orchestrion.core.errors import ErrorCode
from orchestrion.core.ids import is_api_key
from orchestrion.core.outcomes import Rejection
from orchestrion.engine.ports import Reader

# A revoked key is refused within 5 s: what was asked so long ago is asked anew, well before that.
CACHE_SECONDS: Final = 3.0
CACHE_MAX: Final = 10_000
_SCHEME: Final = b"bearer "


class _Cached(msgspec.Struct, frozen=True):
    principal: Principal
    until: float


class _Question(msgspec.Struct, frozen=True):
    answer: asyncio.Task[Principal | None]
    until: float


class Authenticator:
    """Tells whose key a request shows."""

    def __init__(self, reader: Reader, clock: Clock) -> None:
        self._reader = reader
        self._clock = clock
        self._cache: OrderedDict[bytes, _Cached] = OrderedDict()
        self._asking: dict[bytes, _Question] = {}

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
        question = self._asking.get(key_hash)
        now = self._clock.monotonic()
        if question is None or question.until <= now:
            until = now + CACHE_SECONDS
            question = _Question(asyncio.create_task(self._look_up(key_hash, until)), until)
            self._asking[key_hash] = question
            question.answer.add_done_callback(partial(self._answered, key_hash))
        # One of them hanging up must not end it for the others.
        return await asyncio.shield(question.answer)

    def _answered(self, key_hash: bytes, answer: asyncio.Task[Principal | None]) -> None:
        # One that took long may have been followed by another, which may have ended before it.
        question = self._asking.get(key_hash)
        if question is not None and question.answer is answer:
            del self._asking[key_hash]

    async def _look_up(self, key_hash: bytes, until: float) -> Principal | None:
        # The answer may be as old as the question, so that is when its time begins.
        principal = await self._reader.principal(key_hash)
        if principal is None:
            self._cache.pop(key_hash, None)
        else:
            self._remember(key_hash, _Cached(principal, until))
        return principal

    def _remember(self, key_hash: bytes, cached: _Cached) -> None:
        self._cache[key_hash] = cached
        self._cache.move_to_end(key_hash)
        if len(self._cache) > CACHE_MAX:
            self._cache.popitem(last=False)
