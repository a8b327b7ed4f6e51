"""What goes into a database comes out of it to the byte, by every way there is."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from orchestrion.core.account import RequestCount
from orchestrion.core.commands import CountRequests
from orchestrion.core.ids import KeyId
from orchestrion.core.instants import HOUR, Instant
from orchestrion.core.lease import Completion, Failure
from orchestrion.core.limits import DOCUMENT_BYTES_MAX
from orchestrion.core.listing import PageQuery
from orchestrion.core.outcomes import Changed, Held, Replayed
from orchestrion.core.plans import Catalogue
from orchestrion.core.task import Status
from tests.databases import KINDS, Database, Databases, add_accounts, add_tasks
from tests.engine.engines import Engine, EngineOptions, running_engine
from tests.factories import ACCOUNT_ID, a_plan, a_task, a_task_id, an_account, expect
from tests.unit import asks

LARGEST = 2**63 - 1
DOCUMENTS = {
    "integers beyond 64 bits": '{"a":123456789012345678901234567890,"b":-9223372036854775809}',
    "an integer of 4,000 digits": '{"a":' + "7" * 4_000 + "}",
    "exponents": '{"a":1E+2,"b":1e-400,"c":1.7976931348623157e308,"d":0e999999999}',
    "zeros": '{"a":-0,"b":-0.0,"c":0.10,"d":1.50}',
    "long decimals": '{"a":0.1000000000000000055511151231257827021181583404541015625}',
    "emoji": '{"😀":"👩‍👩‍👧 \U0010ffff"}',
    "line separators": '{"a":"\u2028\u2029","b":"\ufeff"}',
    "escapes": '{"a":"\\u2028\\n\\t\\\\\\"\\/","b":"\\u0000"}',
    "control characters": '{"a":"\\u001b[31m","b":"\x7f\x80\x9f"}',
    "decomposed letters": '{"e\u0301":1,"\u00e9":2}',
    "keys in no order": '{"b":1,"a":2,"c":{"z":1,"y":2},"A":3}',
    "what looks like a parameter": '{"a":"$1 %s ? :x {0} \\\\x00"}',
    "nothing": "{}",
    "as much as is allowed": '{"a":"' + "x" * (DOCUMENT_BYTES_MAX - 8) + '"}',
    "as much as is allowed, incompressible": '{"a":"'
    + "".join(f"{n * 2_654_435_761 % 2**32:08x}" for n in range(DOCUMENT_BYTES_MAX // 8 - 1))
    + '"}',
}
# Any character that JSON may hold, bar NUL, which is refused at the door.
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)


@pytest.mark.parametrize("what", DOCUMENTS)
async def test_a_document_comes_back_to_the_byte(what: str, engine: Engine) -> None:
    document = DOCUMENTS[what]
    create = asks.create(1, payload=document, idempotency_key="k", request_digest=b"d")
    done = Completion(result=document, output_id="out")

    created = expect(Changed, (await engine.together([create]))[0]).task
    claimed = expect(Held, (await engine.together([asks.claim_next(1)]))[0]).task
    completed = expect(
        Changed, (await engine.together([asks.complete(created.id, completion=done)]))[0]
    ).task
    replayed = expect(Replayed, (await engine.together([create]))[0])

    assert created.payload == claimed.payload == completed.payload == document
    assert completed.result == document
    assert replayed.first == created
    assert replayed.current == completed
    assert (await engine.reader.task(ACCOUNT_ID, created.id)).tasks == [completed]
    query = PageQuery(account_id=ACCOUNT_ID, limit=5)
    assert (await engine.reader.page(query)).tasks == [completed]
    ((payload, result),) = engine.database.fetch("select payload, result from tasks")
    assert payload == result == document


@settings(max_examples=30)
@given(text=texts)
@pytest.mark.parametrize("kind", KINDS)
def test_any_text_comes_back_as_it_was(kind: str, databases: Databases, text: str) -> None:
    """Reasons, names of workers and of outputs are the tenant's own words."""
    with databases.fresh(kind) as database:
        asyncio.run(told_and_kept(database, text))


async def told_and_kept(database: Database, text: str) -> None:
    task_id = a_task_id(1)
    async with running_engine(database) as engine:
        await engine.together([asks.create(1)])
        claim = asks.claim_next(1, lease=asks.a_lease(1, text))
        held = expect(Held, (await engine.together([claim]))[0]).task
        failure = asks.fail(task_id, failure=Failure(reason=text))
        failed = expect(Changed, (await engine.together([failure]))[0]).task
        await engine.together([asks.claim_next(2)])
        done = asks.complete(task_id, completion=Completion(output_id=text))
        completed = expect(Changed, (await engine.together([done]))[0]).task
        read = (await engine.reader.task(ACCOUNT_ID, task_id)).tasks

    assert held.claimed_by == failed.last_failure_reason == completed.output_id == text
    assert read == [completed]


async def test_the_empty_text_and_no_text_stay_apart(engine: Engine) -> None:
    tasks = [
        a_task(Status.DEAD_LETTER, id=a_task_id(1), last_failure_reason="", output_id=""),
        a_task(Status.DEAD_LETTER, id=a_task_id(2), last_failure_reason=None, output_id=None),
    ]
    add_tasks(engine.database, tasks)

    revived = await engine.together(asks.requeue(task.id) for task in tasks)

    assert [expect(Changed, one).task.last_failure_reason for one in revived] == ["", None]
    assert [expect(Changed, one).task.output_id for one in revived] == ["", None]


async def test_the_largest_numbers_are_kept(engine: Engine) -> None:
    task = a_task(
        Status.CLAIMED,
        attempt_count=2**31 - 1,
        max_attempts=2**31 - 1,
        lease_seconds=2**31 - 1,
        priority=100,
        scheduled_at=Instant(-1),
        created_at=Instant(0),
        lease_expires_at=Instant(LARGEST),
    )
    add_tasks(engine.database, [task])

    (read,) = (await engine.reader.task(ACCOUNT_ID, task.id)).tasks
    completed = expect(Changed, (await engine.together([asks.complete(task.id)]))[0]).task

    assert read == task
    assert (completed.attempt_count, completed.created_at) == (2**31 - 1, 0)


async def test_counters_count_on_however_large_they_are(database: Database) -> None:
    huge = 2**53 + 1
    plan = a_plan(tasks_per_cycle=2**62, creates_per_hour=2**62)
    options = EngineOptions(catalogue=Catalogue(plans={"free": plan}))
    now = database.clock.now()
    add_accounts(database, an_account(tasks_in_cycle=huge, cycle_started_at=now))
    async with running_engine(database, options) as engine:
        await engine.together(asks.create(number) for number in range(3))
        account = await engine.reader.account(ACCOUNT_ID)

    assert account is not None
    assert account.tasks_in_cycle == huge + 3


async def test_counts_of_requests_are_kept_however_large_they_are(engine: Engine) -> None:
    hour = Instant(engine.clock.now() - engine.clock.now() % HOUR)
    row = RequestCount(
        account_id=ACCOUNT_ID, key_id=KeyId("key_1"), kind="reads", window_at=hour, count=2**53 + 1
    )

    await engine.together([CountRequests(counts=(row,))])
    await engine.together([CountRequests(counts=(replace(row, count=1),))])

    (kept,) = await engine.reader.request_counts(Instant(hour - 1))
    assert kept == replace(row, count=2**53 + 2)
