"""What surrounds the process cannot turn a call elsewhere, nor its checks off."""

import asyncio
import socket
import ssl
from pathlib import Path

import httpx2
import pytest

from orchestrion.core.faults import PaymentsUnavailable
from orchestrion.payments.calls import CallLimits
from tests.payments.conftest import Clients
from tests.payments.raw import Raw, raw_server
from tests.pretend_paypal import PretendPayPal

ORDER_ID = "5O190127TN364715T"
GONE = b'{"name": "RESOURCE_NOT_FOUND"}'
# Made for this test alone: it certifies this machine, to nobody who matters.
CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBZzCCAQ2gAwIBAgIBATAKBggqhkjOPQQDAjAUMRIwEAYDVQQDDAlsb2NhbGhv
c3QwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMBQxEjAQBgNVBAMM
CWxvY2FsaG9zdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABHURZkkx1DnFQzux
geCwvXY4N7mO7BfYmMkCCsu8AAAAuiyEA+W1UEZnFUCVOj168GDCS8YszBwh+f18
j8qdf/ajTjBMMA8GA1UdEwEB/wQFMAMBAf8wGgYDVR0RBBMwEYIJbG9jYWxob3N0
hwR/AAABMB0GA1UdDgQWBBT+ltCGr8pGQ37GlB2FIwN2UHX+LDAKBggqhkjOPQQD
AgNIADBFAiEAzPX9e9tJybBNwcnSxPBcQ1hXvfED0XayGjzJJcL7VawCIH5oaGoz
9+9a46sQTXDAeLUJev7Aah0tYdDPDuFFIAWv
-----END CERTIFICATE-----
"""
KEY = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQge6lOOJlFZXsjx0VX
qycpObsp4yybxPz4uTKdm0JOrmKhRANCAAR1EWZJMdQ5xUM7sYHgsL12ODe5juwX
2JjJAgrLvAAAALoshAPltVBGZxVAlTo9evBgwkvGLMwcIfn9fI/KnX/2
-----END PRIVATE KEY-----
"""


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    path = tmp_path / "certificate.pem"
    path.write_text(CERTIFICATE + KEY)
    return path


@pytest.fixture
def tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


async def test_a_certificate_nobody_vouches_for_is_refused_whatever_the_environment_says(
    clients: Clients, tls: ssl.SSLContext, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, str(certificate))
    monkeypatch.setenv("SSL_CERT_DIR", str(certificate.parent))
    monkeypatch.setenv("PYTHONHTTPSVERIFY", "0")

    async with raw_server(Raw(404, GONE), tls) as place:
        client = clients.of(place.options)
        with pytest.raises(PaymentsUnavailable, match="lost"):
            await client.paypal.order(ORDER_ID)
        trusting = ssl.create_default_context(cafile=str(certificate))
        async with httpx2.AsyncClient(verify=trusting, trust_env=False) as other:
            reached = await other.get(f"{place.url}/anything")

    assert client.records[-1].status == 0
    assert reached.status_code == 404


async def test_no_proxy_of_the_environment_is_used(
    clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{unused_port()}")
        monkeypatch.setenv(name.lower(), f"http://127.0.0.1:{unused_port()}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)

    async with raw_server(Raw(404, GONE)) as place:
        assert await clients.of(place.options).paypal.order(ORDER_ID) is None
        async with httpx2.AsyncClient() as other:
            with pytest.raises(httpx2.ConnectError):
                await other.get(f"{place.url}/anything")


async def test_a_paypal_that_is_not_there_is_a_fault(
    clients: Clients, pretend: PretendPayPal
) -> None:
    async with raw_server(Raw()) as place:
        options = place.options
    client = clients.of(options)

    with pytest.raises(PaymentsUnavailable, match="lost"):
        await client.paypal.order(ORDER_ID)

    assert pretend.count("token") == 0


async def test_calls_beyond_the_connections_wait_and_then_fail(
    clients: Clients, pretend: PretendPayPal
) -> None:
    client = clients.client(CallLimits(connections_max=2, pool_seconds=0.7))
    await client.paypal.order(ORDER_ID)
    pretend.behave("order", "hold", times=2)

    held = [asyncio.create_task(client.paypal.order(ORDER_ID)) for _ in range(2)]
    await asyncio.to_thread(pretend.wait_until_held, "order", 2)
    with pytest.raises(PaymentsUnavailable, match="timeout"):
        await client.paypal.order(ORDER_ID)
    pretend.release("order")

    assert await asyncio.gather(*held) == [None, None]


async def test_a_call_that_is_given_up_frees_its_connection(
    clients: Clients, pretend: PretendPayPal
) -> None:
    client = clients.client(CallLimits(connections_max=1))
    await client.paypal.order(ORDER_ID)
    pretend.behave("order", "hold")
    call = asyncio.create_task(client.paypal.order(ORDER_ID))
    await asyncio.to_thread(pretend.wait_until_held, "order")

    call.cancel()
    await asyncio.wait({call})

    assert await client.paypal.order(ORDER_ID) is None


def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
