"""What a nemesis does to any service: kills, pauses, bad wires, wrong clocks, full disks, crowds.

Each fault undoes itself; it gives what is worth knowing of it, which becomes part of the history.
"""

import asyncio
import functools
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from tests.chaos import crowds, kill_points
from tests.chaos.accounts import WIDE
from tests.chaos.client import Client
from tests.chaos.crowds import TOOK_EFFECT
from tests.chaos.ground import SQLITE, STORES, Ground
from tests.chaos.making import LEASE_SECONDS_MAX
from tests.chaos.recorder import Tally, Way
from tests.chaos.replica import Replica
from tests.chaos.serving_short import clock_off, set_clock_off
from tests.chaos.wires import Mood

# Longer than the longest lease.
PAUSE_SECONDS: Final = 3.4
# What was sent so long before the signal was surely accepted.
ACCEPTED_SECONDS: Final = 0.6
# The sweep comes every five seconds.
POINT_SECONDS_MAX: Final = 8.0
WIRE_SECONDS: Final = 1.2
FULL_SECONDS: Final = 1.0
FULL_TIMES_MAX: Final = 5
# What the service answers while its database can do nothing.
REFUSED: Final = "server_error"
STORM_SECONDS: Final = 1.5
# Health must tell by the third missed interval of the job that ends leases (L7).
STUCK_SECONDS: Final = 17.5
STUCK_LOOKS: Final = 5
CLOCK_SECONDS: Final = 1.0
# A service that goes by its own clock must not be set off further than a schedule may lie behind.
STEP_SECONDS: Final = (-20.0, -3.0, 4.0, 25.0)
HOUR_SECONDS: Final = 3_600.0
# A clock that drifts takes so many small steps in that time.
DRIFTS: Final = 20
DRIFT_STEPS: Final = (-0.02, 0.05)

Details = dict[str, Any]


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """What faults are done to, and by which chance."""

    ground: Ground
    clients: list[Client]
    chance: random.Random
    tally: Tally

    @property
    def anyone(self) -> Replica:
        """Give some replica."""
        return self.chance.choice(self.ground.replicas)

    @property
    def crowd(self) -> list[Client]:
        """Give some clients, of several accounts."""
        return self.chance.sample(self.clients, min(4, len(self.clients)))

    @property
    def free(self) -> Client:
        """Give some client whose plan limits nothing."""
        return self.chance.choice(
            [one for one in self.clients if min(one.account.limits.values()) == WIDE]
        )


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the list of faults."""

    id: str
    name: str
    happen: Callable[[Field], Awaitable[Details]]
    stores: tuple[str, ...] = STORES
    # Takes too long to happen by chance: only where it is asked for.
    rare: bool = False


async def kill(field: Field) -> Details:
    """Kill a server and start it again as its supervisor would."""
    replica = field.anyone
    await replica.kill()
    return {"replica": replica.index, "restarted": await replica.start()}


async def kill_at(point: str, field: Field) -> Details:
    """Have a server end itself where it hurts most, and start it again."""
    replica = field.anyone
    reached = await replica.kill_at(point, POINT_SECONDS_MAX)
    restarted = await replica.start()
    return {"replica": replica.index, "restarted": restarted, TOOK_EFFECT: reached}


async def stop(field: Field) -> Details:
    """Ask a server to stop while some wait for its answers, and start it again."""
    replica = field.anyone
    way = Way(replica.port, replica.index)
    waiting = [asyncio.create_task(crowds.wait_in_vain(one, way)) for one in field.crowd]
    await asyncio.sleep(ACCEPTED_SECONDS)
    signalled = time.monotonic_ns()
    code = await replica.stop()
    stopped = time.monotonic_ns()
    await asyncio.gather(*waiting)
    await replica.start()
    return {
        "replica": replica.index,
        "signalled": signalled,
        "exit": code,
        "stopped": stopped,
        "waiting": len(waiting),
    }


async def pause(field: Field) -> Details:
    """Take the processor from a server for longer than any lease."""
    replica = field.anyone
    began = time.monotonic()
    replica.pause()
    await asyncio.sleep(PAUSE_SECONDS)
    replica.resume()
    seconds = round(time.monotonic() - began, 3)
    effect = seconds > LEASE_SECONDS_MAX
    return {"replica": replica.index, "seconds": seconds, TOOK_EFFECT: effect}


async def lose_answers(field: Field) -> Details:
    """Drop answers that were on their way."""
    return await _spoil(field, Mood.LOSES_ANSWERS)


async def bad_wire(field: Field) -> Details:
    """Slow, trickle, cut or reset what goes over the wires."""
    moods = [Mood.SLOW, Mood.TRICKLES, Mood.CUTS, Mood.RESETS, Mood.DROPS, Mood.HALF_CLOSES]
    return await _spoil(field, field.chance.choice(moods))


async def _spoil(field: Field, mood: Mood) -> Details:
    middlemen = [one.middleman for one in field.ground.replicas if one.middleman is not None]
    before = sum(one.disturbed for one in middlemen)
    for one in middlemen:
        one.mood = mood
    await asyncio.sleep(WIRE_SECONDS)
    field.ground.calm()
    pieces = sum(one.disturbed for one in middlemen) - before
    return {"mood": mood.value, "pieces": pieces, TOOK_EFFECT: pieces > 0}


async def fill_disk(field: Field) -> Details:
    """Leave no room on the disk of the database, until somebody was refused for it."""
    disk = field.ground.disk
    assert disk is not None
    filled = await asyncio.to_thread(disk.fill)
    before, refused = field.tally.codes[REFUSED], 0
    for _ in range(FULL_TIMES_MAX):
        await asyncio.sleep(FULL_SECONDS)
        refused = field.tally.codes[REFUSED] - before
        if refused:
            break
    disk.free()
    return {"bytes": filled, "refused": refused, TOOK_EFFECT: refused > 0}


async def step_clock(field: Field) -> Details:
    """Set the wall clock of one server off; where time is the database's, far off."""
    replica = field.anyone
    steps = STEP_SECONDS if field.ground.store == SQLITE else (-HOUR_SECONDS, HOUR_SECONDS)
    seconds = field.chance.choice(steps)
    set_clock_off(replica.clock, seconds)
    await asyncio.sleep(CLOCK_SECONDS)
    return {"replica": replica.index, "seconds": seconds}


