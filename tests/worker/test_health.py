"""What probes and Prometheus are told of a worker."""

import asyncio
import socket

import httpx2
import pytest

from orchestrion import ConfigurationError, Worker
from orchestrion.testing import LocalOrchestrion
from tests.worker.wires import Network, through
from tests.worker.working import serving, until


async def asked(worker: Worker, path: str, method: str = "GET") -> httpx2.Response:
    assert worker.health is not None
    async with httpx2.AsyncClient(trust_env=False) as client:
        return await client.request(method, f"http://127.0.0.1:{worker.health.port}{path}")


async def test_a_worker_is_ready_while_it_claims_and_not_while_it_stops(
    local: LocalOrchestrion,
) -> None:
    worker = Worker(health_port=0, grace=10)
    may_end = asyncio.Event()

    @worker.task("job")
    async def job() -> None:
        await may_end.wait()

    await local.client.tasks.create("job", {})
    async with serving(worker, local) as served:
        await until(lambda: worker.in_flight)
        alive, ready = await asked(worker, "/livez"), await asked(worker, "/readyz")
        worker.stop()
        stopping = await asked(worker, "/readyz")
        still = await asked(worker, "/livez")
        may_end.set()
        await served

    assert (alive.status_code, alive.text) == (200, "ok\n")
    assert (ready.status_code, ready.text) == (200, "ok\n")
    assert (stopping.status_code, stopping.text) == (503, "stopping\n")
    assert still.status_code == 200


async def test_a_worker_that_reaches_no_server_is_alive_but_not_ready(
    local: LocalOrchestrion,
) -> None:
    worker = Worker(health_port=0)
    network = Network()
    network.cut = True

    @worker.task("job")
    async def job() -> None: ...

    with through(network, worker, local):
        served = asyncio.create_task(worker.serve())
        await until(lambda: network.asked.total() > 1)
        alive, ready = await asked(worker, "/livez"), await asked(worker, "/readyz")
        network.cut = False
        worker.stop()
        await served

    assert alive.status_code == 200
    assert (ready.status_code, ready.text) == (503, "the server has not answered\n")


async def test_metrics_count_what_was_done(local: LocalOrchestrion) -> None:
    worker = Worker(health_port=0, concurrency=7)

    @worker.task("job")
    async def job(payload: dict[str, bool]) -> None:
        if payload["fails"]:
            raise ValueError("no")

    for fails in (True, False, False):
        await local.client.tasks.create("job", {"fails": fails}, max_attempts=1)
    async with serving(worker, local):
        await until(lambda: worker.tally.ended.total() == 3)
        page = await asked(worker, "/metrics")
        head = await asked(worker, "/metrics", "HEAD")
        nothing = await asked(worker, "/elsewhere")

    lines = set(page.text.splitlines())
    assert lines >= {
        'orchestrion_worker_attempts_total{ending="completed",type="job"} 2.0',
        'orchestrion_worker_attempts_total{ending="failed",type="job"} 1.0',
        'orchestrion_worker_attempt_seconds_count{type="job"} 3.0',
        "orchestrion_worker_concurrency 7.0",
        "orchestrion_worker_connected 1.0",
        "orchestrion_worker_stopping 0.0",
        "orchestrion_worker_unsent 0.0",
    }
    assert any(line.startswith("orchestrion_worker_loop_lag_seconds ") for line in lines)
    assert page.headers["content-type"].startswith("text/plain")
    assert (head.status_code, head.text) == (200, "")
    assert nothing.status_code == 404


async def test_a_port_that_is_taken_is_said(local: LocalOrchestrion) -> None:
    with socket.create_server(("", 0)) as taken:
        worker = Worker(health_port=taken.getsockname()[1])

        @worker.task("job")
        async def job() -> None: ...

        with local.attached(worker), pytest.raises(ConfigurationError, match="cannot listen"):
            await worker.serve()
