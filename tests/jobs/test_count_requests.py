"""Counters of requests outlive the process that counted them."""

from orchestrion.core.plans import HOSTED
from orchestrion.jobs import count_requests
from orchestrion.service import ServiceOptions
from tests.databases import Database, Trouble
from tests.harness import Account, Harness, running
from tests.http.callers import Caller

OPTIONS = ServiceOptions(catalogue=HOSTED)


async def reads_left(service: Harness, account: Account) -> int:
    """Read something and see what is left of the hour's reads."""
    answer = await Caller(service, account).read("/v1/tasks")
    assert answer.status_code == 200, answer.text
    parts = dict(part.split("=") for part in answer.headers["ratelimit"].split(";")[1:])
    return int(parts["r"])


async def count(service: Harness) -> None:
    await service.run_job(count_requests.NAME)


async def test_a_restart_goes_on_counting_where_the_last_run_stopped(database: Database) -> None:
    async with running(database, OPTIONS) as service:
        account = await service.account()
        before = await reads_left(service, account)

    async with running(database, OPTIONS) as service:
        assert await reads_left(service, account) == before - 1


async def test_a_crash_forgets_only_what_came_after_the_last_run(database: Database) -> None:
    async with running(database, OPTIONS) as service:
        account = await service.account()
        before = await reads_left(service, account)
        await count(service)
        await reads_left(service, account)
        with database.after_crash() as found:
            async with running(found, OPTIONS) as next_service:
                assert await reads_left(next_service, account) == before - 1


async def test_counters_that_did_not_change_are_not_written(database: Database) -> None:
    async with running(database, OPTIONS) as service:
        await reads_left(service, await service.account())
        await count(service)
        before = service.backend.store.commits

        await count(service)

        assert service.backend.store.commits == before


async def test_an_hour_that_is_over_is_forgotten(database: Database) -> None:
    async with running(database, OPTIONS) as service:
        account = await service.account()
        before = await reads_left(service, account)

    async with running(database, OPTIONS) as service:
        service.clock.advance(3_601)
        assert await reads_left(service, account) == before


async def test_counters_that_could_not_be_saved_are_saved_next_time(
    database: Database, trouble: Trouble
) -> None:
    async with running(database, OPTIONS) as service:
        account = await service.account()
        before = await reads_left(service, account)
        trouble.full = True
        await count(service)
        trouble.full = False

        assert service.observer.faults[0][0] == "job_count_requests_failed"

    async with running(database, OPTIONS) as service:
        assert await reads_left(service, account) == before - 1


async def test_a_service_stops_in_order_though_counters_cannot_be_saved(
    database: Database, trouble: Trouble
) -> None:
    async with running(database, OPTIONS) as service:
        await reads_left(service, await service.account())
        trouble.full = True

        await service.service.stop()

        trouble.full = False
