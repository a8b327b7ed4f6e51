"""Counting leases costs more than remembering their number."""

from pathlib import Path

import apsw

from orchestrion.core.plans import Catalogue
from tests.factories import a_plan
from tests.store.sqlite.files import SQL, FileOptions, running_engine
from tests.unit import asks


async def test_leases_are_counted_once_while_every_plan_allows_them(path: Path) -> None:
    plans = {"free": a_plan(max_workers=100, claims_per_hour=1_000, creates_per_hour=1_000)}
    options = FileOptions(catalogue=Catalogue(plans=plans))
    async with running_engine(path, options) as engine:
        await engine.together(asks.create(number) for number in range(50))
        asked: list[str] = []
        engine.connection.trace_v2(
            apsw.SQLITE_TRACE_PROFILE, lambda event: asked.append(event["sql"])
        )

        for number in range(50):
            await engine.together([asks.claim_next(number)])

        engine.connection.trace_v2(0, None)
        assert asked.count(SQL["count_live_leases"]) == 1
