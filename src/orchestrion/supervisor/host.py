"""One host's server of several workers: from settings to an exit code."""

import asyncio
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from orchestrion.api.serving.listener import listen, take
from orchestrion.api.serving.server import CANCEL_SECONDS
from orchestrion.api.serving.stopping import stop_on_signals
from orchestrion.core.instants import Instant
from orchestrion.engine.clock import SteadyClock
from orchestrion.observe.capture import captured
from orchestrion.observe.logs import LogOptions, Logs
from orchestrion.settings import Settings
from orchestrion.supervisor.child import Launch
from orchestrion.supervisor.slot import SupervisorLimits
from orchestrion.supervisor.supervisor import Supervisor

# For a worker to commit what it accepted, after the last answer.
CLOSE_SECONDS: Final = 5


async def supervise(settings: Settings, command: Sequence[str]) -> int:
    """Have workers serve until asked to stop; gives the exit code.

    SIGHUP renews them one after the other: each starts with the command, reading its settings
    anew, and serves before the one in its place leaves. Raises CannotListen.
    """
    with stop_on_signals() as stop, renew_on_hangup(stop) as renew:
        launch = await _launch(settings, command)
        logging = LogOptions(level=settings.log_level, format=settings.log_format)
        with Logs(logging, SteadyClock(Instant(0))) as logs, captured(logs):
            limits = SupervisorLimits(stop_seconds=_stop_seconds(settings))
            return await Supervisor(launch, settings.workers, limits, logs).run(stop, renew)


@contextmanager
def renew_on_hangup(stop: asyncio.Event) -> Iterator[asyncio.Event]:
    """Give an event that SIGHUP sets, unless it tells that the terminal was closed: then `stop`."""
    renew = asyncio.Event()
    loop = asyncio.get_running_loop()
    on_terminal = os.isatty(sys.stderr.fileno())

    def hear() -> None:
        closed = on_terminal and not os.isatty(sys.stderr.fileno())
        (stop if closed else renew).set()

    loop.add_signal_handler(signal.SIGHUP, hear)
    try:
        yield renew
    finally:
        loop.remove_signal_handler(signal.SIGHUP)


async def _launch(settings: Settings, command: Sequence[str]) -> Launch:
    # One queue of connections for all: whoever is idle takes the next, and while one worker is
    # dead or stuck the others take its share. Queues of their own (SO_REUSEPORT) spread bursts
    # more evenly, but leave what the kernel dealt to a missing worker waiting for it.
    # The first worker begins to listen: until it serves, callers are refused and do not wait.
    listeners = await take(settings.host, settings.port)
    metrics = [
        await listen(settings.metrics_host, port, purpose=" for metrics")
        for port in settings.metrics_ports
    ]
    return Launch(command=command, listeners=listeners, metrics_listeners=metrics, greets=True)


def _stop_seconds(settings: Settings) -> float:
    serving = settings.drain_delay_seconds + settings.shutdown_seconds
    return serving + CANCEL_SECONDS + CLOSE_SECONDS
