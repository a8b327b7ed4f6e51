"""A worker process as its supervisor sees it: started, serving, asked to stop, ended."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from itertools import chain
from typing import Final

import msgspec

from orchestrion.supervisor.handover import RELIEVED, STOP, VARIABLE, Handover


class Launch(msgspec.Struct, frozen=True, kw_only=True):
    """The command that starts a worker, and the sockets to hand it."""

    command: Sequence[str]
    listeners: Sequence[socket.socket]
    # One group of sockets for each worker, or none at all.
    metrics_listeners: Sequence[Sequence[socket.socket]]
    # Whether the worker tells the operator where the service is.
    greets: bool

    def close(self) -> None:
        """Let go of the sockets; workers keep theirs."""
        for listener in (*self.listeners, *chain(*self.metrics_listeners)):
            listener.close()


# SIGTERM, where the one who stops all processes at once met a worker that was still loading.
GOOD_ENDS: Final = (0, -signal.SIGTERM)


class Child:
    """One worker process, from its start to its end; made inside the running loop."""

    def __init__(self, launch: Launch, index: int) -> None:
        self._serving_since: float | None = None
        self._settled = asyncio.Event()
        self._channel, theirs = socket.socketpair()
        with theirs:
            self._process = _started(launch, index, theirs)
        self._channel.settimeout(0)
        self._life = asyncio.create_task(self._hear(), name=f"worker {index}")

    @property
    def code(self) -> int | None:
        """How it ended, a signal as a negative number; None while it runs."""
        return self._process.returncode

    @property
    def ended_well(self) -> bool:
        """Whether it ended as it was asked to, or by itself before it accepted anything."""
        gave_up = self._serving_since is None and self.code is not None and self.code > 0
        return gave_up or self.code in GOOD_ENDS

    @property
    def served_seconds(self) -> float:
        """How long ago it began to serve, if it ever did."""
        return 0 if self._serving_since is None else time.monotonic() - self._serving_since

    async def serves_within(self, seconds: float) -> bool:
        """Wait until it serves, has ended or time is up; tell whether it serves."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._settled.wait()
        return self._serving_since is not None and self.code is None

    async def ended(self) -> None:
        """Wait until it has ended."""
        await asyncio.shield(self._life)

    def stop(self) -> None:
        """Ask it to finish what it accepted and end."""
        self._ask(STOP)

    def relieve(self) -> None:
        """Ask it to end, as another has taken its place already."""
        self._ask(RELIEVED)

    async def end(self, seconds: float) -> bool:
        """See that it ends: by itself within the time, else killed. Tell whether by itself."""
        try:
            async with asyncio.timeout(seconds):
                await self.ended()
        except TimeoutError:
            self._process.kill()
            await self.ended()
            return False
        return True

    def _ask(self, word: bytes) -> None:
        with contextlib.suppress(OSError):
            self._channel.send(word)

    async def _hear(self) -> None:
        loop = asyncio.get_running_loop()
        with self._channel:
            # Reset, where it died with a word unheard.
            with contextlib.suppress(ConnectionError):
                while await loop.sock_recv(self._channel, 1):
                    self._serving_since = time.monotonic()
                    self._settled.set()
            # The channel ends with the process, which is now only to be reaped.
            await asyncio.to_thread(self._process.wait)
        self._settled.set()


def described(code: int | None) -> str:
    """Say in words how a process ended."""
    if code is not None and code < 0:
        return f"ended by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"


def _started(launch: Launch, index: int, channel: socket.socket) -> subprocess.Popen[bytes]:
    metrics = launch.metrics_listeners[index] if launch.metrics_listeners else ()
    handover = Handover(
        index=index,
        listeners=tuple(listener.fileno() for listener in launch.listeners),
        metrics_listeners=tuple(listener.fileno() for listener in metrics),
        channel=channel.fileno(),
        greets=launch.greets,
    )
    return subprocess.Popen(  # noqa: S603 - this very program once more
        launch.command,
        stdin=subprocess.DEVNULL,
        env={**os.environ, VARIABLE: msgspec.json.encode(handover).decode()},
        pass_fds=(*handover.listeners, *handover.metrics_listeners, channel.fileno()),
        # A Ctrl-C at the terminal reaches the supervisor alone, which stops the others in order.
        start_new_session=True,
    )
