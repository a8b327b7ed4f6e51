"""A wire between a client and a server that a nemesis slows, cuts, mutes or robs of answers."""

import asyncio
import contextlib
import enum
import random
from typing import Final

HOST: Final = "127.0.0.1"
PIECE_BYTES: Final = 65_536
TRICKLE_BYTES: Final = 97
TRICKLE_SECONDS: Final = 0.02
SLOW_SECONDS: Final = 0.25


class Mood(enum.Enum):
    """What becomes of what is sent."""

    CALM = "calm"
    # The server's answers are dropped, and the connection with them.
    LOSES_ANSWERS = "loses answers"
    SLOW = "slow"
    TRICKLES = "trickles"
    # Part of an answer gets through.
    CUTS = "cuts"
    # Connections are broken as soon as something is sent.
    RESETS = "resets"
    # What the client sends gets through, and then its end, before it has its answer.
    HALF_CLOSES = "half-closes"
    # Nothing passes, and nobody is told.
    DROPS = "drops"
    # What the client sends passes, what the server sends does not.
    DROPS_ANSWERS = "drops answers"


# Moods that let pass what the client sends.
OF_ANSWERS: Final = frozenset({Mood.LOSES_ANSWERS, Mood.CUTS, Mood.DROPS_ANSWERS})


class Middleman:
    """Listens on loopback and passes on to a port, as its mood is at each piece."""

    def __init__(self, port: int, chance: random.Random) -> None:
        self.mood = Mood.CALM
        self.disturbed = 0
        self._beyond = port
        self._chance = chance
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._passing: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._serve, HOST, 0)

    async def close(self) -> None:
        """Cut everybody off and listen no more."""
        assert self._server is not None
        self._server.close()
        self.cut()
        await asyncio.gather(*self._passing, return_exceptions=True)
        await self._server.wait_closed()

    def cut(self) -> None:
        """Cut everybody off; new ones get through."""
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._passing.add(task)
        task.add_done_callback(self._passing.discard)
        try:
            server = await asyncio.open_connection(HOST, self._beyond)
        except OSError:
            await _abort(writer)
            return
        writers = {writer, server[1]}
        self._writers |= writers
        there = asyncio.create_task(self._pass(reader, server[1], answers=False))
        back = asyncio.create_task(self._pass(server[0], writer, answers=True))
        await asyncio.wait((there, back), return_when=asyncio.FIRST_COMPLETED)
        await asyncio.gather(*map(_abort, writers))
        # A side that hung up is how every connection ends.
        await asyncio.gather(there, back, return_exceptions=True)
        self._writers -= writers

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool
    ) -> None:
        while piece := await reader.read(PIECE_BYTES):
            mood = self.mood
            self.disturbed += mood is not Mood.CALM and (answers or mood not in OF_ANSWERS)
            match mood:
                case Mood.RESETS:
                    return
                case Mood.LOSES_ANSWERS if answers:
                    return
                case Mood.CUTS if answers:
                    writer.write(piece[: self._chance.randrange(len(piece))])
                    with contextlib.suppress(OSError):
                        await writer.drain()
                    return
                case Mood.DROPS:
                    continue
                case Mood.DROPS_ANSWERS if answers:
                    continue
                case Mood.SLOW:
                    await asyncio.sleep(SLOW_SECONDS)
                case Mood.TRICKLES:
                    await _trickle(piece, writer)
                    continue
                case _:
                    pass
            writer.write(piece)
            await writer.drain()
            if mood is Mood.HALF_CLOSES and not answers:
                writer.write_eof()


async def _trickle(piece: bytes, writer: asyncio.StreamWriter) -> None:
    for start in range(0, len(piece), TRICKLE_BYTES):
        writer.write(piece[start : start + TRICKLE_BYTES])
        await writer.drain()
        await asyncio.sleep(TRICKLE_SECONDS)


async def _abort(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
