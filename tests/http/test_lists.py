"""GET /v1/tasks: filters, pages, cursors."""

import pytest

from tests.http.callers import Caller, Json, Response, advice, ok, recommended, refused, stranger


def ids(page: Json) -> list[str]:
    return [task["id"] for task in page["items"]]


def next_link(response: Response) -> str:
    target, relation = response.headers["link"].split("; ")
    assert relation == 'rel="next"'
    return target.strip("<>")


async def walk(caller: Caller, start: str) -> list[str]:
    """Follow the Link header to the end."""
    found = []
    path: str | None = start
    while path:
        response = await caller.read(path)
        page = ok(response)
        found += ids(page)
        more = page["pageInfo"]["hasMore"]
        path = next_link(response) if more else None
        assert ("link" in response.headers) is more
        assert (page["pageInfo"]["nextCursor"] is not None) is more
    return found


async def test_the_newest_task_stands_first(caller: Caller) -> None:
    created = [(await caller.task())["id"] for _ in range(5)]

    assert ids(ok(await caller.read("/v1/tasks"))) == created[::-1]


async def test_each_item_has_its_own_guidance_and_the_list_another(caller: Caller) -> None:
    await caller.dead()
    await caller.task()

    page = ok(await caller.read("/v1/tasks"))

    assert [recommended(item)["action"] for item in page["items"]] == [
        "claim_task",
        "requeue_task",
    ]
    assert advice(page) == ["claim_task", "create_task"]
    assert recommended(page)["endpoint"] == "/v1/tasks/claim"


async def test_an_item_is_what_reading_the_task_shows(caller: Caller) -> None:
    claim = await caller.held()
    caller.service.clock.advance(10)

    item = ok(await caller.read("/v1/tasks"))["items"][0]

    assert item == ok(await caller.show(claim["task"]["id"]))


async def test_a_page_points_to_the_next_in_three_ways(caller: Caller) -> None:
    for _ in range(3):
        await caller.task()

    response = await caller.read("/v1/tasks?limit=2&status=pending&type=report")

    page = ok(response)
    cursor = page["pageInfo"]["nextCursor"]
    expected = f"/v1/tasks?status=pending&type=report&limit=2&cursor={cursor}"
    assert next_link(response) == expected
    assert recommended(page)["action"] == "list_tasks"
    assert recommended(page)["endpoint"] == expected
    assert advice(page) == ["list_tasks", "create_task"]
    assert len(ids(ok(await caller.read(expected)))) == 1


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 100])
async def test_pages_of_any_size_add_up_to_the_whole(limit: int, caller: Caller) -> None:
    created = [(await caller.task())["id"] for _ in range(6)]

    assert await walk(caller, f"/v1/tasks?limit={limit}") == created[::-1]


async def test_a_page_has_twenty_items_unless_told_otherwise(caller: Caller) -> None:
    for _ in range(21):
        await caller.task()

    page = ok(await caller.read("/v1/tasks"))

    assert len(page["items"]) == 20
    assert page["pageInfo"]["hasMore"] is True


async def test_a_page_that_is_just_full_is_the_last(caller: Caller) -> None:
    for _ in range(2):
        await caller.task()

    page = ok(await caller.read("/v1/tasks?limit=2"))

    assert page["pageInfo"] == {"nextCursor": None, "hasMore": False}


@pytest.mark.parametrize("limit", ["0", "101", "-1", "1.5", "", "ten", "1e1", "00001", "+5"])
async def test_a_limit_out_of_range_is_refused_not_clamped(limit: str, caller: Caller) -> None:
    refused(await caller.read(f"/v1/tasks?limit={limit}"), 400, "invalid_request")


@pytest.mark.parametrize("limit", ["1", "100"])
async def test_the_bounds_of_limit_are_allowed(limit: str, caller: Caller) -> None:
    ok(await caller.read(f"/v1/tasks?limit={limit}"))


