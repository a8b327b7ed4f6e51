"""The worker: functions registered for types of tasks, and the process that runs them."""

import asyncio
import os
import re
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from inspect import isawaitable
from typing import Any, Final, TypeVar

import msgspec

from orchestrion.client.errors import ConfigurationError
from orchestrion.client.keeping import Keeper
from orchestrion.worker.attempt import Equipment, Middleware, Surrounding, middleware_of
from orchestrion.worker.connections import Connections, connections_to
from orchestrion.worker.context import State
from orchestrion.worker.handler import Handler, HandlerOptions
from orchestrion.worker.health import Condition, HealthServer
from orchestrion.worker.metrics import Gauges, registry_of
from orchestrion.worker.outcomes import BACKOFF, Backoff
from orchestrion.worker.process import run_process
from orchestrion.worker.shift import Roster
from orchestrion.worker.tally import Tally
from orchestrion.worker.thread import OfficeThread
from orchestrion.worker.threads import Threads
from orchestrion.worker.watchdog import Progress

TYPE: Final = re.compile(r"[a-zA-Z0-9_-]{1,100}", re.ASCII)
CONCURRENCY_MAX: Final = 1_000
# As long as a worker's name may be for the server.
NAME_LENGTH_MAX: Final = 200
# A loop that is later than this takes no new tasks in time.
READY_LAG_SECONDS: Final = 5.0

Function = TypeVar("Function", bound=Callable[..., Any])
Hook = Callable[[Any], Awaitable[object] | object]
HookFunction = TypeVar("HookFunction", bound=Hook)
SurroundingFunction = TypeVar("SurroundingFunction", bound=Surrounding)


class WorkerOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How a worker runs: tasks at once, and seconds that a stop waits for handlers."""

    name: str
    concurrency: int = 10
    grace: float = 30.0
    health_port: int | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.concurrency <= CONCURRENCY_MAX:
            raise ValueError(f"concurrency is a count from 1 to {CONCURRENCY_MAX}")
        if self.grace < 0:
            raise ValueError("grace is a number of seconds, 0 or more")
        if not 1 <= len(self.name) <= NAME_LENGTH_MAX:
            raise ValueError(f"name has 1 to {NAME_LENGTH_MAX} characters")


class Worker:
    """Takes tasks of the types it has handlers for, and keeps their leases while they run.

    `name` is shown with the tasks it holds, host and process id unless given. `concurrency`:
    tasks at once. `grace`: seconds that a stop waits for handlers before it gives tasks back.
    `health_port` serves /livez, /readyz and /metrics. `url` and `api_key` as in `Orchestrion`.
    Raises ValueError for numbers out of range.
    """

    def __init__(  # noqa: PLR0913 - a call reads better than a struct
        self,
        *,
        name: str | None = None,
        concurrency: int = 10,
        grace: float = 30.0,
        url: str | None = None,
        api_key: str | None = None,
        health_port: int | None = None,
    ) -> None:
        self.options = WorkerOptions(
            name=name or f"{socket.gethostname()}-{os.getpid()}"[:NAME_LENGTH_MAX],
            concurrency=concurrency,
            grace=grace,
            health_port=health_port,
        )
        self.connections: Connections = connections_to(url, api_key)
        self.tally = Tally()
        self.progress = Progress()
        self.health: HealthServer | None = None
        self._handlers: dict[str, Handler] = {}
        self._startup: list[Hook] = []
        self._shutdown: list[Hook] = []
        self._middleware: list[Middleware] = []
        self._thread: OfficeThread | None = None
        self._stop_asked = False

    def task(
        self,
        task_type: str,
        /,
        *,
        timeout: float | None = None,
        backoff: Backoff | None = BACKOFF,
        max_in_flight: int | None = None,
    ) -> Callable[[Function], Function]:
        """Register a function for a type of tasks; it stays the function it is.

        `timeout` in seconds for one attempt; `backoff` is how long a failed task rests: 1 s, then
        twice as long each time unless given, not at all if None; `max_in_flight`: attempts of this
        type at once in this worker. Raises TypeError for a function that cannot be a handler,
        ValueError for no type, or one registered twice.
        """
        if callable(task_type):
            raise TypeError('name the type of the tasks: @worker.task("some-type")')
        options = HandlerOptions(timeout=timeout, backoff=backoff, max_in_flight=max_in_flight)

        def register(function: Function) -> Function:
            if not TYPE.fullmatch(task_type):
                raise ValueError(f"{task_type!r} is no type of tasks: 1 to 100 of A-Z a-z 0-9 _ -")
            if task_type in self._handlers:
                raise ValueError(f"{task_type!r} has a handler already")
            self._handlers[task_type] = Handler(task_type, function, options)
            return function

        return register

    def startup(self, hook: HookFunction) -> HookFunction:
        """Have a function called with `state` before the first claim."""
        self._startup.append(hook)
        return hook

    def shutdown(self, hook: HookFunction) -> HookFunction:
        """Have a function called with `state` after the last attempt, the latest hook first."""
        self._shutdown.append(hook)
        return hook

    def middleware(self, surrounding: SurroundingFunction) -> SurroundingFunction:
        """Put an async context manager around each attempt, the first registered outermost.

        It is called with the Context; an async generator function that yields once will do.
        """
        self._middleware.append(middleware_of(surrounding))
        return surrounding

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """The handlers, by type."""
        return self._handlers

    @property
    def keeper(self) -> Keeper | None:
        """What sends its heartbeats, while it runs."""
        shift = self._thread.shift if self._thread is not None else None
        return shift.keeper if shift is not None else None

    @property
    def grace(self) -> float:
        """How many seconds a stop waits for handlers."""
        return self.options.grace

    @property
    def in_flight(self) -> int:
        """How many tasks it holds: handlers that run, and endings not yet confirmed."""
        return self._gauges().running + self._gauges().unsent

    def only(self, types: frozenset[str]) -> None:
        """Leave out the handlers of all other types; raises ValueError for an unknown one."""
        if unknown := types - self._handlers.keys():
            known = ", ".join(sorted(self._handlers)) or "none"
            raise ValueError(f"no handler for {', '.join(sorted(unknown))}; there are: {known}")
        self._handlers = {name: self._handlers[name] for name in self._handlers if name in types}

    def run(self) -> None:
        """Work until SIGTERM or SIGINT, then drain; a second signal ends the process at once.

        Raises SystemExit where no work is possible, after a line at standard error: 2 without
        handlers or with a configuration of no use, 5 where the key is refused.
        """
        run_process(self)

    async def serve(self) -> None:
        """Work until `stop` is called, as `run` does, without any signals.

        Raises ValueError without handlers, TypeError for one that cannot be called, and the
        APIError that no repeat can mend. Cancelled, it drains first.
        """
        await self._serve(until_idle=False)

    async def drain(self) -> None:
        """Work until nothing can be claimed and nothing is held any more."""
        await self._serve(until_idle=True)

    def stop(self) -> None:
        """Have it stop, from any thread: no new claims, `grace` seconds, the rest given back."""
        self._stop_asked = True
        if self._thread is not None:
            self._thread.stop()

    def check(self) -> None:
        """Raise ValueError without handlers, TypeError for one that cannot be called."""
        if not self._handlers:
            raise ValueError("a worker needs a handler: decorate one with @worker.task(type)")
        for handler in self._handlers.values():
            handler.prepare()

    async def _serve(self, *, until_idle: bool) -> None:
        self.check()
        self.progress = Progress()
        state = State()
        threads = Threads(self.options.concurrency)
        roster = Roster(
            name=self.options.name,
            concurrency=self.options.concurrency,
            grace=self.options.grace,
            handlers=dict(self._handlers),
            connections=self.connections,
            equipment=Equipment(threads=threads, middleware=tuple(self._middleware)),
            state=state,
            tally=self.tally,
            until_idle=until_idle,
        )
        async with AsyncExitStack() as stack:
            stack.callback(self._ended, threads)
            self._open_health(stack)
            for hook in self._shutdown:
                stack.push_async_callback(_call, hook, state)
            for hook in self._startup:
                await _call(hook, state)
            self._thread = OfficeThread(roster, asyncio.get_running_loop(), self.progress)
            if self._stop_asked:
                self._thread.stop()
            await self._thread.run()

    def _ended(self, threads: Threads) -> None:
        threads.close()
        self._thread = None
        self._stop_asked = False

    def _open_health(self, stack: AsyncExitStack) -> None:
        if self.options.health_port is None:
            return
        registry = registry_of(self.tally, self._gauges)
        port = self.options.health_port
        try:
            self.health = HealthServer(port, self._condition, registry)
        except OSError as error:
            raise ConfigurationError(f"cannot listen on port {port}: {error.strerror}") from error
        stack.callback(self.health.close)

    def _gauges(self) -> Gauges:
        shift = self._thread.shift if self._thread is not None else None
        if shift is None or shift.office is None or shift.keeper is None:
            return Gauges(concurrency=self.options.concurrency)
        return Gauges(
            concurrency=self.options.concurrency,
            running=len(shift.office.running),
            unsent=len(shift.office.unsent - shift.office.running),
            reached=any(claimer.reached for claimer in shift.claimers),
            stopping=shift.stopping.is_set(),
            pulse=shift.keeper.pulse,
        )

    def _condition(self) -> Condition:
        gauges = self._gauges()
        alive = self._thread is None or self._thread.alive
        not_ready = ""
        if self._thread is None:
            not_ready = "starting, or stopped"
        elif gauges.stopping:
            not_ready = "stopping"
        elif not gauges.reached:
            not_ready = "the server has not answered"
        elif self.tally.lag_seconds > READY_LAG_SECONDS:
            not_ready = "the event loop is blocked"
        return Condition(not_alive="" if alive else "the worker has ended", not_ready=not_ready)


async def _call(hook: Hook, state: State) -> None:
    result = hook(state)
    if isawaitable(result):
        await result
