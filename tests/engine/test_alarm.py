"""One timer for many: it rings for whoever wants it first, and once."""

import asyncio

from orchestrion.engine.alarm import Alarm

PATIENCE_SECONDS = 20


async def test_it_rings_as_soon_as_the_most_impatient_wants() -> None:
    rung = asyncio.Event()
    alarm = Alarm(rung.set)

    for seconds in (3_600, 0.001, 1_800):
        alarm.within(seconds)

    async with asyncio.timeout(PATIENCE_SECONDS):
        await rung.wait()
    rung.clear()
    alarm.within(0)
    async with asyncio.timeout(PATIENCE_SECONDS):
        await rung.wait()


async def test_a_cancelled_alarm_does_not_ring() -> None:
    rung: list[str] = []
    alarm, other = Alarm(lambda: rung.append("cancelled")), asyncio.Event()
    alarm.cancel()
    alarm.within(0)
    alarm.cancel()

    asyncio.get_running_loop().call_later(0.01, other.set)
    await other.wait()

    assert rung == []
