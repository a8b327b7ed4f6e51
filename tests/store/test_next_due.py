"""From when on a task of a type can be claimed, as who waits for one is told."""

from collections.abc import AsyncIterator

import pytest

from orchestrion.core.ids import AccountId
from orchestrion.core.instants import SECOND, Instant
from orchestrion.core.limits import LOOK_LEASES_MAX
from orchestrion.core.task import Status, Task
from tests.clocks import START
from tests.databases import Backend, Database, add_accounts, add_tasks
from tests.factories import ACCOUNT, ACCOUNT_ID, OTHER_ACCOUNT_ID, a_task, a_task_id, an_account

REPORT = (ACCOUNT_ID, "report")


@pytest.fixture
async def backend(database: Database) -> AsyncIterator[Backend]:
    add_accounts(database, ACCOUNT, an_account(id=OTHER_ACCOUNT_ID))
    opened = await database.open()
    yield opened
    await opened.close()


def after(seconds: float) -> Instant:
    return Instant(START + int(seconds * SECOND))


def pending(number: int, seconds: float, **changes: object) -> Task:
    at = after(seconds)
    return a_task(Status.PENDING, id=a_task_id(number), scheduled_at=at, **changes)


def leased(number: int, seconds: float, **changes: object) -> Task:
    return a_task(Status.CLAIMED, id=a_task_id(number), lease_expires_at=after(seconds), **changes)


async def test_the_first_to_come_is_named_whatever_its_priority(
    database: Database, backend: Backend
) -> None:
    add_tasks(
        database,
        [pending(1, 60), pending(2, 20, priority=3), pending(3, 40, priority=100)],
    )

    assert await backend.reader.next_due([REPORT]) == {REPORT: after(20)}


async def test_what_can_be_claimed_already_is_named_by_when_it_could_be_first(
    database: Database, backend: Backend
) -> None:
    task = a_task(id=a_task_id(1))
    add_tasks(database, [task, pending(2, 20)])

    assert await backend.reader.next_due([REPORT]) == {REPORT: task.created_at}


async def test_a_lease_that_is_about_to_end_counts_like_a_schedule(
    database: Database, backend: Backend
) -> None:
    add_tasks(database, [pending(1, 20), leased(2, 4), leased(3, 7, type="mail"), leased(4, 30)])

    found = await backend.reader.next_due([REPORT, (ACCOUNT_ID, "mail"), (ACCOUNT_ID, "fax")])

    assert found == {REPORT: after(4), (ACCOUNT_ID, "mail"): after(7)}


async def test_a_lease_that_has_ended_counts_as_well(database: Database, backend: Backend) -> None:
    add_tasks(database, [leased(1, -5)])

    assert await backend.reader.next_due([REPORT]) == {REPORT: after(-5)}


async def test_of_many_leases_the_first_to_end_are_looked_at(
    database: Database, backend: Backend
) -> None:
    others = [leased(number, 1, type="mail") for number in range(LOOK_LEASES_MAX)]
    add_tasks(database, [*others, leased(LOOK_LEASES_MAX, 2)])

    assert await backend.reader.next_due([REPORT]) == {}


async def test_each_account_has_its_own(database: Database, backend: Backend) -> None:
    other = (AccountId(OTHER_ACCOUNT_ID), "report")
    add_tasks(
        database,
        [
            pending(1, 20),
            pending(2, 10, account_id=OTHER_ACCOUNT_ID),
            leased(3, 5, account_id=OTHER_ACCOUNT_ID),
        ],
    )

    assert await backend.reader.next_due([REPORT, other]) == {REPORT: after(20), other: after(5)}
    assert await backend.reader.next_due([other]) == {other: after(5)}


async def test_what_has_ended_and_what_is_unknown_is_not_named(
    database: Database, backend: Backend
) -> None:
    add_tasks(database, [a_task(Status.COMPLETED), a_task(Status.CANCELLED, id=a_task_id(2))])

    assert await backend.reader.next_due([REPORT]) == {}
    assert await backend.reader.next_due([]) == {}
