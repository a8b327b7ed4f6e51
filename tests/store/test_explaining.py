"""What explanations read: the state of a type, whatever else the account has."""

from itertools import product

import pytest

from orchestrion.core.asking import Asks
from orchestrion.core.commands import NoteAsks
from orchestrion.core.emptiness import Leased, TypeLeases, TypeState
from orchestrion.core.instants import SECOND, Instant
from orchestrion.core.limits import COUNTED_MAX
from orchestrion.core.quota import Leases
from orchestrion.core.task import Status
from tests.databases import add_accounts, add_tasks
from tests.engine.engines import Engine
from tests.factories import ACCOUNT_ID, NOW, OTHER_ACCOUNT_ID, a_task, a_task_id, an_account

KEY = (ACCOUNT_ID, "report")


def in_seconds(engine: Engine, seconds: float) -> Instant:
    return Instant(engine.clock.now() + round(seconds * SECOND))


async def test_of_a_type_without_tasks_nothing_is_known(engine: Engine) -> None:
    add_accounts(engine.database, an_account(id=OTHER_ACCOUNT_ID))
    add_tasks(
        engine.database,
        [a_task(type="Report"), a_task(id=a_task_id(2), account_id=OTHER_ACCOUNT_ID)],
    )

    assert await engine.reader.type_state(KEY) == TypeState(
        type="report",
        now=engine.clock.now(),
        known=False,
        due=0,
        scheduled=0,
        next_due_at=None,
    )
    assert await engine.reader.type_leases(ACCOUNT_ID, ["report"]) == TypeLeases(
        leased=(), read=0, last_end=None
    )


@pytest.mark.parametrize("status", sorted({*Status} - {Status.PENDING}))
async def test_a_type_is_known_by_what_does_not_wait(status: Status, engine: Engine) -> None:
    add_tasks(engine.database, [a_task(status)])

    state = await engine.reader.type_state(KEY)

    assert (state.known, state.due, state.scheduled) == (True, 0, 0)


async def test_what_waits_is_counted_at_every_priority(engine: Engine) -> None:
    due = [(100, -5), (100, 0), (50, -1), (0, 0)]
    later = [(100, 90), (100, 60), (7, 30.001), (0, 3_600)]
    add_tasks(
        engine.database,
        [
            a_task(
                id=a_task_id(n),
                priority=priority,
                scheduled_at=in_seconds(engine, seconds),
                # Every other one came back to the queue.
                updated_at=Instant(NOW + n % 2),
                created_at=NOW,
            )
            for n, (priority, seconds) in enumerate([*due, *later])
        ],
    )

    mixed = await engine.reader.type_state(KEY)
    engine.clock.advance(-5.001)
    early = await engine.reader.type_state(KEY)

    assert (mixed.known, mixed.due, mixed.scheduled) == (True, len(due), len(later))
    assert (early.due, early.scheduled) == (0, len(due) + len(later))
    assert mixed.next_due_at == early.next_due_at == in_seconds(engine, 0.001)


async def test_leases_of_the_types_are_read_among_those_of_the_account(engine: Engine) -> None:
    *ends, latest = [in_seconds(engine, seconds) for seconds in (90, 30, -1, 91)]
    add_tasks(
        engine.database,
        [
            a_task(Status.CLAIMED, id=a_task_id(n), lease_expires_at=end, cancel_requested_at=end)
            for n, end in enumerate(ends)
        ]
        + [
            a_task(Status.CLAIMED, id=a_task_id(9), type="mail", lease_expires_at=latest),
            a_task(Status.CLAIMED, id=a_task_id(8), type="fax", lease_expires_at=ends[0]),
        ],
    )

    one = await engine.reader.type_leases(ACCOUNT_ID, ["report"])
    two = await engine.reader.type_leases(ACCOUNT_ID, ["report", "mail"])

    assert sorted(one.leased, key=lambda one: one.lease_expires_at) == [
        Leased(end, 1, 3, end) for end in sorted(ends)
    ]
    assert (one.read, one.last_end) == (two.read, two.last_end) == (5, latest)
    assert len(two.leased) == 4