async def drift_clock(field: Field) -> Details:
    """Let the wall clock of one server go too fast for a while, or too slowly."""
    replica = field.anyone
    off, each = clock_off(replica.clock), field.chance.choice(DRIFT_STEPS)
    for _ in range(DRIFTS):
        off += each
        set_clock_off(replica.clock, off)
        await asyncio.sleep(CLOCK_SECONDS / DRIFTS)
    return {"replica": replica.index, "seconds": off}


async def herd(field: Field) -> Details:
    """Let many leases end together while a crowd polls."""
    return await crowds.herd(field.free, field.crowd)


async def poison(field: Field) -> Details:
    """Send many broken and large bodies together."""
    return await crowds.poison(field.crowd)


async def storm(field: Field) -> Details:
    """Let every client repeat at once what fails, while a server is killed."""
    world = field.clients[0].world
    world.storm = True
    try:
        details = await kill(field)
        await asyncio.sleep(STORM_SECONDS)
    finally:
        world.storm = False
    return details


async def stuck_job(field: Field) -> Details:
    """Hold what the job that ends leases has to change, until its health must tell."""
    async with field.ground.locked():
        await asyncio.sleep(STUCK_SECONDS)
        for _ in range(STUCK_LOOKS):
            await crowds.look_at_health(field.clients[0])
    return {"job": "lease expiry", "seconds": STUCK_SECONDS}


async def zombies(field: Field) -> Details:
    """Let workers that lost their leases go on in a crowd."""
    return await crowds.zombies(field.crowd)


KINDS: Final = (
    Kind(id="F1", name="kill", happen=kill),
    *(
        Kind(id="F1", name=f"kill {point}", happen=functools.partial(kill_at, point))
        for point in kill_points.POINTS
    ),
    Kind(id="F1", name="sigterm", happen=stop),
    Kind(id="F2", name="pause", happen=pause),
    Kind(id="F3", name="lose answers", happen=lose_answers),
    Kind(id="F4", name="bad wire", happen=bad_wire),
    Kind(id="F11", name="full disk", happen=fill_disk, stores=(SQLITE,)),
    Kind(id="F14", name="clock step", happen=step_clock),
    Kind(id="F14", name="clock drift", happen=drift_clock),
    Kind(id="F19", name="herd", happen=herd),
    Kind(id="F20", name="poison", happen=poison),
    Kind(id="F21", name="retry storm", happen=storm),
    Kind(id="F24", name="zombies", happen=zombies),
    Kind(id="F16", name="stuck job", happen=stuck_job, rare=True),
)
