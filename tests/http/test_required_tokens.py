"""An account whose workers must prove their leases."""

import pytest

from orchestrion.api.auth import CACHE_SECONDS
from tests.databases import Database
from tests.http.callers import Caller, ok, refused, stranger

VERBS = ("complete", "fail", "heartbeat")
REQUIRE = "update accounts set require_lease_token = {} where id = '{}'"


@pytest.fixture
def strict(caller: Caller, database: Database) -> Caller:
    database.execute(REQUIRE.format(1, caller.account.id))
    return caller


@pytest.mark.parametrize("verb", VERBS)
async def test_a_request_without_a_token_is_refused_before_anything_is_looked_up(
    verb: str, strict: Caller
) -> None:
    claim = await strict.held()
    task_id, token = claim["task"]["id"], claim["lease_token"]

    for one in (task_id, "tsk_unknown"):
        answer = refused(await strict.do(verb, one), 400, "invalid_request")
        assert "lease_token" in answer["message"]

    ok(await strict.do(verb, task_id, lease_token=token))


@pytest.mark.parametrize("verb", VERBS)
async def test_other_accounts_go_on_without(verb: str, strict: Caller) -> None:
    lenient = await stranger(strict.service)
    claim = await lenient.held()

    ok(await lenient.do(verb, claim["task"]["id"]))


async def test_a_change_is_followed_within_seconds(caller: Caller, database: Database) -> None:
    task_id = (await caller.held())["task"]["id"]
    ok(await caller.do("heartbeat", task_id))
    database.execute(REQUIRE.format(1, caller.account.id))
    caller.service.clock.advance(CACHE_SECONDS)
    refused(await caller.do("heartbeat", task_id), 400, "invalid_request")
    database.execute(REQUIRE.format(0, caller.account.id))
    caller.service.clock.advance(CACHE_SECONDS)

    ok(await caller.do("heartbeat", task_id))


async def test_producers_need_no_token(strict: Caller) -> None:
    task = await strict.task()

    ok(await strict.do("cancel", task["id"]))
    ok(await strict.do("requeue", (await strict.dead())["id"]))
