"""A commit that happened though its answer was lost on the way: what a repeat comes to."""

from collections.abc import Iterator

import pytest

from tests.databases import SHARED, Database, Databases, PostgresDatabase, PostgresTrouble
from tests.http.callers import Caller, ok, recommended, refused


@pytest.fixture(params=SHARED)
def database(databases: Databases, request: pytest.FixtureRequest) -> Iterator[Database]:
    """Lend a database at the end of a wire."""
    with databases.fresh(request.param) as database:
        assert isinstance(database, PostgresDatabase)
        # Asked for before anybody connects, so that the wire lies between.
        database.trouble.heal()
        yield database


@pytest.fixture
def wire(database: PostgresDatabase) -> Iterator[PostgresTrouble]:
    """The wire to the database."""
    yield database.trouble
    database.trouble.heal()


async def test_a_create_with_a_key_is_found_by_its_repeat(
    caller: Caller, wire: PostgresTrouble
) -> None:
    wire.loses_answers = True
    lost = refused(await caller.create(idempotencyKey="k"), 503, "server_error")
    wire.loses_answers = False

    repeated = await caller.create(idempotencyKey="k")

    assert lost["agent_contract"]["retryable"] is True
    assert repeated.headers["idempotent-replayed"] == "true"
    task = ok(repeated, 201)
    assert [one["id"] for one in ok(await caller.read("/v1/tasks"))["items"]] == [task["id"]]


async def test_a_create_without_a_key_is_found_where_the_answer_sends_the_caller(
    caller: Caller, wire: PostgresTrouble
) -> None:
    wire.loses_answers = True
    lost = refused(await caller.create(), 500, "server_error")
    wire.loses_answers = False

    listed = ok(await caller.read(recommended(lost)["endpoint"]))["items"]

    assert lost["agent_contract"]["retryable"] is False
    assert len(listed) == 1


@pytest.mark.parametrize("verb", ["complete", "fail"])
async def test_an_end_that_is_repeated_has_no_second_effect(
    verb: str, caller: Caller, wire: PostgresTrouble
) -> None:
    claim = await caller.held()
    task_id, token = claim["task"]["id"], claim["lease_token"]
    wire.loses_answers = True
    lost = refused(await caller.do(verb, task_id, lease_token=token), 503, "server_error")
    wire.loses_answers = False
    ended = ok(await caller.show(task_id))
    caller.service.clock.advance(1)

    again = ok(await caller.do(verb, task_id, lease_token=token))

    assert recommended(lost)["action"] == "check_task_status"
    assert ended["status"] == {"complete": "completed", "fail": "pending"}[verb]
    after = ok(await caller.show(task_id))
    assert after == ended
    shown = {**ended, "agent_contract": None}
    assert {**again, "agent_contract": None} == shown
    assert after["attemptCount"] == 1


async def test_a_claim_that_happened_is_never_handed_out_again(
    caller: Caller, wire: PostgresTrouble
) -> None:
    task = await caller.task()
    wire.loses_answers = True
    lost = refused(await caller.claim_next(), 500, "server_error")
    wire.loses_answers = False

    again = ok(await caller.claim_next())

    assert lost["agent_contract"]["retryable"] is False
    assert again["task"] is None
    assert ok(await caller.show(task["id"]))["status"] == "claimed"
