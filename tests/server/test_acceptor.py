"""A crowd is accepted in a few turns, and nobody who waits is forgotten."""

import asyncio
import contextlib
import os
import resource
import socket
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any

import pytest
import uvloop

from orchestrion.api.serving.acceptor import ACCEPTS_A_TURN, Acceptor
from orchestrion.api.serving.listener import listen

RunLoop = Callable[[Coroutine[Any, Any, None]], None]
CROWD = 3 * ACCEPTS_A_TURN
# Of a loop: some to accept, one for each step of opening a connection.
TURNS_MAX = 20
PATIENCE_SECONDS = 10


class Visit(asyncio.Protocol):
    def __init__(self, visits: list[asyncio.BaseTransport]) -> None:
        self._visits = visits

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._visits.append(transport)


class House:
    """A listening socket, who came, and what went wrong."""

    def __init__(self, listener: socket.socket) -> None:
        self.visits: list[asyncio.BaseTransport] = []
        self.faults: list[OSError] = []
        self.hurt = asyncio.Event()
        self.listener = listener
        self.address = listener.getsockname()
        self.acceptor = Acceptor([listener], lambda: Visit(self.visits), self._note)

    def _note(self, fault: OSError) -> None:
        self.faults.append(fault)
        self.hurt.set()

    def leave(self) -> None:
        self.acceptor.close()
        for transport in self.visits:
            transport.close()

    async def visited(self, by: int) -> int:
        """Wait until so many came; gives how many turns of the loop that took."""
        turns = 0
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(self.visits) < by:
                turns += 1
                await asyncio.sleep(0)
        return turns


@contextlib.contextmanager
def clients(count: int) -> Iterator[list[socket.socket]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(socket.socket()) for _ in range(count)]


@pytest.fixture(params=[uvloop.run, asyncio.run], ids=["uvloop", "asyncio"])
def run_loop(request: pytest.FixtureRequest) -> RunLoop:
    run: RunLoop = request.param
    return run


def in_a_house(run_loop: RunLoop, script: Callable[[House], Awaitable[None]]) -> None:
    async def run() -> None:
        (listener,) = await listen("127.0.0.1", 0)
        house = House(listener)
        try:
            await script(house)
        finally:
            house.leave()

    run_loop(run())


@contextlib.contextmanager
def no_more_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_crowd_is_accepted_in_a_few_turns(run_loop: RunLoop) -> None:
    async def script(house: House) -> None:
        with clients(CROWD) as crowd:
            for client in crowd:
                client.connect(house.address)
            house.acceptor.begin()

            assert await house.visited(CROWD) < TURNS_MAX

    in_a_house(run_loop, script)


def test_those_who_wait_when_it_closes_are_still_accepted(run_loop: RunLoop) -> None:
    async def script(house: House) -> None:
        with clients(CROWD) as crowd:
            house.acceptor.begin()
            for client in crowd:
                client.connect(house.address)
            house.acceptor.close(waiting_max=CROWD)
            await house.acceptor.settled()

            assert len(house.visits) == CROWD
            with socket.socket() as late, pytest.raises(ConnectionRefusedError):
                late.connect(house.address)

    in_a_house(run_loop, script)


def test_those_who_wait_are_left_to_who_takes_over(run_loop: RunLoop) -> None:
    async def script(house: House) -> None:
        successor = House(house.listener.dup())
        with clients(CROWD) as crowd:
            for client in crowd:
                client.connect(house.address)
            house.acceptor.close()
            successor.acceptor.begin()
            await successor.visited(CROWD)
            successor.leave()

        assert house.visits == []

    in_a_house(run_loop, script)


def test_who_comes_while_the_system_has_no_room_is_accepted_later(run_loop: RunLoop) -> None:
    async def script(house: House) -> None:
        with clients(2) as (first, second):
            house.acceptor.begin()
            with no_more_files():
                first.connect(house.address)
                await asyncio.wait_for(house.hurt.wait(), PATIENCE_SECONDS)
                assert house.visits == []
            second.connect(house.address)
            await house.visited(2)

            assert len(house.faults) == 1

    in_a_house(run_loop, script)
