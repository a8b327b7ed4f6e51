"""What every database keeps of purchases: each value, each capture once, and what is due."""

import asyncio
from decimal import Decimal
from random import Random

import pytest
from msgspec.structs import replace

from orchestrion.core import instants
from orchestrion.core.account import Account
from orchestrion.core.commands import Command
from orchestrion.core.faults import Poison
from orchestrion.core.instants import DAY, Instant
from orchestrion.core.limits import CHECKOUT_LAST_LOOKS_SECONDS
from orchestrion.core.outcomes import PurchaseOutcome, Rejection
from orchestrion.core.purchase import FIRST_UNSETTLED, Purchase, Stage, Unsettled
from orchestrion.core.purchase_commands import OpenPurchase
from tests.databases import Database, add_accounts, add_purchases
from tests.engine.engines import Engine, EngineOptions, running_engine
from tests.factories import (
    ACCOUNT,
    ACCOUNT_ID,
    NOW,
    OTHER_ACCOUNT_ID,
    SMALL,
    a_purchase,
    a_purchase_id,
    an_account,
    expect,
)
from tests.unit.buying import (
    FIRST,
    SECOND,
    begins,
    confirms,
    expires,
    fails,
    gives_up,
    opens,
    records,
    sets,
    undoes,
    voids,
)
from tests.unit.world import World

OTHER = an_account(id=OTHER_ACCOUNT_ID)
SELLING = EngineOptions(catalogue=SMALL)


def everything(database: Database) -> list[tuple[object, ...]]:
    fields = ", ".join((*Purchase.__struct_fields__, "settle_at"))
    return sorted(database.fetch(f"select {fields} from purchases"), key=repr)


# --- rows


@pytest.mark.parametrize("stage", Stage)
async def test_a_purchase_comes_back_as_it_was(stage: Stage, engine: Engine) -> None:
    purchase = a_purchase(stage, price_usd=Decimal("1234567.10"), captures=2**31 - 1)
    add_purchases(engine.database, purchase)

    read = await engine.reader.purchase(ACCOUNT_ID, purchase.id)

    assert read == purchase
    assert str(expect(Purchase, read).price_usd) == "1234567.10"
    ((settle_at,),) = engine.database.fetch("select settle_at from purchases")
    assert settle_at == purchase.settle_at


async def test_a_purchase_is_read_by_its_own_account_alone(engine: Engine) -> None:
    add_accounts(engine.database, OTHER)
    purchase = a_purchase()
    add_purchases(engine.database, purchase)
    order_id = purchase.order_id
    assert order_id is not None

    assert await engine.reader.purchase(OTHER_ACCOUNT_ID, purchase.id) is None
    assert await engine.reader.newest_purchase(OTHER_ACCOUNT_ID) is None
    assert await engine.reader.purchase_of_order(order_id) == purchase
    assert await engine.reader.purchase_of_order("another") is None


async def test_the_newest_purchase_goes_by_time_and_not_by_id(engine: Engine) -> None:
    add_purchases(
        engine.database,
        a_purchase(Stage.STARTED, id=a_purchase_id(9), created_at=NOW),
        a_purchase(Stage.STARTED, id=a_purchase_id(3), created_at=Instant(NOW + 1)),
    )

    newest = await engine.reader.newest_purchase(ACCOUNT_ID)

    assert expect(Purchase, newest).id == a_purchase_id(3)


