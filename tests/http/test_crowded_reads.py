"""More reads than may wait for the database are an overload: refused as one, and no fault."""

import asyncio

import pytest

from orchestrion.api.endpoint import CROWDED
from orchestrion.engine.overload import OVERLOAD_WAIT_SECONDS_MAX, OVERLOAD_WAIT_SECONDS_MIN
from orchestrion.store.sqlite import reading
from tests.databases import SQLITE, Databases
from tests.harness import running
from tests.http.callers import Caller, ok, refused

LISTS = 30


async def test_who_would_wait_behind_too_many_is_told_to_come_back(
    databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "LONG_WAITING_MAX", 1)
    with databases.fresh(SQLITE) as database:
        async with running(database) as service:
            caller = Caller(service, await service.account())
            task = await caller.task()
            # The first is still being read when the others come.
            first, *others = await asyncio.gather(
                *(caller.read("/v1/tasks") for _ in range(1 + LISTS))
            )

            assert ok(await caller.show(task["id"]))["status"] == "pending"
    ok(first)
    for answer in others:
        assert "nothing was changed" in refused(answer, 503, "server_error")["message"]
    waits = {int(answer.headers["retry-after"]) for answer in others}
    assert waits == set(range(OVERLOAD_WAIT_SECONDS_MIN, OVERLOAD_WAIT_SECONDS_MAX + 1))
    assert service.observer.refusals == [CROWDED] * LISTS
    assert service.observer.faults == []
