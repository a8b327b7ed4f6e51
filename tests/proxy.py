"""A wire to PostgreSQL that a test cuts, holds up, or robs of answers."""

import asyncio
import threading
from typing import Final

from tests.desk import PATIENCE_SECONDS, Desk

HOST: Final = "127.0.0.1"
# What a client may ask before its first message, which the wire answers with no: TLS and GSS.
_ASKED_FIRST: Final = {80877103, 80877104}
_QUERY: Final = b"Q"
_COMMIT: Final = b"commit"


class Proxy:
    """Listens on loopback and passes on to a server; lives in a desk's loop."""

    def __init__(self, desk: Desk, host: str, port: int) -> None:
        self.loses_commits = False
        self.loses_answers = False
        self._desk = desk
        self._host, self._port = host, port
        self._unreachable = False
        self._held = False
        self._answers_held = False
        self._reached = threading.Event()
        self._answered = threading.Event()
        self._released = threading.Event()
        self._wires: set[Wire] = set()
        self._server = desk.do(self._listen())
        self.port: int = self._server.sockets[0].getsockname()[1]

    @property
    def unreachable(self) -> bool:
        """Whether nobody gets through; when it begins, everybody is cut off."""
        return self._unreachable

    @unreachable.setter
    def unreachable(self, unreachable: bool) -> None:
        self._unreachable = unreachable
        if unreachable:
            self.cut()

    def cut(self) -> None:
        """Cut every connection off; new ones get through."""
        self._desk.do(self._cut())

    def hold(self) -> None:
        """Let the next commit wait until it is released."""
        self._reached.clear()
        self._released.clear()
        self._held = True

    async def held(self) -> None:
        """Wait until a commit waits."""
        assert await asyncio.to_thread(self._reached.wait, PATIENCE_SECONDS), "no commit came"

    def hold_answers(self) -> None:
        """Let every answer wait until it is released."""
        self._answered.clear()
        self._released.clear()
        self._answers_held = True

    async def answered(self) -> None:
        """Wait until an answer waits."""
        assert await asyncio.to_thread(self._answered.wait, PATIENCE_SECONDS), "no answer came"

    def release(self) -> None:
        """Let commits and answers go on."""
        self._held = self._answers_held = False
        self._released.set()

    def heal(self) -> None:
        """Pass everything on again."""
        self._unreachable = self.loses_commits = self.loses_answers = False
        self.release()

    def close(self) -> None:
        """Cut everybody off and listen no more."""
        self.heal()
        self._desk.do(self._close())

    async def committing(self) -> None:
        """Do with a commit what the test wants before it goes on."""
        if self._held:
            self._reached.set()
            assert await asyncio.to_thread(self._released.wait, PATIENCE_SECONDS), "not released"

    async def answering(self) -> None:
        """Do with an answer what the test wants before it goes on."""
        if self._answers_held:
            self._answered.set()
            assert await asyncio.to_thread(self._released.wait, PATIENCE_SECONDS), "not released"

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_server(self._serve, HOST, 0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._unreachable:
            writer.transport.abort()
            return
        beyond = await asyncio.open_connection(self._host, self._port)
        wire = Wire(self, (reader, writer), beyond)
        self._wires.add(wire)
        try:
            await wire.run()
        finally:
            self._wires.discard(wire)

    async def _cut(self) -> None:
        for wire in tuple(self._wires):
            wire.cut()

    async def _close(self) -> None:
        self._server.close()
        await self._cut()
        await self._server.wait_closed()


Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Wire:
    """One connection, both ways."""

    def __init__(self, proxy: Proxy, client: Ends, server: Ends) -> None:
        self._proxy = proxy
        self._client, self._server = client, server
        self._answer_lost = False

    async def run(self) -> None:
        """Pass everything on until either side ends."""
        ways = [asyncio.create_task(self._there()), asyncio.create_task(self._back())]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        self.cut()
        # A side that hung up is how every connection ends.
        await asyncio.gather(*ways, return_exceptions=True)

    def cut(self) -> None:
        """Break the connection off."""
        for _, writer in (self._client, self._server):
            writer.transport.abort()

    async def _there(self) -> None:
        reader, writer = self._client[0], self._server[1]
        await self._greet()
        while True:
            head = await reader.readexactly(5)
            body = await reader.readexactly(int.from_bytes(head[1:], "big") - 4)
            if head[:1] == _QUERY and body.lower().startswith(_COMMIT):
                await self._proxy.committing()
                if self._proxy.loses_commits:
                    return
                self._answer_lost = self._proxy.loses_answers
            writer.write(head + body)
            await writer.drain()

    async def _greet(self) -> None:
        reader, writer = self._client[0], self._server[1]
        while True:
            length = await reader.readexactly(4)
            body = await reader.readexactly(int.from_bytes(length, "big") - 4)
            if int.from_bytes(body[:4], "big") not in _ASKED_FIRST:
                writer.write(length + body)
                return
            self._client[1].write(b"N")

    async def _back(self) -> None:
        reader, writer = self._server[0], self._client[1]
        while data := await reader.read(65_536):
            if self._answer_lost:
                return
            await self._proxy.answering()
            writer.write(data)
            await writer.drain()
