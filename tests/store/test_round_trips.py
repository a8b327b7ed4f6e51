"""What goes into a database comes out of it to the byte, by every way there is."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrion.core.account import RequestCount
from orchestrion.core.commands import CountRequests
from orchestrion.core.ids import KeyId
from orchestrion.core.instants import Instant
from orchestrion.core.lifecycle import Completion, Failure
from orchestrion.core.limits import DOCUMENT_BYTES_MAX
from orchestrion.core.listing import PageQuery
from orchestrion.core.outcomes import Changed, Held, Replayed
from orchestrion.core.task import Status, Task
from tests.databases import Database, add_accounts, add_tasks
from tests.engine.engines import Engine
from tests.factories import ACCOUNT, ACCOUNT_ID, NOW, a_task, a_task_id, an_account, expect
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


async def ways(engine: Engine, database: Database, created: Task) -> dict[str, Task]:
    """Meet a task by every way out of the database."""
    backend = await database.open()
    try:
        query = PageQuery(account_id=ACCOUNT_ID, limit=5)
        return {
            "read": (await backend.reader.task(ACCOUNT_ID, created.id)).tasks[0],
            "listed": (await backend.reader.page(query)).tasks[0],
            "heartbeat": expect(Changed, (await engine.together([asks.heartbeat(created.id)]))[0]),
        }
    finally:
        await backend.close()


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
    assert replayed.task == completed
    reader = engine.reader
    assert (await reader.task(ACCOUNT_ID, created.id)).tasks == [completed]
    query = PageQuery(account_id=ACCOUNT_ID, limit=5)
    assert (await reader.page(query)).tasks == [completed]
    ((payload, result),) = engine.database.fetch("select payload, result from tasks")
    assert payload == result == document
