"""Threads for plain functions, which a stop does not wait for."""

import asyncio
import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, Final

import msgspec

NAME: Final = "orchestrion-handler"


class _Call(msgspec.Struct, frozen=True):
    future: Future[Any]
    context: contextvars.Context
    function: Callable[..., Any]
    arguments: tuple[Any, ...]


class Threads:
    """Daemon threads, started as they are needed, up to `most`.

    Not an executor of the standard library: that one keeps the process alive until a function
    that cannot be cancelled returns.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._started = 0

    def submit(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Future[Any]:
        """Call a function in a thread, in a copy of the present context variables."""
        future: Future[Any] = Future()
        self._calls.put(_Call(future, contextvars.copy_context(), function, arguments))
        if not self._idle.acquire(blocking=False) and self._started < self._most:
            self._started += 1
            name = f"{NAME}-{self._started}"
            threading.Thread(target=self._run, name=name, daemon=True).start()
        return future

    def close(self) -> None:
        """Let each thread end once it is idle."""
        for _ in range(self._started):
            self._calls.put(None)

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            if call.future.set_running_or_notify_cancel():
                _make(call)
            # Or the thread would hold on to arguments and result until its next call.
            del call
            self._idle.release()


def _make(call: _Call) -> None:
    try:
        result = call.context.run(call.function, *call.arguments)
    except BaseException as error:  # noqa: BLE001 - it is raised where the call is awaited
        # A future cannot carry this one out of a coroutine.
        stray = isinstance(error, StopIteration | asyncio.CancelledError)
        call.future.set_exception(RuntimeError(repr(error)) if stray else error)
    else:
        call.future.set_result(result)
