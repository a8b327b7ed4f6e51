"""A key that is revoked while its request waits: the wait ends, and nothing is handed to it."""

import asyncio
from collections.abc import Callable, Coroutine

import pytest

from tests.databases import Trouble, add_key, revoke_key
from tests.harness import Account
from tests.http.callers import Caller, Json, Response, ok, refused

PATIENCE_SECONDS = 20.0
# The 5 s a revoked key may still be used, less the second between two looks.
KNOWN_SECONDS = 4.0

Asking = Callable[[Caller, Json], Coroutine[None, None, Response]]


def claim(caller: Caller, _: Json) -> Coroutine[None, None, Response]:
    return caller.claim_next("nothing-yet", wait_seconds=20)


def read(caller: Caller, task: Json) -> Coroutine[None, None, Response]:
    return caller.read(f"/v1/tasks/{task['id']}?wait_seconds=20")


def wait(caller: Caller, task: Json) -> Coroutine[None, None, Response]:
    return caller.send("POST", "/v1/tasks/wait", {"ids": [task["id"]], "wait_seconds": 20})


class Guest:
    """Waits with a key of its own of the caller's account."""

    def __init__(self, caller: Caller) -> None:
        self._database = caller.service.database
        key, self._key_id = add_key(self._database, caller.account.id)
        self.caller = Caller(caller.service, Account(caller.account.id, key))

    async def begin(self, asking: Coroutine[None, None, Response]) -> "asyncio.Task[Response]":
        """Send a request, and go on once it waits."""
        service = self.caller.service.service
        taken = service.waiters.room.taken
        request = asyncio.create_task(asking)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while service.waiters.room.taken == taken or service.waiters.asking:
                assert not request.done(), request.result().text
                await asyncio.sleep(0.001)
        return request

    async def lose_key(self) -> None:
        """Let its key be revoked, and as much time pass as that may take to be noticed."""
        revoke_key(self._database, self._key_id)
        await self.look_later()

    async def look_later(self) -> None:
        """Let the time pass in which a key seen before is not asked for again."""
        self.caller.service.clock.advance(KNOWN_SECONDS)
        await self.caller.service.service.key_watch.look()


@pytest.fixture
def guest(caller: Caller) -> Guest:
    return Guest(caller)


@pytest.mark.parametrize("asking", [claim, read, wait])
async def test_its_request_is_refused(caller: Caller, guest: Guest, asking: Asking) -> None:
    request = await guest.begin(asking(guest.caller, await caller.task()))

    await guest.lose_key()

    refused(await request, 401, "invalid_api_key")
    assert caller.service.service.waiters.room.taken == 0


async def test_what_comes_then_goes_to_others(caller: Caller, guest: Guest) -> None:
    request = await guest.begin(guest.caller.claim_next(wait_seconds=20))
    await guest.lose_key()
    await request

    task = await caller.task()

    assert ok(await caller.claim_next())["task"]["id"] == task["id"]
    assert task["attemptCount"] == 0


async def test_the_end_of_an_attempt_stands(caller: Caller, guest: Guest) -> None:
    held = await caller.held()
    path = f"/v1/tasks/{held['task']['id']}/complete"
    wanted = {"type": "nothing-yet", "wait_seconds": 20}
    request = await guest.begin(guest.caller.send("POST", path, {"claim_next": wanted}))

    await guest.lose_key()

    assert ok(await request)["status"] == "completed"


async def test_a_good_key_waits_on(caller: Caller, guest: Guest) -> None:
    request = await guest.begin(guest.caller.claim_next(wait_seconds=20))

    await guest.look_later()

    task = await caller.task()
    assert ok(await request)["task"]["id"] == task["id"]


async def test_a_database_that_is_away_ends_no_wait(
    caller: Caller, guest: Guest, trouble: Trouble
) -> None:
    request = await guest.begin(guest.caller.claim_next(wait_seconds=20))
    await caller.service.account()

    trouble.unreachable = True
    await guest.look_later()
    trouble.heal()

    assert "key_watch_failed" in {name for name, *_ in caller.service.observer.faults}
    assert not request.done()
    caller.service.service.stop_waiting()
    assert ok(await request)["task"] is None
