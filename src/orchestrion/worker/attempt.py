"""Runs a handler once and tells how that ended."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from inspect import isasyncgenfunction
from typing import Any, Final

import msgspec

from orchestrion.worker.context import Context
from orchestrion.worker.handler import Handler
from orchestrion.worker.outcomes import OutputRef, Retry, seconds
from orchestrion.worker.payloads import InvalidPayload, encoded
from orchestrion.worker.reports import Completed, Failed, Report, cut, reason_of
from orchestrion.worker.threads import Threads

LOG: Final = logging.getLogger("orchestrion.worker")

Middleware = Callable[[Context], AbstractAsyncContextManager[object]]
Surrounding = Middleware | Callable[[Context], AsyncIterator[None]]


class Equipment(msgspec.Struct, frozen=True, kw_only=True):
    """What all attempts of a worker share."""

    threads: Threads
    middleware: Sequence[Middleware] = ()


class TimedOut(Exception):
    """The handler took longer than its timeout."""


class Attempt:
    """One call of a handler. `run` gives the report, or None where nobody is to be told.

    `thread` is the call of a plain function, which may still go on after `run` has ended.
    """

    def __init__(self, handler: Handler, context: Context, equipment: Equipment) -> None:
        self.thread: Future[Any] | None = None
        self._handler = handler
        self._context = context
        self._equipment = equipment

    async def run(self) -> Report | None:
        """Call the handler within all middleware; cancelled, it raises CancelledError."""
        try:
            return await self._outcome()
        except Exception as error:  # noqa: BLE001 - a handler may raise whatever it likes
            # What goes wrong after the end was caused by it, and charges nobody.
            return None if self._context.lost else self._failure(error)

    async def _outcome(self) -> Report:
        try:
            arguments = self._handler.arguments(self._context)
        except InvalidPayload as error:
            LOG.warning("%s: invalid payload: %s", self._context.task.id, error)
            # No delay: the payload will be as invalid later.
            return Failed(reason=cut(f"Invalid payload: {error}"))
        try:
            return _report(await self._surrounded(arguments))
        except TimedOut:
            limit = self._handler.options.timeout or 0
            return self._failed(f"Timed out after {limit:g} s", None)

    def _failure(self, error: Exception) -> Failed:
        alone = _alone(error)
        try:
            if isinstance(alone, Retry):
                return self._failed(cut(alone.reason) or "Retry", alone.after)
            self._context.log.error("failed in attempt %s", self._context.attempt, exc_info=error)
            return self._failed(reason_of(alone), None)
        except Exception:
            # What describes an error may fail itself.
            LOG.exception("%s: its failure has no words", self._context.task.id)
            return Failed(reason=cut(type(alone).__name__))

    async def _surrounded(self, arguments: tuple[Any, ...]) -> object:
        if not self._equipment.middleware:
            return await self._in_time(arguments)
        async with AsyncExitStack() as stack:
            for middleware in self._equipment.middleware:
                await stack.enter_async_context(middleware(self._context))
            return await self._in_time(arguments)
        # Some middleware has dealt with the exception: that counts as done.
        return None

    async def _in_time(self, arguments: tuple[Any, ...]) -> object:
        limit = self._handler.options.timeout
        if limit is None:
            return await self._call(arguments)
        timeout = asyncio.timeout(limit)
        try:
            async with timeout:
                return await self._call(arguments)
        except TimeoutError:
            if not timeout.expired():
                raise
            self._context.end(f"its timeout of {limit:g} s has passed")
            raise TimedOut from None

    async def _call(self, arguments: tuple[Any, ...]) -> object:
        try:
            if self._handler.is_async:
                return await self._handler.function(*arguments)
            self.thread = self._equipment.threads.submit(self._handler.function, arguments)
            return await asyncio.wrap_future(self.thread)
        except asyncio.CancelledError:
            current = asyncio.current_task()
            if current is not None and current.cancelling():
                raise
            # Something it awaited was cancelled, not this attempt.
            raise RuntimeError("the handler was cancelled from within") from None
        except (SystemExit, KeyboardInterrupt) as error:
            # One task shall not end the worker, and with it all others.
            raise RuntimeError(f"the handler raised {error!r}") from error

    def _failed(self, reason: str, after: float | None) -> Failed:
        if after is not None:
            return Failed(reason=reason, retry_after=seconds(after))
        backoff = self._handler.options.backoff
        delay = backoff.delay(self._context.attempt) if backoff is not None else None
        return Failed(reason=reason, retry_after=delay)


def _alone(error: Exception) -> Exception:
    """Give what one task of a group has raised, as if it had been raised without the group."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _report(result: object) -> Completed:
    if isinstance(result, OutputRef):
        return Completed(result=encoded(result.result), output_id=result.output_id)
    return Completed(result=encoded(result))


def middleware_of(surrounding: Surrounding) -> Middleware:
    """Accept an async generator function as the context manager it would be."""
    if isasyncgenfunction(surrounding):
        return asynccontextmanager(surrounding)
    return surrounding  # type: ignore[return-value]  # what is no generator function
