"""A middleman does to what passes what its mood says, and is harmless when calm."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.chaos.recorder import FAIL, INFO, OK, outcome
from tests.chaos.wire import Answer, LostError, NotSentError, Request, Wire
from tests.chaos.wires import Middleman, Mood
from tests.ports import free_port

CONTENT = b'{"told": true}'
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\nretry-after: 2\r\n\r\n%s" % (
    len(CONTENT),
    CONTENT,
)
REQUEST = Request(method="POST", path="/v1/tasks", headers=(), content=b"{}")
PATIENCE_SECONDS = 10.0
# For what never answers.
SHORT_SECONDS = 0.2


class Server:
    """Answers every request alike, and counts them."""

    def __init__(self) -> None:
        self.asked = 0
        self.seen = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readuntil(b"{}"):
                self.asked += 1
                self.seen.set()
                writer.write(ANSWER)
        except (EOFError, OSError):
            pass
        finally:
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


@asynccontextmanager
async def between() -> AsyncIterator[tuple[Server, Middleman]]:
    server = Server()
    port = free_port()
    async with await asyncio.start_server(server.serve, "127.0.0.1", port):
        middleman = Middleman(port, random.Random(1))
        await middleman.start()
        try:
            yield server, middleman
        finally:
            await middleman.close()


@pytest.mark.parametrize("mood", [Mood.CALM, Mood.SLOW, Mood.TRICKLES], ids=str)
async def test_what_is_only_slow_comes_whole(mood: Mood) -> None:
    async with between() as (server, middleman):
        middleman.mood = mood
        wire = Wire(middleman.port, PATIENCE_SECONDS)

        answers = [await wire.ask(REQUEST) for _ in range(2)]

        wire.close()
    assert answers == [Answer(status=200, content=CONTENT, retry_after=2.0)] * 2
    assert server.asked == 2


@pytest.mark.parametrize("mood", [Mood.LOSES_ANSWERS, Mood.CUTS], ids=str)
async def test_an_answer_is_lost_after_the_server_has_acted(mood: Mood) -> None:
    async with between() as (server, middleman):
        middleman.mood = mood
        wire = Wire(middleman.port, PATIENCE_SECONDS)

        with pytest.raises(LostError):
            await wire.ask(REQUEST)

    assert server.asked == 1


@pytest.mark.parametrize(
    ("mood", "asked"), [(Mood.DROPS, 0), (Mood.DROPS_ANSWERS, 1)], ids=["both ways", "one way"]
)
async def test_nobody_is_told_of_what_is_dropped(mood: Mood, asked: int) -> None:
    async with between() as (server, middleman):
        middleman.mood = mood
        wire = Wire(middleman.port, SHORT_SECONDS)

        with pytest.raises(LostError, match="Timeout"):
            await wire.ask(REQUEST)

    assert server.asked == asked


async def test_a_half_closed_wire_brings_the_request_and_then_its_end() -> None:
    async with between() as (server, middleman):
        middleman.mood = Mood.HALF_CLOSES
        wire = Wire(middleman.port, PATIENCE_SECONDS)

        answer = await wire.ask(REQUEST)

        with pytest.raises((LostError, NotSentError)):
            await wire.ask(REQUEST)
    assert answer == Answer(status=200, content=CONTENT, retry_after=2.0)
    assert server.asked == 1


async def test_a_reset_keeps_the_request_from_the_server() -> None:
    async with between() as (server, middleman):
        middleman.mood = Mood.RESETS
        wire = Wire(middleman.port, PATIENCE_SECONDS)

        with pytest.raises(LostError):
            await wire.ask(REQUEST)

    assert server.asked == 0


async def test_a_request_that_nobody_takes_did_not_happen() -> None:
    with pytest.raises(NotSentError):
        await Wire(free_port(), PATIENCE_SECONDS).ask(REQUEST)


@pytest.mark.parametrize(
    ("status", "action", "known"),
    [
        (201, "claim_task", OK),
        (409, "check_task_status", FAIL),
        (429, "retry_after_wait", FAIL),
        (503, "retry_after_wait", FAIL),
        (503, "check_task_status", INFO),
        (503, "list_tasks", INFO),
        (500, "retry_after_wait", INFO),
    ],
)
def test_an_outcome_is_known_by_what_the_answer_promises(
    status: int, action: str, known: str
) -> None:
    body = {"agent_contract": {"next_actions": [{"action": action}]}}

    assert outcome(status, body) == known
