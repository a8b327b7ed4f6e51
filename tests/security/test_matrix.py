"""Where ids stand in bodies, another account's get the answers that ids get which never were.

Ids in paths, and every operation with every kind of key: tests/http/test_tenants.py.
"""

import re
from collections.abc import AsyncIterator

import msgspec
import pytest

from orchestrion.core.operations import OPERATIONS
from tests.databases import Database
from tests.http.asking import Answer, Ask
from tests.http.test_tenants import ROWS
from tests.http.world import World, claimed, peopled

_ID = re.compile(rb"tsk_[0-9A-Z]{26}")
# What a stranger who had come by another account's ids would send, by operation.
NAMING: dict[str, tuple[str, str]] = {
    "wait_for_tasks": ("wait", '{"ids": ["<task>"], "wait_seconds": 50}'),
    "complete_tasks": ("complete", '{"items": [{"id": "<task>", "lease_token": "<token>"}]}'),
    "fail_tasks": ("fail", '{"items": [{"id": "<task>", "lease_token": "<token>"}]}'),
    "heartbeat_tasks": ("heartbeat", '{"items": [{"id": "<task>", "lease_token": "<token>"}]}'),
}


@pytest.fixture
async def world(database: Database) -> AsyncIterator[World]:
    async with peopled(database) as world:
        yield world


def test_every_operation_that_takes_ids_in_its_body_is_here() -> None:
    assert {name for name, row in ROWS.items() if "<" in str(row.body) and not row.task} == set(
        NAMING
    )
    assert NAMING.keys() <= {row.name for row in OPERATIONS}


@pytest.mark.parametrize("name", NAMING)
async def test_a_foreign_id_in_a_body_gets_the_answer_of_an_unknown_one(
    name: str, world: World
) -> None:
    before = world.dump()

    answers = {
        told: await sent(world, name, world.names[told])
        for told in ("unknown", "pending", "scheduled", "claimed", "completed", "dead", "cancelled")
    }

    assert len({(one.status, one.body, str(one.headers)) for one in answers.values()}) == 1
    assert b"task_not_found" in answers["claimed"].body or b"not_found" in answers["claimed"].body
    assert world.dump() == before


@pytest.mark.parametrize("verb", ["complete", "fail"])
async def test_the_end_of_an_attempt_takes_no_next_task_of_another_account(
    verb: str, world: World
) -> None:
    await world.create(world.owner, "coveted")
    own, token = await claimed(world, world.stranger, "held")

    ended = await world.post(
        f"/v1/tasks/{own}/{verb}",
        world.stranger,
        lease_token=token,
        claim_next={"type": "coveted", "worker_id": "worker-9"},
        **({"retry_after_seconds": 60} if verb == "fail" else {}),
    )

    assert ended["next_task"] is None
    assert (await world.post("/v1/tasks/claim", world.owner, type="coveted"))["task"] is not None


async def test_a_repeated_claim_under_another_accounts_key_is_a_claim_of_ones_own(
    world: World,
) -> None:
    await world.create(world.owner, "keyed")
    taken = [
        await world.service.client.post(
            "/v1/tasks/claim",
            headers={**account.headers, "Idempotency-Key": "the-same"},
            json={"type": "keyed"},
        )
        for account in (world.owner, world.stranger)
    ]

    assert taken[0].json()["task"] is not None
    assert taken[1].json()["task"] is None


async def sent(world: World, name: str, task: str) -> Answer:
    verb, body = NAMING[name]
    filled = body.replace("<task>", task).replace("<token>", world.names["token"])
    answer = await world.asker.ask(
        Ask(
            method="POST",
            target=f"/v1/tasks/{verb}".encode(),
            headers=(
                (b"authorization", f"Bearer {world.stranger.key}".encode()),
                (b"content-type", b"application/json"),
                (b"x-request-id", b"the-same-for-all"),
            ),
            body=filled.encode(),
        )
    )
    # What the caller named may be named to it.
    assert set(_ID.findall(answer.body)) <= {task.encode()}
    return msgspec.structs.replace(answer, body=_ID.sub(b"<task>", answer.body))
