"""Accepts connections, several in a turn of the loop; knows nothing of what is said on them.

The loop's own way accepts one a turn (https://github.com/libuv/libuv/pull/3696). Turns are long
while many are served, so that whoever came in a crowd would wait for seconds to be refused.
"""

import asyncio
import socket
from collections.abc import Callable, Sequence
from typing import Final

# The rest come with the next turn: those who are here already have theirs in between.
ACCEPTS_A_TURN: Final = 64
# Where processes share the sockets: whoever turns first would take a whole burst.
SHARED_ACCEPTS_A_TURN: Final = 4
# After the system had no room for another connection.
REST_SECONDS: Final = 0.2

ProtocolFactory = Callable[[], asyncio.Protocol]
OnFault = Callable[[OSError], None]


class Acceptor:
    """Hands every connection that comes to some listening sockets to a protocol of its own."""

    def __init__(
        self,
        listeners: Sequence[socket.socket],
        factory: ProtocolFactory,
        on_fault: OnFault,
        accepts_a_turn: int = ACCEPTS_A_TURN,
    ) -> None:
        self._listeners = tuple(listeners)
        self._factory = factory
        self._on_fault = on_fault
        self._accepts_a_turn = accepts_a_turn
        self._loop = asyncio.get_running_loop()
        self._opening: set[asyncio.Task[None]] = set()
        self._resting: dict[socket.socket, asyncio.TimerHandle] = {}
        # A spell of faults is told once.
        self._failing = False
        self._closed = False

    def begin(self) -> None:
        """Accept from now on."""
        for listener in self._listeners:
            self._watch(listener)

    def close(self, waiting_max: int = 0) -> None:
        """Accept nobody any more, but for so many who wait already; closes the sockets."""
        if self._closed:
            return
        self._closed = True
        for listener in self._listeners:
            self._ignore(listener)
            self._accept(listener, waiting_max)
            listener.close()

    async def settled(self) -> None:
        """Wait until every connection that was accepted has its protocol."""
        if self._opening:
            await asyncio.wait(self._opening)

    def _watch(self, listener: socket.socket) -> None:
        self._resting.pop(listener, None)
        self._loop.add_reader(listener, self._accept, listener, self._accepts_a_turn)

    def _ignore(self, listener: socket.socket) -> None:
        self._loop.remove_reader(listener)
        if timer := self._resting.pop(listener, None):
            timer.cancel()

    def _accept(self, listener: socket.socket, most: int) -> None:
        for _ in range(most):
            try:
                connection, _ = listener.accept()
            except BlockingIOError:
                return
            except ConnectionAbortedError:
                # Gone again while it waited; others may be behind it.
                continue
            except OSError as error:
                self._rest(listener, error)
                return
            self._failing = False
            task = self._loop.create_task(self._open(connection))
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    async def _open(self, connection: socket.socket) -> None:
        try:
            connection.settimeout(0)
            await self._loop.connect_accepted_socket(self._factory, connection)
        except OSError:
            # Gone before anything was said.
            connection.close()

    def _rest(self, listener: socket.socket, error: OSError) -> None:
        if not self._failing:
            self._failing = True
            self._on_fault(error)
        if self._closed:
            return
        # The socket stays readable: to look again at once would be to do nothing else.
        self._loop.remove_reader(listener)
        self._resting[listener] = self._loop.call_later(REST_SECONDS, self._watch, listener)
