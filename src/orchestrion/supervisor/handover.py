"""What a supervisor hands to a worker process, and how the worker hears from it again.

One channel says it all: a byte up when the worker serves; a byte down that asks it to stop; its
end, once the supervisor is gone in whatever manner. So no worker outlives its supervisor.
"""

import asyncio
import os
import signal
import socket
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager

import msgspec

VARIABLE = "ORCHESTRION_WORKER"
SERVING = b"u"
STOP = b"s"
RELIEVED = b"r"


class Handover(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker starts with; sockets by their descriptors, which the process inherits."""

    index: int
    listeners: tuple[int, ...]
    metrics_listeners: tuple[int, ...]
    channel: int
    # Whether this one tells the operator where the service is.
    greets: bool


class Worker:
    """This process as its supervisor's worker."""

    def __init__(self, handover: Handover) -> None:
        self.index = handover.index
        self.greets = handover.greets
        self.listeners = _adopted(handover.listeners)
        self.metrics_listeners = _adopted(handover.metrics_listeners)
        (self._channel,) = _adopted((handover.channel,))
        self._heard = b""

    def tell_serving(self) -> None:
        """Tell the supervisor that requests are answered."""
        self._channel.send(SERVING, socket.MSG_NOSIGNAL)

    @contextmanager
    def heeding(self, stop: asyncio.Event, relieved: asyncio.Event) -> Iterator[None]:
        """Stop when the supervisor asks or ends; `relieved` is set where another took over."""
        loop = asyncio.get_running_loop()

        def hear() -> None:
            word = self._channel.recv(1)
            if word == RELIEVED:
                relieved.set()
            stop.set()
            if word:
                self._heard = word
                return
            loop.remove_reader(self._channel)
            if self._heard == STOP:
                # It was told to end at once, and can no longer say so.
                signal.raise_signal(signal.SIGKILL)

        loop.add_reader(self._channel, hear)
        try:
            yield
        finally:
            loop.remove_reader(self._channel)


def this_worker(variables: MutableMapping[str, str]) -> Worker | None:
    """Take what a supervisor left for this process, if one started it."""
    text = variables.pop(VARIABLE, None)
    return None if text is None else Worker(msgspec.json.decode(text, type=Handover))


def _adopted(descriptors: tuple[int, ...]) -> tuple[socket.socket, ...]:
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)  # noqa: FBT003 - as the library has it
    return tuple(socket.socket(fileno=descriptor) for descriptor in descriptors)
