"""/health, /livez and /readyz."""

from tests.databases import Trouble
from tests.harness import Harness
from tests.http.callers import ok, recovered, refused


async def test_health_tells_when_leases_were_last_swept(service: Harness) -> None:
    await service.run_job("expire_leases")
    service.clock.advance(3.9)

    health = ok(await service.client.get("/health"))

    assert health == {
        "status": "ok",
        "leaseExpiryJob": {
            "lastRunAt": "2027-01-15T08:00:00.000Z",
            "staleSec": 3,
            "healthy": True,
        },
    }


async def test_a_sweeper_that_never_ran_is_not_healthy(service: Harness) -> None:
    job = ok(await service.client.get("/health"))["leaseExpiryJob"]

    assert job == {"lastRunAt": None, "staleSec": None, "healthy": False}


async def test_three_missed_intervals_are_too_many(service: Harness) -> None:
    await service.run_job("expire_leases")

    service.clock.advance(15)
    assert ok(await service.client.get("/health"))["leaseExpiryJob"]["healthy"] is True
    service.clock.advance(1)
    assert ok(await service.client.get("/health"))["leaseExpiryJob"]["healthy"] is False
    await service.run_job("expire_leases")
    assert ok(await service.client.get("/health"))["leaseExpiryJob"]["healthy"] is True


async def test_a_sweep_that_broke_does_not_count(service: Harness, trouble: Trouble) -> None:
    await service.run_job("expire_leases")
    await service.account()
    trouble.unreachable = True
    service.clock.advance(16)

    await service.run_job("expire_leases")

    assert service.observer.faults
    assert ok(await service.client.get("/health"))["leaseExpiryJob"]["healthy"] is False


async def test_a_server_that_runs_is_alive_and_ready(service: Harness) -> None:
    for path in ("/livez", "/readyz"):
        assert ok(await service.client.get(path)) == {"status": "ok"}


async def test_a_server_that_stops_is_alive_but_not_ready(service: Harness) -> None:
    service.service.stopping = True

    answer = refused(await service.client.get("/readyz"), 503, "server_error")

    assert answer["agent_contract"]["retryable"] is True
    ok(await service.client.get("/livez"))
    ok(await service.client.get("/health"))


async def test_a_server_whose_database_is_gone_is_alive_but_not_ready(
    service: Harness, trouble: Trouble
) -> None:
    await service.account()
    trouble.unreachable = True

    refused(await service.client.get("/readyz"), 503, "server_error")

    ok(await service.client.get("/livez"))
    trouble.unreachable = False
    ok(await recovered(lambda: service.client.get("/readyz")))


async def test_probes_are_never_limited(hosted: Harness) -> None:
    for _ in range(70):
        ok(await hosted.client.get("/health"))
        ok(await hosted.client.get("/readyz"))
