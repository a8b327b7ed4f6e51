"""Reading a batch holds nobody up: it is read in pieces of a bounded size."""

import asyncio
import json

import pytest

from orchestrion.api.unpacking import unpack
from orchestrion.core.batch_bodies import CreateTasksBody
from orchestrion.core.bodies import CreateBody
from orchestrion.core.limits import BATCH_BODY_BYTES_MAX, BATCH_BYTES_AT_ONCE, BATCH_NAMES_MAX
from orchestrion.core.strict_json import Malformed

ITEM = {"type": "report", "payload": {}}


async def read_all(body: bytes) -> list[bool]:
    """Tell of each item whether it is a good one."""
    return [
        not isinstance(read, Malformed) async for read in unpack(body, CreateTasksBody, CreateBody)
    ]


@pytest.mark.parametrize("length", [65_000, 22_000, 200_000])
async def test_others_have_their_turn_while_a_large_batch_is_read(length: int) -> None:
    item = json.dumps({**ITEM, "payload": {"text": "x" * length}})
    count = BATCH_BODY_BYTES_MAX // (len(item) + 1) - 1
    body = f'{{"items":[{",".join([item] * count)}]}}'.encode()
    reading = asyncio.create_task(read_all(body))
    turns = 0
    while not reading.done():
        await asyncio.sleep(0)
        turns += 1

    assert len(await reading) == count
    assert turns >= min(count, len(body) // BATCH_BYTES_AT_ONCE)


async def test_a_small_batch_is_read_at_once() -> None:
    reading = asyncio.create_task(read_all(json.dumps({"items": [ITEM] * 100}).encode()))
    await asyncio.sleep(0)

    assert reading.done()
    assert await reading == [True] * 100


@pytest.mark.parametrize("items", [[ITEM], [ITEM, {}]])
async def test_a_body_with_many_names_is_refused_whether_its_items_are_good_or_not(
    items: list[object],
) -> None:
    names = {f"name {number}": 0 for number in range(BATCH_NAMES_MAX)}

    with pytest.raises(Malformed, match="field"):
        await read_all(json.dumps({**names, "items": items}).encode())


@pytest.mark.parametrize("size", [0, BATCH_BYTES_AT_ONCE])
@pytest.mark.parametrize(
    ("body", "says"),
    [
        ('{"items":[]%s}', "1 to 100|beside"),
        ('{"more":[]%s}', "items"),
        ('{"items":{}%s}', "items|beside"),
        ('{"items":[{}]%s', "not valid JSON"),
        ('[{"items":[{}]%s}]', "object|not valid JSON"),
    ],
)
async def test_what_is_wrong_with_the_whole_is_told_of_small_and_large_bodies(
    body: str, says: str, size: int
) -> None:
    with pytest.raises(Malformed, match=says):
        await read_all((body % (" " * size)).encode())