async def test_counting_stops_at_a_bound(engine: Engine) -> None:
    crowd = COUNTED_MAX + 5
    later = in_seconds(engine, 60)
    now = engine.clock.now()
    add_tasks(
        engine.database,
        [a_task(id=a_task_id(n), priority=n % 3, created_at=now) for n in range(crowd)]
        + [a_task(id=a_task_id(crowd + n), priority=9, scheduled_at=later) for n in range(crowd)]
        + [
            a_task(Status.CLAIMED, id=a_task_id(4 * crowd + n), type="mail", lease_expires_at=later)
            for n in range(crowd)
        ],
    )

    state = await engine.reader.type_state(KEY)
    leases = await engine.reader.type_leases(ACCOUNT_ID, ["report"])

    assert COUNTED_MAX < state.due + state.scheduled <= 2 * (COUNTED_MAX + 1)
    assert state.next_due_at == engine.clock.now()
    assert leases == TypeLeases(leased=(), read=COUNTED_MAX + 1, last_end=later)


async def test_types_are_named_by_their_bytes_up_to_a_limit(engine: Engine) -> None:
    add_accounts(engine.database, an_account(id=OTHER_ACCOUNT_ID))
    names = ["a-b", "A", "ab", "a_b", "Z", "0"]
    add_tasks(
        engine.database,
        [a_task(id=a_task_id(n), type=name) for n, name in enumerate(names * 3)]
        + [a_task(id=a_task_id(99), type="zz", account_id=OTHER_ACCOUNT_ID)],
    )

    assert await engine.reader.types(ACCOUNT_ID, 100) == sorted(names)
    assert await engine.reader.types(ACCOUNT_ID, 2) == sorted(names)[:2]


# --- places in line, leases and asks


async def test_what_is_ahead_is_counted_as_claims_would_take_it(engine: Engine) -> None:
    now = engine.clock.now()
    tasks = [
        a_task(
            id=a_task_id(n),
            priority=priority,
            scheduled_at=Instant(now + at),
            updated_at=Instant(NOW + returned),
            created_at=NOW,
        )
        for n, (priority, at, returned) in enumerate(product((0, 3, 100), (-1, 0, 1), (0, 1)))
    ]
    add_tasks(engine.database, tasks)
    due = sorted((one for one in tasks if one.due(now)), key=lambda task: task.claim_order)

    counted = [await engine.reader.ahead(task, 100) for task in due]

    assert counted == list(range(len(due)))
    assert await engine.reader.ahead(due[-1], 4) == 4


async def test_live_leases_are_counted_with_the_first_end(engine: Engine) -> None:
    ends = [in_seconds(engine, seconds) for seconds in (-1, 0, 30, 90)]
    add_tasks(
        engine.database,
        [
            a_task(Status.CLAIMED, id=a_task_id(n), type=f"t{n}", lease_expires_at=end)
            for n, end in enumerate(ends)
        ],
    )

    assert await engine.reader.leases(ACCOUNT_ID, 10) == Leases(live=2, first_end=ends[2])
    assert await engine.reader.leases(OTHER_ACCOUNT_ID, 10) == Leases(live=0, first_end=None)


async def test_asks_of_several_processes_become_one_row(engine: Engine) -> None:
    def note(**at: int) -> NoteAsks:
        asks = Asks(account_id=ACCOUNT_ID, at={name: Instant(one) for name, one in at.items()})
        return NoteAsks(account_id=ACCOUNT_ID, asks=asks)

    assert await engine.reader.asks(ACCOUNT_ID) is None
    await engine.together([note(report=5)])
    await engine.together([note(report=3, mail=4), note(report=2**53 + 1)])

    kept = await engine.reader.asks(ACCOUNT_ID)

    assert kept == Asks(
        account_id=ACCOUNT_ID, at={"report": Instant(2**53 + 1), "mail": Instant(4)}
    )
