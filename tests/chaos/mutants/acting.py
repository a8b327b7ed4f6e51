"""The clients of a scene, in the words of a worker; every request is recorded."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

import msgspec

from tests.chaos.asking import Ask
from tests.chaos.history import Operation
from tests.chaos.recorder import OK, Recorder, Way
from tests.chaos.replica import Replica

PATIENCE_SECONDS: Final = 20.0
PAUSE_SECONDS: Final = 0.03
TYPE: Final = "work"
LEASE_SECONDS: Final = 30

Json = dict[str, Any]
T = TypeVar("T")


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """A lease as its worker knows it."""

    task: str
    token: str


class Actor:
    """One client of one replica, which asks one thing after the other."""

    def __init__(self, recorder: Recorder, replica: Replica, chance: random.Random) -> None:
        self._recorder = recorder
        self._way = Way(replica.port, replica.index)
        self._chance = chance

    async def ask(
        self, name: str, task: str | None = None, sent: Json | None = None, key: str | None = None
    ) -> Operation | None:
        """Ask for anything; None if the server is not there."""
        asked = Ask(name=name, task=task, sent=sent, key=key)
        return await self._recorder.ask(asked, self._way)

    def leave(self) -> None:
        """Ask nothing any more."""
        self._recorder.close()

    async def create(
        self, lease_seconds: int = LEASE_SECONDS, *, key: str | None = None, **fields: object
    ) -> str | None:
        """Create a task; gives its id."""
        payload = {"canary": self._chance.randrange(2**32)}
        more = {"type": TYPE, "payload": payload, "leaseDurationSeconds": lease_seconds}
        return _of(await self.ask("create", sent=more | fields, key=key), "id")

    async def claim(self, task: str | None = None) -> Held | None:
        """Claim the next task, or one by its id."""
        if task is None:
            answered = await self.ask("claim", sent={"type": TYPE})
        else:
            answered = await self.ask("claim_task", task)
        if answered is None or answered.outcome != OK or answered.body is None:
            return None
        found = answered.body["task"]
        return found and Held(task=found["id"], token=answered.body["lease_token"])

    async def use(self, verb: str, held: Held, **fields: object) -> bool:
        """Use a lease: heartbeat, complete, fail; tells whether that was granted."""
        answered = await self.ask(verb, held.task, {"lease_token": held.token, **fields})
        return answered is not None and answered.outcome == OK

    async def complete_and_claim(self, held: Held) -> Held | None:
        """Complete, and claim the next task in the same request."""
        sent = {"lease_token": held.token, "claim_next": {"type": TYPE}}
        answered = await self.ask("complete", held.task, sent)
        body = {} if answered is None or answered.body is None else answered.body
        found = body.get("next_task")
        return found and Held(task=found["id"], token=body["next_lease_token"])

    async def get(self, task: str) -> Json | None:
        """Read a task."""
        answered = await self.ask("get", task)
        return answered.body if answered is not None and answered.outcome == OK else None

    async def claim_soon(self, task: str | None = None) -> Held:
        """Claim once there is something to claim, such as after the end of a lease."""
        return await soon(lambda: self.claim(task))


async def soon(ask: Callable[[], Awaitable[T | None]]) -> T:
    """Ask until there is an answer."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (answer := await ask()):
        assert time.monotonic() < deadline, "it never came"
        await asyncio.sleep(PAUSE_SECONDS)
    return answer


def _of(answered: Operation | None, name: str) -> str | None:
    if answered is None or answered.outcome != OK or answered.body is None:
        return None
    return str(answered.body[name])