async def mixture(caller: Caller) -> dict[str, str]:
    """Make one task of each kind that a filter can tell apart; oldest first."""
    made = {
        "pending": (await caller.task())["id"],
        "other": (await caller.task(type="other"))["id"],
    }
    for worker in ("worker-1", "wörker 2&x=1"):
        task = await caller.task()
        ok(await caller.do("claim", task["id"], worker_id=worker))
        made[worker] = task["id"]
    made["completed"] = (await caller.held())["task"]["id"]
    ok(await caller.do("complete", made["completed"]))
    made["dead_letter"] = (await caller.dead(type="other"))["id"]
    made["cancelled"] = (await caller.task())["id"]
    ok(await caller.do("cancel", made["cancelled"]))
    return made


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("status=pending", ["other", "pending"]),
        ("status=claimed", ["wörker 2&x=1", "worker-1"]),
        ("status=completed", ["completed"]),
        ("status=dead_letter", ["dead_letter"]),
        ("status=cancelled", ["cancelled"]),
        ("type=other", ["dead_letter", "other"]),
        ("type=nothing", []),
        ("status=pending&type=other", ["other"]),
        ("claimed_by=worker-1", ["worker-1"]),
        ("claimed_by=w%C3%B6rker%202%26x%3D1", ["wörker 2&x=1"]),
        ("claimed_by=w%C3%B6rker+2%26x%3D1&status=claimed", ["wörker 2&x=1"]),
        ("claimed_by=worker-1&status=pending", []),
        ("claimed_by=worker-1&type=report&status=claimed", ["worker-1"]),
        ("claimed_by=worker-1&type=other", []),
        ("colour=red&status=completed", ["completed"]),
    ],
)
async def test_filters_narrow_the_list(query: str, wanted: list[str], caller: Caller) -> None:
    made = await mixture(caller)

    for size in ("", "&limit=1"):
        found = await walk(caller, f"/v1/tasks?{query}{size}")
        assert found == [made[name] for name in wanted]


@pytest.mark.parametrize(
    "query",
    [
        "status=running",
        "status=",
        "status=PENDING",
        "type=",
        "type=a%20b",
        "type=" + "a" * 101,
        "claimed_by=",
        "claimed_by=" + "a" * 201,
        "status=pending&status=claimed",
        "type=%ff",
    ],
)
async def test_a_filter_that_cannot_be_meant_is_refused(query: str, caller: Caller) -> None:
    refused(await caller.read(f"/v1/tasks?{query}"), 400, "invalid_request")


@pytest.mark.parametrize(
    "cursor", ["", "x", "%00", "a" * 513, "AAAA", "tsk_01KAAAAAAAAAAAAAAAAAAAAAAA", "=="]
)
async def test_a_broken_cursor_is_refused(cursor: str, caller: Caller) -> None:
    refused(await caller.read(f"/v1/tasks?cursor={cursor}"), 400, "invalid_request")


async def test_a_changed_cursor_is_refused(caller: Caller) -> None:
    for _ in range(2):
        await caller.task()
    cursor = ok(await caller.read("/v1/tasks?limit=1"))["pageInfo"]["nextCursor"]

    for changed in (cursor[:-1], cursor + "A", cursor + "=", cursor[::-1], cursor.swapcase()):
        refused(await caller.read(f"/v1/tasks?limit=1&cursor={changed}"), 400, "invalid_request")


@pytest.mark.parametrize("query", ["status=pending", "type=report", "claimed_by=me"])
async def test_a_cursor_belongs_to_its_filters(query: str, caller: Caller) -> None:
    for _ in range(2):
        await caller.task()
    cursor = ok(await caller.read("/v1/tasks?limit=1"))["pageInfo"]["nextCursor"]

    refused(await caller.read(f"/v1/tasks?{query}&cursor={cursor}"), 400, "invalid_request")


async def test_a_cursor_belongs_to_its_account(caller: Caller) -> None:
    other = await stranger(caller.service)
    for _ in range(2):
        await caller.task()
        await other.task()
    cursor = ok(await other.read("/v1/tasks?limit=1"))["pageInfo"]["nextCursor"]

    refused(await caller.read(f"/v1/tasks?limit=1&cursor={cursor}"), 400, "invalid_request")


async def test_the_size_of_a_page_may_change_on_the_way(caller: Caller) -> None:
    created = [(await caller.task())["id"] for _ in range(5)]
    first = ok(await caller.read("/v1/tasks?limit=2"))
    cursor = first["pageInfo"]["nextCursor"]

    rest = ok(await caller.read(f"/v1/tasks?limit=100&cursor={cursor}"))

    assert ids(first) + ids(rest) == created[::-1]


async def test_a_scan_meets_every_old_task_once_while_new_ones_arrive(caller: Caller) -> None:
    old = [(await caller.task())["id"] for _ in range(12)]

    found = []
    path: str | None = "/v1/tasks?limit=3&type=report"
    while path:
        response = await caller.read(path)
        found += ids(ok(response))
        path = next_link(response) if "link" in response.headers else None
        for _ in range(4):
            await caller.task()
            caller.service.clock.advance(0.001)

    assert found == old[::-1]


async def test_a_list_shows_no_task_of_another_account(caller: Caller) -> None:
    other = await stranger(caller.service)
    await other.task()

    assert ok(await caller.read("/v1/tasks"))["items"] == []
