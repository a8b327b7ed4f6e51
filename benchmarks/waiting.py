"""Requests that wait: how soon a task reaches a worker, and what a thousand idle ones cost."""

import asyncio
import json
import random
import resource
import time
from collections.abc import Awaitable, Callable, Sequence
from statistics import quantiles
from typing import Any, Final

import msgspec

from benchmarks.conditions import Conditions
from benchmarks.embedded import in_own_process
from benchmarks.figures import Figure, Target
from benchmarks.filling import new_account
from benchmarks.processes import Served, cpu_seconds_of, memory_mib_of, service

WAITERS: Final = 64
IDLE: Final = 1_000
# The types that the idle ones wait for, so that there is something to look up.
IDLE_TYPES: Final = 250
# The tasks that idle task waits watch, and how many each of them names.
IDLE_TASKS: Final = 2_000
TASKS_PER_WAIT: Final = 20
CREATED_AT_ONCE: Final = 100
WAIT_SECONDS: Final = 50
# Between a task that was handed over and the next one.
PAUSE_SECONDS: Final = 0.005
# After the last idle claim has begun to wait.
SETTLE_SECONDS: Final = 2.0
P50_MS, P99_MS, P99_APART_MS = 5, 25, 60
IDLE_SHARE, IDLE_MIB = 0.03, 100
TYPE: Final = "bench"


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """Where tasks are created, where they are waited for, and how much of both."""

    create_port: int
    claim_port: int
    key: str
    tasks: int
    rounds: int


class IdleGiven(msgspec.Struct, frozen=True, kw_only=True):
    """The process that is waited at, and for how long it is watched."""

    port: int
    pid: int
    key: str
    seconds: float
    wait: Callable[["_Client", int, Sequence[str]], Awaitable[None]]
    tasks: int = 0


class Idleness(msgspec.Struct, frozen=True, kw_only=True):
    """What those who wait cost."""

    share: float
    mib: float


def measure(conditions: Conditions) -> list[Figure]:
    """Measure on SQLite."""
    database = conditions.folder / "waiting.db"
    account = new_account(database)
    with service(database, conditions.cores.server) as served:
        figures = handed_over("", conditions, (served, served), account.key)
        figures += idle(conditions, served, account.key)
    # A process of its own: what the others took is not given back to the system.
    with service(database, conditions.cores.server) as served:
        return [*figures, *idle_on_tasks(conditions, served, account.key)]


def handed_over(
    what: str, conditions: Conditions, replicas: tuple[Served, Served], key: str
) -> list[Figure]:
    """Create tasks on one process, one after the other, while workers wait on another."""
    creating, claiming = replicas
    effort = conditions.effort
    given = Given(
        create_port=creating.port,
        claim_port=claiming.port,
        key=key,
        tasks=effort.handed_over,
        rounds=effort.rounds,
    )
    rounds = in_own_process({conditions.cores.load}, _hand_over, given)
    apart = creating is not claiming
    p99 = P99_APART_MS if apart else P99_MS
    cuts = [quantiles(one, n=100) for one in rounds]
    note = f"{effort.handed_over:,} tasks a round, {WAITERS} workers wait; requests and all"
    return [
        Figure(
            name=f"create → handed over{what}, p50",
            unit="ms",
            samples=[cut[49] for cut in cuts],
            target=None if apart else Target(at_most=P50_MS),
            note=note,
        ),
        Figure(
            name=f"create → handed over{what}, p99",
            unit="ms",
            samples=[cut[98] for cut in cuts],
            target=Target(at_most=p99),
        ),
    ]


def idle(conditions: Conditions, served: Served, key: str) -> list[Figure]:
    """Let many claims wait for what never comes, and watch the process."""
    given = IdleGiven(
        port=served.port,
        pid=served.process.pid,
        key=key,
        seconds=conditions.effort.idle_seconds,
        wait=_claim,
    )
    return _idle_figures("idle waiters", f"for {IDLE_TYPES} types", conditions, given)


def idle_on_tasks(conditions: Conditions, served: Served, key: str) -> list[Figure]:
    """Let as many wait for tasks that nobody touches, and watch the process."""
    given = IdleGiven(
        port=served.port,
        pid=served.process.pid,
        key=key,
        seconds=conditions.effort.idle_seconds,
        wait=_await_tasks,
        tasks=IDLE_TASKS,
    )
    note = f"for {TASKS_PER_WAIT} tasks each, of {IDLE_TASKS:,}"
    return _idle_figures("idle task waits", note, conditions, given)


def _idle_figures(what: str, note: str, conditions: Conditions, given: IdleGiven) -> list[Figure]:
    found = in_own_process({conditions.cores.load}, _idle, given)
    return [
        Figure(
            name=f"{IDLE:,} {what}, share of a core",
            unit="",
            samples=[found.share],
            target=Target(at_most=IDLE_SHARE),
            note=f"{note}; over {given.seconds:.0f} s, those who ask again included",
        ),
        Figure(
            name=f"{IDLE:,} {what}, memory",
            unit="MiB",
            samples=[found.mib],
            target=Target(at_most=IDLE_MIB),
        ),
    ]


