"""Clients that take tasks through their lives over raw sockets; each asks one thing at a time.

The load generator must not be what is measured: requests are put together from parts made once,
and of an answer only what the next request needs is looked for.
"""

import asyncio
import re
import time
from typing import Final

import msgspec

from benchmarks.overload.records import BROKEN, HOLDERS, LOWEST_FAULT, OK_MAX, REFUSED, Ask, Records

TYPE: Final = "overload"
LEASE_SECONDS: Final = 30
RECONNECT_SECONDS: Final = 0.05
# Every so many lives of a client have a look at the task, at the list, and end in a failure.
GET_EVERY, LIST_EVERY, FAIL_EVERY = 4, 8, 10
_CREATE: Final = (
    b'{"type":"%s","payload":{"document":"https://example.com/annual.pdf","pages":[1,2,3]},'
    b'"maxAttempts":1,"leaseDurationSeconds":%d}' % (TYPE.encode(), LEASE_SECONDS)
)
_CLAIM: Final = b'{"type":"%s","worker_id":"overload"}' % TYPE.encode()
_LENGTH: Final = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)
_WAIT: Final = re.compile(rb"\r\nretry-after: (\d+)", re.IGNORECASE)
_TOLD_WAIT: Final = re.compile(rb'"retry_after_seconds":(\d+)')
_TASK: Final = re.compile(rb'"id":"(tsk_[0-9A-Z]+)"')
_TOKEN: Final = re.compile(rb'"lease_token":"(lse_[^"]+)"')
_CODE: Final = re.compile(rb'"error":"([a-z_]+)"')


class Manners(msgspec.Struct, frozen=True, kw_only=True):
    """Whom clients ask, with which key, and whether they wait as they are told."""

    port: int
    key: str
    honours: bool
    host: str = "127.0.0.1"


