"""However a writer divides its work, each account gets what it would get from the plainest one."""

import asyncio
from collections.abc import Iterator
from random import Random

import msgspec
import pytest

from orchestrion.core.commands import Command
from orchestrion.core.ids import AccountId
from orchestrion.engine.overload import QueueLimits
from tests.engine.engines import Engine
from tests.engine.lanes import Lanes, lanes, register
from tests.factories import a_task_id
from tests.unit import asks

ACCOUNTS = 4
WAVES = 6
TASKS = 12


def some_work(random: Random) -> list[tuple[int, Command]]:
    """Draw commands of several accounts, each with the number of its account."""
    return [(random.randrange(ACCOUNTS), a_command(random)) for _ in range(random.randrange(80))]


def a_command(random: Random) -> Command:
    number = random.randrange(TASKS)
    task_id, token = a_task_id(number), asks.a_token(random.randrange(3))
    kind = random.choice(["report", "mail"])
    key = random.choice([None, "k1", "k2"])
    drawn: list[Command] = [
        asks.create(
            random.randrange(10**9),
            type=kind,
            priority=random.choice([0, 5]),
            max_attempts=random.choice([1, 3]),
            idempotency_key=key,
            request_digest=random.choice([b"1", b"2"]),
        ),
        asks.claim_next(random.randrange(3), types=(kind,)),
        asks.claim_next(random.randrange(3), types=(kind,)),
        asks.claim_task(task_id, random.randrange(3)),
        asks.complete(task_id, token),
        asks.fail(task_id, token),
        asks.heartbeat(task_id, token),
        asks.cancel(task_id),
        asks.requeue(task_id),
    ]
    return random.choice(drawn)


class Writers:
    """A plain writer and another on one database, each with its own set of accounts."""

    def __init__(self, plain: Lanes, divided: Lanes) -> None:
        self._plain = plain
        self._divided = divided

    async def start(self) -> None:
        """Give each account a few tasks."""
        firsts: list[tuple[int, Command]] = [
            (account, asks.create(number, priority=number % 2))
            for account in range(ACCOUNTS)
            for number in range(TASKS)
        ]
        for name, writer in self._each():
            await writer.together(register(account_id(name, one)) for one in range(ACCOUNTS))
        await self.compare(firsts)

    async def compare(self, work: list[tuple[int, Command]]) -> None:
        """Have both do the same at once, and compare what each caller got."""
        plain, divided = [
            [
                told.replace(account_id(name, one), "account")
                for (one, _), told in zip(work, await texts(writer, name, work), strict=True)
            ]
            for name, writer in self._each()
        ]
        assert divided == plain

    def _each(self) -> Iterator[tuple[str, Lanes]]:
        yield "plain", self._plain
        yield "divided", self._divided


def account_id(name: str, number: int) -> AccountId:
    return AccountId(f"acct_{name}_{number}")


async def texts(writer: Lanes, name: str, work: list[tuple[int, Command]]) -> list[str]:
    commands = [
        msgspec.structs.replace(command, account_id=account_id(name, one)) for one, command in work
    ]
    outcomes = await writer.together(commands)
    return [type(outcome).__name__ + msgspec.json.encode(outcome).decode() for outcome in outcomes]


@pytest.mark.parametrize("lane_count", [1, 3])
@pytest.mark.parametrize("batch_max", [1, 3, 256])
@pytest.mark.parametrize("seed", range(3))
async def test_batches_of_one_account_come_to_the_same(
    engine: Engine, lane_count: int, batch_max: int, seed: int
) -> None:
    random = Random(f"{lane_count} {batch_max} {seed}")
    queue = QueueLimits(batch_max=batch_max)
    async with (
        lanes(engine, one_account=False, lanes=1) as plain,
        lanes(engine, one_account=True, lanes=lane_count, queue=queue) as divided,
    ):
        writers = Writers(plain, divided)
        await writers.start()
        for _ in range(WAVES):
            await writers.compare(some_work(random))
            engine.clock.advance(random.choice([0, 1, 301]))


async def test_nobody_starves_beside_accounts_that_never_rest(engine: Engine) -> None:
    greedy = [account_id("greedy", number) for number in range(2)]
    modest = account_id("modest", 0)
    queue = QueueLimits(batch_max=4)
    async with lanes(engine, one_account=True, lanes=2, queue=queue) as two:
        await two.together(map(register, [*greedy, modest]))

        async def never_rest(owner: AccountId, caller: int) -> None:
            for number in range(20):
                await two.writer.submit(asks.create(caller * 100 + number, account_id=owner))

        crowd = [
            asyncio.create_task(never_rest(owner, caller))
            for owner in greedy
            for caller in range(20)
        ]
        for number in range(10):
            await asyncio.sleep(0)
            before = len(two.store.batches)
            await two.writer.submit(asks.create(number, account_id=modest))
            # Those whose turn it is already, and one more turn of each that is before it.
            assert len(two.store.batches) - before <= 2 * len(greedy) + 1
        assert not all(one.done() for one in crowd)
        await asyncio.gather(*crowd)