async def _hand_over(given: Given) -> list[list[float]]:
    over = _HandOver(given)
    workers = [asyncio.create_task(over.work()) for _ in range(WAITERS)]
    for worker in workers:
        worker.add_done_callback(over.ended)
    creator = await _Client.connected(given.create_port, given.key)
    rounds = [await over.create(creator, given.tasks) for _ in range(given.rounds + 1)]
    for worker in workers:
        worker.remove_done_callback(over.ended)
        worker.cancel()
    await asyncio.gather(*workers, return_exceptions=True)
    # The first was for warming up.
    return rounds[1:]


class _HandOver:
    def __init__(self, given: Given) -> None:
        self._given = given
        self._began = 0.0
        self._number = 0
        self._handed: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    async def create(self, creator: "_Client", tasks: int) -> list[float]:
        """Create tasks, one after the other; gives the milliseconds until each was handed over."""
        taken = []
        for _ in range(tasks):
            await asyncio.sleep(PAUSE_SECONDS)
            self._number += 1
            self._handed = asyncio.get_running_loop().create_future()
            body = {"type": TYPE, "payload": {"number": self._number}}
            self._began = time.perf_counter()
            creating = asyncio.ensure_future(creator.post("/v1/tasks", body))
            taken.append((await self._handed - self._began) * 1e3)
            await creating
        return taken

    def ended(self, worker: asyncio.Task[None]) -> None:
        """End the measurement when a worker ends, which none does but by an error."""
        if not self._handed.done():
            self._handed.set_exception(worker.exception() or RuntimeError("a worker ended"))

    async def work(self) -> None:
        """Wait for a task, complete it, and wait again."""
        client = await _Client.connected(self._given.claim_port, self._given.key)
        while True:
            body = {"type": TYPE, "wait_seconds": WAIT_SECONDS}
            claim = await client.post("/v1/tasks/claim", body)
            if claim["task"] is None:
                continue
            now = time.perf_counter()
            assert claim["task"]["payload"] == {"number": self._number}
            self._handed.set_result(now)
            path = f"/v1/tasks/{claim['task']['id']}/complete"
            await client.post(path, {"lease_token": claim["lease_token"]})


async def _idle(given: IdleGiven) -> Idleness:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    before = memory_mib_of(given.pid, "VmRSS")
    clients = [await _Client.connected(given.port, given.key) for _ in range(IDLE)]
    ids = await _created(clients[0], given.tasks)
    waiting = [
        asyncio.ensure_future(given.wait(client, place, ids))
        for place, client in enumerate(clients)
    ]
    await asyncio.sleep(SETTLE_SECONDS)
    began, used = time.perf_counter(), cpu_seconds_of(given.pid)
    await asyncio.sleep(given.seconds)
    used = cpu_seconds_of(given.pid) - used
    seconds = time.perf_counter() - began
    memory = memory_mib_of(given.pid, "VmRSS") - before
    assert not any(one.done() for one in waiting), [
        one.exception() for one in waiting if one.done()
    ][:1]
    for one in waiting:
        one.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    return Idleness(share=used / seconds, mib=memory)


async def _created(client: "_Client", count: int) -> list[str]:
    """Create tasks that nobody will touch."""
    ids: list[str] = []
    while len(ids) < count:
        tasks = [{"type": "untouched", "payload": {}}] * CREATED_AT_ONCE
        answer = await client.post("/v1/tasks/batch", {"items": tasks})
        ids += [item["body"]["id"] for item in answer["items"]]
    return ids


async def _await_tasks(client: "_Client", place: int, ids: Sequence[str]) -> None:
    first = place * TASKS_PER_WAIT % len(ids)
    await _again_and_again(
        client, "/v1/tasks/wait", {"ids": ids[first : first + TASKS_PER_WAIT], "mode": "all"}
    )


async def _claim(client: "_Client", place: int, _: Sequence[str]) -> None:
    await _again_and_again(client, "/v1/tasks/claim", {"type": f"idle_{place % IDLE_TYPES}"})


async def _again_and_again(client: "_Client", path: str, body: dict[str, object]) -> None:
    # The first waits are of any length, so that they do not all end at once.
    seconds = random.randint(1, WAIT_SECONDS)
    while True:
        await client.post(path, {**body, "wait_seconds": seconds})
        seconds = WAIT_SECONDS


class _Client:
    """One connection that is kept."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, key: str
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._key = key

    @classmethod
    async def connected(cls, port: int, key: str) -> "_Client":
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        return cls(reader, writer, key)

    async def post(self, path: str, body: object) -> dict[str, Any]:
        """Send a request that must succeed; gives the answer."""
        sent = json.dumps(body).encode()
        lines: Sequence[str] = (
            f"POST {path} HTTP/1.1",
            "Host: localhost",
            f"Authorization: Bearer {self._key}",
            "Content-Type: application/json",
            f"Content-Length: {len(sent)}",
        )
        self._writer.write("\r\n".join([*lines, "", ""]).encode() + sent)
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        answer: dict[str, Any] = json.loads(await self._reader.readexactly(length))
        assert head.startswith((b"HTTP/1.1 200", b"HTTP/1.1 201")), answer
        return answer
