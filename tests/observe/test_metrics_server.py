"""The metrics server, over real sockets."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from prometheus_client.parser import text_string_to_metric_families

from orchestrion.observe.jobs import JobHistory
from orchestrion.observe.metrics import Metrics
from orchestrion.observe.metrics_server import MetricsServer, ServerLimits
from tests.observe.conftest import DEADLINE_SECONDS, SettableClock, a_request

HOST = "127.0.0.1"


@pytest.fixture
def metrics(clock: SettableClock) -> Metrics:
    metrics = Metrics(JobHistory(clock), lambda: 0)
    metrics.request(a_request())
    return metrics


@asynccontextmanager
async def serving(metrics: Metrics, limits: ServerLimits) -> AsyncIterator[int]:
    server = MetricsServer(metrics, HOST, 0, limits)
    port = await server.start()
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            yield port
    finally:
        await server.stop()


async def told(port: int, request: bytes) -> bytes:
    """Everything the server sends before it hangs up."""
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        writer.write(request)
        return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def test_metrics_are_answered_over_http(metrics: Metrics) -> None:
    async with serving(metrics, ServerLimits()) as port:
        answer = await told(port, b"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: text/plain\r\n\r\n")

    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain; version=")
    assert f"content-length: {len(body)}\r\n".encode() in head
    names = {family.name for family in text_string_to_metric_families(body.decode())}
    assert "orchestrion_requests" in names


async def test_reader_that_asks_for_openmetrics_gets_it(metrics: Metrics) -> None:
    accept = b"Accept: application/openmetrics-text; version=1.0.0\r\n"
    async with serving(metrics, ServerLimits()) as port:
        answer = await told(port, b"GET /metrics?x=1 HTTP/1.1\r\n" + accept + b"\r\n")

    assert b"content-type: application/openmetrics-text" in answer
    assert answer.endswith(b"# EOF\n")


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (b"HEAD /metrics HTTP/1.1", b"200 OK"),
        (b"POST /metrics HTTP/1.1", b"405 Method Not Allowed"),
        (b"GET / HTTP/1.1", b"404 Not Found"),
        (b"GET /metrics/more HTTP/1.1", b"404 Not Found"),
        (b"\xff\xfe", b"404 Not Found"),
    ],
)
async def test_everything_else_has_its_status(
    request_line: bytes, status: bytes, metrics: Metrics
) -> None:
    async with serving(metrics, ServerLimits()) as port:
        answer = await told(port, request_line + b"\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 " + status + b"\r\n")
    assert answer.endswith(b"\r\n\r\n") == request_line.startswith(b"HEAD")


async def test_head_beyond_the_limit_is_hung_up_on(metrics: Metrics) -> None:
    async with serving(metrics, ServerLimits(head_bytes_max=1_000)) as port:
        assert await told(port, b"GET /metrics HTTP/1.1\r\nX: " + b"x" * 5_000) == b""


async def test_client_that_never_finishes_its_request_is_hung_up_on(metrics: Metrics) -> None:
    async with serving(metrics, ServerLimits(exchange_seconds_max=0.05)) as port:
        assert await told(port, b"GET /metrics") == b""


async def test_connections_beyond_the_limit_are_hung_up_on(metrics: Metrics) -> None:
    async with serving(metrics, ServerLimits(connections_max=1)) as port:
        _, first = await asyncio.open_connection(HOST, port)

        assert await told(port, b"GET /metrics HTTP/1.1\r\n\r\n") == b""
        first.close()


async def test_stopping_hangs_up_and_frees_the_port(metrics: Metrics) -> None:
    server = MetricsServer(metrics, HOST, 0)
    port = await server.start()
    reader, writer = await asyncio.open_connection(HOST, port)
    writer.write(b"GET /metrics")

    async with asyncio.timeout(DEADLINE_SECONDS):
        await server.stop()
        assert await reader.read() == b""
    writer.close()

    again = MetricsServer(metrics, HOST, port)
    assert await again.start() == port
    await again.stop()


async def test_stopping_what_never_started_is_harmless(metrics: Metrics) -> None:
    await MetricsServer(metrics, HOST, 0).stop()