class Client(asyncio.Protocol):
    """One client and its connection; it leaves when it holds nothing."""

    def __init__(self, manners: Manners, records: Records, number: int) -> None:
        self._manners = manners
        self._records = records
        self._head = b" HTTP/1.1\r\nHost: overload\r\nAuthorization: Bearer %s\r\n" % (
            manners.key.encode()
        )
        # That of the loop stands still while it handles what came together.
        self._now = time.perf_counter
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._ask = Ask.CREATE
        self._waits_for_answer = False
        self._sent = 0.0
        # Each begins at another life, so that not all of them do the same at a time.
        self._life = number
        self._task = self._token = b""
        # How long it itself let its lease lie, and since when it is its turn.
        self._own_seconds = 0.0
        self._turn_since = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._connecting: asyncio.Task[None] | None = None
        self.leaving = False
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def start(self) -> None:
        """Connect, and begin a life."""
        self._turn_since = self._now()
        self._send()

    def leave(self) -> None:
        """Go as soon as nothing is held."""
        self.leaving = True
        if self._ask is Ask.CREATE and not self._waits_for_answer:
            self._go()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Ask what is to be asked next."""
        self._transport, self._received = transport, b""
        self._send()

    def data_received(self, data: bytes) -> None:
        """Wait for a whole answer."""
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._received[:end]
        length = _LENGTH.search(head)
        if length is None or len(self._received) < end + 4 + int(length[1]):
            return
        body, self._received = self._received[end + 4 :], b""
        self._answered(int(head[9:12]), head, body)

    def connection_lost(self, _: Exception | None) -> None:
        """Connect anew; a request without an answer counts as broken."""
        self._transport = None
        if not self._waits_for_answer:
            return
        self._waits_for_answer = False
        self._records.add(self._ask, BROKEN, self._sent, self._now())
        self._later(RECONNECT_SECONDS)

    # --- asking

    def _send(self) -> None:
        self._timer = None
        if self.gone.done():
            return
        if self._transport is None or self._transport.is_closing():
            self._connecting = asyncio.create_task(self._connect())
            return
        self._sent = self._now()
        self._own_seconds += self._sent - self._turn_since
        self._waits_for_answer = True
        self._transport.write(self._request())

    async def _connect(self) -> None:
        manners = self._manners
        try:
            loop = asyncio.get_running_loop()
            await loop.create_connection(lambda: self, manners.host, manners.port)
        except OSError:
            now = self._now()
            self._records.add(self._ask, BROKEN, now, now)
            self._later(RECONNECT_SECONDS)

    def _request(self) -> bytes:
        match self._ask:
            case Ask.GET:
                return b"GET /v1/tasks/" + self._task + self._head + b"\r\n"
            case Ask.LIST:
                return b"GET /v1/tasks?limit=20" + self._head + b"\r\n"
            case Ask.CREATE:
                return self._post(b"", _CREATE)
            case Ask.CLAIM:
                return self._post(b"/claim", _CLAIM)
            case Ask.FAIL:
                return self._post(
                    b"/" + self._task + b"/fail",
                    b'{"reason":"asked to","lease_token":"' + self._token + b'"}',
                )
            case Ask.COMPLETE | Ask.HEARTBEAT:
                return self._post(
                    b"/" + self._task + b"/" + self._ask.name.lower().encode(),
                    b'{"lease_token":"' + self._token + b'"}',
                )

    def _post(self, path: bytes, body: bytes) -> bytes:
        return (
            b"POST /v1/tasks%s%sContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
            % (
                path,
                self._head,
                len(body),
                body,
            )
        )

    def _later(self, seconds: float) -> None:
        # A wait that was imposed is not the worker's own.
        self._turn_since = self._now() + seconds
        self._timer = asyncio.get_running_loop().call_later(seconds, self._send)

    # --- hearing

    def _answered(self, status: int, head: bytes, body: bytes) -> None:
        now = self._now()
        self._waits_for_answer = False
        self._turn_since = now
        self._records.add(self._ask, status, self._sent, now)
        if status in REFUSED:
            self._refused(head, body)
            return
        if status > OK_MAX:
            self._went_wrong(status, body)
        else:
            self._ask = self._after(body)
        self._go_on()

    def _refused(self, head: bytes, body: bytes) -> None:
        odd, header, told = self._records.oddities, _WAIT.search(head), _TOLD_WAIT.search(body)
        if header is None:
            odd.without_wait += 1
        else:
            odd.waits[int(header[1])] += 1
            odd.waits_differ += told is None or told[1] != header[1]
        if self.leaving and self._ask is Ask.CREATE:
            self._go()
        elif self._manners.honours:
            self._later(1 if header is None else int(header[1]))
        else:
            self._send()

    def _went_wrong(self, status: int, body: bytes) -> None:
        code = _CODE.search(body)
        name = code[1].decode() if code else ""
        odd = self._records.oddities
        if self._ask in HOLDERS and name == "lease_expired":
            if self._own_seconds < LEASE_SECONDS:
                odd.lost_leases += 1
            else:
                odd.late_workers += 1
        else:
            odd.unexpected[f"{self._ask.name.lower()} {status} {name}"] += 1
        if status < LOWEST_FAULT:
            self._ask = Ask.CREATE

    def _after(self, body: bytes) -> Ask:
        match self._ask:
            case Ask.CREATE:
                self._life += 1
                created = _TASK.search(body)
                assert created, body
                self._task = created[1]
                return Ask.CLAIM if self._life % GET_EVERY else Ask.GET
            case Ask.GET:
                return Ask.CLAIM
            case Ask.CLAIM:
                return self._claimed(body)
            case Ask.HEARTBEAT:
                return Ask.COMPLETE if self._life % FAIL_EVERY else Ask.FAIL
            case Ask.LIST:
                return Ask.CREATE
            case _:
                return Ask.CREATE if self._life % LIST_EVERY else Ask.LIST

    def _claimed(self, body: bytes) -> Ask:
        task, token = _TASK.search(body), _TOKEN.search(body)
        if task is None or token is None:
            self._records.oddities.unexpected["claim 200 empty"] += 1
            return Ask.CREATE
        self._task, self._token = task[1], token[1]
        self._own_seconds = 0
        return Ask.HEARTBEAT

    def _go_on(self) -> None:
        if self.leaving and self._ask is Ask.CREATE:
            self._go()
        else:
            self._send()

    def _go(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            self._transport.close()
        if not self.gone.done():
            self.gone.set_result(None)
