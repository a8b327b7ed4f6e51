"""What a supervisor hands to a worker process, and how the two hear from each other.

One channel says it all: a byte up when the worker serves, a byte down that asks it to stop, and
its end once the other side is gone in whatever manner. So no worker outlives its supervisor.
"""

import asyncio
import os
import signal
import socket
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager, suppress

import msgspec

VARIABLE = "ORCHESTRION_WORKER"
SERVING = b"u"
STOP = b"s"
RELIEVED = b"r"


class Handover(msgspec.Struct, frozen=True, kw_only=True):
    """What a process starts with; sockets by their descriptors, which it inherits."""

    # None for a process that nobody supervises.
    index: int | None = None
    channel: int | None = None
    listeners: tuple[int, ...] = ()
    metrics_listeners: tuple[int, ...] = ()
    # Whether this process tells the operator where the service is.
    greets: bool = True


class Worker:
    """This process's side of a handover."""

    def __init__(self, handover: Handover) -> None:
        self.index = handover.index
        self.greets = handover.greets
        self.listeners = tuple(map(_adopted, handover.listeners))
        self.metrics_listeners = tuple(map(_adopted, handover.metrics_listeners))
        # Never closed here: its end tells the supervisor that this process has ended.
        self._channel = None if handover.channel is None else _adopted(handover.channel)
        self._heard = b""

    def tell_serving(self) -> None:
        """Tell the supervisor that requests are answered."""
        if self._channel is not None:
            with suppress(ConnectionError):
                self._channel.send(SERVING)

    @contextmanager
    def heeding(self, stop: asyncio.Event, relieved: asyncio.Event) -> Iterator[None]:
        """Stop when the supervisor asks or ends; `relieved` is set where another took over."""
        if self._channel is None:
            yield
            return
        loop = asyncio.get_running_loop()

        def hear() -> None:
            word = self._word()
            if word == RELIEVED:
                relieved.set()
            elif not word:
                loop.remove_reader(channel)
                if self._heard == STOP:
                    # Nobody waits for the end of this stop: as a second signal to one server.
                    signal.raise_signal(signal.SIGKILL)
            self._heard = word
            stop.set()

        channel = self._channel
        loop.add_reader(channel, hear)
        try:
            yield
        finally:
            loop.remove_reader(channel)

    def _word(self) -> bytes:
        """Give the next byte of the channel; none at its end."""
        assert self._channel is not None
        try:
            return self._channel.recv(1)
        except ConnectionError:
            return b""


def this_worker(variables: MutableMapping[str, str]) -> Worker:
    """Take what a supervisor may have left for this process."""
    text = variables.pop(VARIABLE, "{}")
    return Worker(msgspec.json.decode(text, type=Handover))


def _adopted(descriptor: int) -> socket.socket:
    os.set_inheritable(descriptor, False)  # noqa: FBT003 - as the library has it
    return socket.socket(fileno=descriptor)
