"""A client of one account: asks by the ways there are, and learns from what it is answered."""

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from tests.chaos.asking import Account, Ask
from tests.chaos.history import Operation
from tests.chaos.recorder import FAIL, INFO, OK, Recorder, Way

# How long to leave a service alone that takes no connections, or refuses for good.
DOWN_SECONDS: Final = 0.05
USED_UP_SECONDS: Final = 0.4
# How often a client in a storm repeats at once what was not answered or was refused for now.
STORM_REPEATS: Final = 5
REMEMBERED_MAX: Final = 200
_USED_UP: Final = frozenset({402, 429})
_PASSING: Final = frozenset({429, 503})

Json = dict[str, Any]


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """A lease that a claim brought; `until` by our clock, if nothing renews it."""

    task: str
    token: str
    seconds: int
    until: float

    @property
    def over(self) -> bool:
        """Whether it should have run out."""
        return time.monotonic() > self.until


class Asked(msgspec.Struct, frozen=True):
    """A request and the number under which it was recorded."""

    ask: Ask
    number: int

    def again(self) -> Ask:
        """Give the same request as a repeat."""
        return msgspec.structs.replace(self.ask, repeats=self.number)


class World:
    """What all clients of a campaign go by."""

    def __init__(self, ways: Callable[[], Sequence[Way]], types: Sequence[str]) -> None:
        self.ways = ways
        self.types = types
        # What accounts were told of their own, by account, for those who are not meant to have it.
        self.leaked: deque[tuple[str, str, str | None]] = deque(maxlen=REMEMBERED_MAX)
        self.over = False
        self.storm = False


class Known:
    """What the clients of one account know together."""

    def __init__(self) -> None:
        self.tasks: deque[str] = deque(maxlen=REMEMBERED_MAX)
        self.dead_letters: deque[str] = deque(maxlen=REMEMBERED_MAX)
        self.old: deque[Held] = deque(maxlen=REMEMBERED_MAX)
        self.granted: deque[Asked] = deque(maxlen=REMEMBERED_MAX)
        self.doubtful: deque[Asked] = deque(maxlen=REMEMBERED_MAX)


class Client:
    """One client; `held` are the leases it works under, `late` those it means to overrun."""

    def __init__(
        self, recorder: Recorder, known: Known, world: World, chance: random.Random
    ) -> None:
        self.recorder = recorder
        self.twin = recorder.another()
        self.known = known
        self.world = world
        self.chance = chance
        self.held: list[Held] = []
        self.late: deque[Held] = deque()
        self.cursor: str | None = None

    @property
    def account(self) -> Account:
        """Whose client it is."""
        return self.recorder.account

    async def ask(self, asked: Ask) -> Operation | None:
        """Ask by some way, and learn; in a storm repeat at once."""
        operation = await self._once(asked)
        for _ in range(STORM_REPEATS):
            if operation is None or not self.world.storm or not unsettled(operation):
                break
            operation = await self._once(Asked(asked, operation.number).again())
        if operation is None:
            await asyncio.sleep(DOWN_SECONDS)
        elif operation.outcome == FAIL and operation.status in _USED_UP:
            await asyncio.sleep(USED_UP_SECONDS)
        return operation

    async def ask_twice_at_once(self, asked: Ask) -> None:
        """Ask the same from two connections, perhaps of two replicas."""
        await asyncio.gather(self._once(asked), self._once(asked, self.twin))

    async def _once(self, asked: Ask, recorder: Recorder | None = None) -> Operation | None:
        way = self.chance.choice(self.world.ways())
        operation = await (recorder or self.recorder).ask(asked, way)
        if operation is not None:
            self._learn(asked, operation)
        return operation

    def _learn(self, asked: Ask, operation: Operation) -> None:
        remembered = Asked(asked, operation.number)
        if asked.repeatable and operation.outcome != FAIL:
            (self.known.doubtful if operation.outcome == INFO else self.known.granted).append(
                remembered
            )
        if operation.outcome != OK or operation.body is None:
            return
        for task, token in claimed(operation.body):
            self._hold(task, token)
        if asked.name == "create":
            self.known.tasks.append(operation.body["id"])
            self.world.leaked.append((self.account.name, operation.body["id"], None))
        elif operation.body.get("status") == "dead_letter":
            self.known.dead_letters.append(operation.body["id"])
        elif asked.name == "heartbeat":
            self._hold(operation.body, str(asked.lease_token))

    def _hold(self, task: Json, token: str) -> None:
        seconds = task["leaseDurationSeconds"]
        self.world.leaked.append((self.account.name, task["id"], token))
        self.held[:] = [one for one in self.held if one.token != token]
        self.held.append(
            Held(task=task["id"], token=token, seconds=seconds, until=time.monotonic() + seconds)
        )

    def close(self) -> None:
        """Let all connections go."""
        self.recorder.close()
        self.twin.close()

    def drop(self, lease: Held) -> None:
        """Work under a lease no longer; what is left of it may be misused."""
        if lease in self.held:
            self.held.remove(lease)
        self.known.old.append(lease)


def unsettled(operation: Operation) -> bool:
    """Tell whether asking the same again makes sense to somebody in a hurry."""
    return operation.outcome == INFO or operation.status in _PASSING


def claimed(body: Json) -> list[tuple[Json, str]]:
    """Give the tasks that an answer hands out, with their tokens."""
    found = [(one["task"], one["lease_token"]) for one in body.get("tasks") or ()]
    if not found and body.get("task"):
        found = [(body["task"], body["lease_token"])]
    if body.get("next_task"):
        found.append((body["next_task"], body["next_lease_token"]))
    return found
