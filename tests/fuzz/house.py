"""The application in a thread of its own, behind a door that judges every answer.

Whoever asks runs an event loop of its own; the application keeps the one it was started on.
"""

import asyncio
import concurrent.futures
import ipaddress
import itertools
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import msgspec
from starlette.types import Message, Receive, Scope, Send

from orchestrion.core.limits import WAIT_SECONDS_MAX
from orchestrion.core.payment_refusals import PAYMENTS_OFF
from tests.answers import AnswerCheck
from tests.databases import Database
from tests.fuzz.hasty import HastyLoop
from tests.harness import Account, Harness, running

PATIENCE_SECONDS: Final = 30.0
# How far the clock moves with every request, and how far all time does when one waits.
TICK_SECONDS: Final = 0.2
SKIP_SECONDS: Final = WAIT_SECONDS_MAX + 1.0
# What has not been answered after these waits for something.
QUICK_SECONDS: Final = 0.1
BODY_SHOWN: Final = 400


class Wrong(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that broke a promise, and the request that brought it about."""

    says: str
    method: str
    target: str
    body: bytes


class Door:
    """An ASGI application: hands every request to the real one, and judges what comes back."""

    def __init__(self, harness: Harness, loop: HastyLoop) -> None:
        self._harness = harness
        self._loop = loop
        self._check = AnswerCheck()
        # Registrations are limited by address.
        self._addresses = itertools.cycle(map(str, ipaddress.IPv4Network("198.18.0.0/15").hosts()))
        self.statuses: Counter[int] = Counter()
        self.wrong: list[Wrong] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        asked = {**scope, "client": (next(self._addresses), 1234)}
        answered = asyncio.run_coroutine_threadsafe(
            self._ask(asked, await _body(receive)), self._loop
        )
        for message in await asyncio.wrap_future(answered):
            await send(message)

    async def _ask(self, scope: Scope, body: bytes) -> list[Message]:
        arriving: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
        sent: list[Message] = []

        async def receive() -> Message:
            # The client stays for its answer.
            return arriving.pop() if arriving else await asyncio.Future()

        async def send(message: Message) -> None:
            sent.append(message)

        await self._within_time(scope, receive, send)
        self._judge(scope, body, sent)
        return sent

    async def _within_time(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._harness.clock.advance(TICK_SECONDS)
        asking = asyncio.ensure_future(self._harness.service.app(scope, receive, send))
        while not (await asyncio.wait({asking}, timeout=QUICK_SECONDS))[0]:
            self._harness.clock.advance(SKIP_SECONDS)
            self._loop.skip(SKIP_SECONDS)
        asking.result()

    def _judge(self, scope: Scope, body: bytes, sent: list[Message]) -> None:
        start, end = sent
        status, headers = start["status"], _headers(start)
        self.statuses[status] += 1
        path = f"{scope['path']}?{scope['query_string'].decode('latin-1')}"
        try:
            self._check.check(scope["method"], path, status, headers, end["body"])
            assert status < 500 or _deliberate(status, headers, end["body"]), "a server error"
        except AssertionError as error:
            target = f"{scope['raw_path'].decode('latin-1')}?{path.partition('?')[2]}"
            self.wrong.append(
                Wrong(
                    says=str(error), method=scope["method"], target=target, body=body[:BODY_SHOWN]
                )
            )


class House(msgspec.Struct, frozen=True):
    """A running application: its door, and an account of it."""

    door: Door
    account: Account
    harness: Harness
    loop: HastyLoop

    def another(self) -> Account:
        """Register a further account."""
        registering = asyncio.run_coroutine_threadsafe(self.harness.account(), self.loop)
        return registering.result(PATIENCE_SECONDS)

    def found(self) -> list[str]:
        """Tell what was wrong with the answers, and what broke behind them."""
        wrong = [msgspec.json.encode(one).decode() for one in self.door.wrong]
        return wrong + [repr(fault) for fault in self.harness.observer.faults]


@contextmanager
def housed(database: Database) -> Iterator[House]:
    """Run the service until the block ends."""
    opened: concurrent.futures.Future[House] = concurrent.futures.Future()
    loop, stop = HastyLoop(), asyncio.Event()
    thread = threading.Thread(
        target=lambda: loop.run_until_complete(_keep(database, opened, loop, stop)), name="house"
    )
    thread.start()
    try:
        yield opened.result(PATIENCE_SECONDS)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(PATIENCE_SECONDS)
        loop.close()


async def _keep(
    database: Database,
    opened: "concurrent.futures.Future[House]",
    loop: HastyLoop,
    stop: asyncio.Event,
) -> None:
    try:
        async with running(database) as harness:
            account = await harness.account()
            opened.set_result(House(Door(harness, loop), account, harness, loop))
            await stop.wait()
    except BaseException as error:
        if not opened.done():
            opened.set_exception(error)
        raise


def _deliberate(status: int, headers: Mapping[str, str], body: bytes) -> bool:
    """Tell whether the server refused what it cannot do now, or can never do."""
    return status == 503 and ("retry-after" in headers or PAYMENTS_OFF.encode() in body)


async def _body(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return bytes(body)


def _headers(start: Message) -> Mapping[str, str]:
    return {name.decode(): value.decode() for name, value in start["headers"]}