async def test_what_is_due_is_read_in_order_and_page_by_page(database: Database) -> None:
    now = database.clock.now()
    add_accounts(database, ACCOUNT)
    last_looks = CHECKOUT_LAST_LOOKS_SECONDS * instants.SECOND
    due = [
        a_purchase(
            id=a_purchase_id(number),
            order_id=f"O-{number}",
            created_at=Instant(now - 10_000 - number),
            expires_at=Instant(now + last_looks - number // 2),
        )
        for number in range(7)
    ]
    later_on = Instant(now + last_looks + 1)
    idle = [
        a_purchase(id=a_purchase_id(50), order_id="a", created_at=now, expires_at=later_on),
        a_purchase(Stage.EXPIRED, id=a_purchase_id(51), order_id="b", created_at=Instant(now + 1)),
    ]
    add_purchases(database, *due, *idle)

    async with running_engine(database) as engine:
        read: list[Purchase] = []
        after = FIRST_UNSETTLED
        while found := await engine.reader.unsettled_purchases(after, 3):
            read += found
            last = found[-1]
            assert last.settle_at is not None
            after = Unsettled(settle_at=last.settle_at, id=last.id)

    assert read == sorted(due, key=lambda one: (one.settle_at, one.id))


# --- once


async def test_one_order_and_one_capture_belong_to_one_purchase(database: Database) -> None:
    """Whatever is wrong elsewhere, the same money never pays twice."""
    add_accounts(database, ACCOUNT, OTHER)
    mine = a_purchase(order_id="O-1")
    theirs = a_purchase(account_id=OTHER_ACCOUNT_ID, id=SECOND, order_id="O-2")
    add_purchases(database, mine, theirs)
    async with running_engine(database, SELLING) as engine:
        (first,) = await engine.together([confirms()])
        (second,) = await engine.faults([confirms(SECOND, account_id=OTHER_ACCOUNT_ID)])
        accounts = [await engine.reader.account(one) for one in (ACCOUNT_ID, OTHER_ACCOUNT_ID)]

    assert expect(PurchaseOutcome, first).activated
    assert isinstance(second, Poison)
    assert [expect(Account, one).plan for one in accounts] == ["pro", "free"]


async def test_a_plan_and_its_purchase_change_in_one_transaction(database: Database) -> None:
    add_accounts(database, ACCOUNT)
    add_purchases(database, a_purchase())
    async with running_engine(database, SELLING) as engine:
        before = engine.store.commits
        await engine.together([confirms()])
        account = expect(Account, await engine.reader.account(ACCOUNT_ID))
        purchase = expect(Purchase, await engine.reader.purchase(ACCOUNT_ID, FIRST))
        now = engine.clock.now()

        assert engine.store.commits - before == 1
    assert (account.plan, account.plan_expires_at) == ("pro", now + 30 * DAY)
    assert (purchase.stage, purchase.capture_id) == (Stage.CONFIRMED, "3C67")


async def test_a_hundred_confirmations_at_once_activate_once(database: Database) -> None:
    add_accounts(database, ACCOUNT)
    add_purchases(database, a_purchase())
    async with running_engine(database, SELLING) as engine:
        outcomes = await engine.together(confirms() for _ in range(100))
        account = expect(Account, await engine.reader.account(ACCOUNT_ID))
        now = engine.clock.now()

    assert [expect(PurchaseOutcome, one).activated for one in outcomes].count(True) == 1
    assert account.plan_expires_at == now + 30 * DAY


async def test_of_many_checkouts_at_once_one_is_opened(database: Database) -> None:
    add_accounts(database, ACCOUNT)
    async with running_engine(database, SELLING) as engine:
        outcomes = await engine.together(opens(a_purchase_id(number)) for number in range(30))

    opened = [one for one in outcomes if isinstance(one, PurchaseOutcome)]
    assert len(opened) == len(everything(database)) == 1
    assert all(expect(Rejection, one).status == 503 for one in outcomes if one not in opened)


# --- the same everywhere


def a_command(random: Random) -> Command:
    """Draw a step of one of few purchases of few accounts, so that they meet."""
    account_id = random.choice([ACCOUNT_ID, OTHER_ACCOUNT_ID])
    purchase_id = a_purchase_id(random.randrange(6))
    capture = random.randrange(1, 3)
    commands: list[Command] = [
        opens(purchase_id, "pro", account_id),
        records(purchase_id, account_id),
        records(purchase_id, account_id),
        begins(purchase_id, capture, account_id),
        undoes(purchase_id, capture, account_id),
        fails(purchase_id, capture, account_id),
        confirms(purchase_id, f"C-{account_id}-{purchase_id}", account_id),
        expires(purchase_id, account_id),
        gives_up(purchase_id, account_id),
        voids(purchase_id, account_id),
        sets("pro", Instant(NOW + DAY), account_id),
    ]
    return random.choice(commands)


def a_history(random: Random) -> list[Command]:
    """Draw commands of which none opens a purchase that was there before."""
    commands: list[Command] = []
    opened = set()
    while len(commands) < 120:
        command = a_command(random)
        if isinstance(command, OpenPurchase):
            key = (command.account_id, command.purchase_id)
            if key in opened:
                continue
            opened.add(key)
        commands.append(command)
    return commands


@pytest.mark.parametrize("seed", range(4))
async def test_every_database_decides_as_the_core_does(seed: int, database: Database) -> None:
    random = Random(seed)
    database.clock.set(NOW)
    add_accounts(database, ACCOUNT, OTHER)
    world = World(accounts=[ACCOUNT, OTHER], catalogue=SMALL)
    async with running_engine(database, SELLING) as engine:
        for command in a_history(random):
            assert await engine.together([command]) == world.submit(command)
            seconds = random.choice([0, 0, 1, 30, 60, 3 * 3_600])
            world.wait(seconds)
            database.clock.set(world.now)
        accounts = [await engine.reader.account(one.id) for one in (ACCOUNT, OTHER)]

    assert accounts == list(world.accounts.values())
    assert everything(database) == sorted(
        (
            (*kept[:3], str(kept[3]), kept[4].value, *kept[5:], purchase.settle_at)
            for purchase in world.purchases.values()
            for kept in [tuple(getattr(purchase, one) for one in Purchase.__struct_fields__)]
        ),
        key=repr,
    )
    stages = {purchase.stage for purchase in world.purchases.values()}
    assert len(stages) >= 2


async def test_a_batch_of_several_accounts_loads_each_ones_purchases(database: Database) -> None:
    add_accounts(database, ACCOUNT, OTHER)
    mine = a_purchase()
    theirs = replace(mine, account_id=OTHER_ACCOUNT_ID, id=SECOND, order_id="O-2")
    add_purchases(database, mine, theirs)
    async with running_engine(database, SELLING) as engine:
        outcomes = await asyncio.gather(
            engine.writer.submit(begins(FIRST, 1, ACCOUNT_ID)),
            engine.writer.submit(begins(SECOND, 1, OTHER_ACCOUNT_ID)),
            engine.writer.submit(begins(SECOND, 1, ACCOUNT_ID)),
        )
        now = engine.clock.now()

    assert [expect(PurchaseOutcome, one).purchase.capture_begun_at for one in outcomes[:2]] == [
        now,
        now,
    ]
    assert expect(Rejection, outcomes[2]).status == 404
