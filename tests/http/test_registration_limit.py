"""Ten registrations an hour from one address, whatever the catalogue."""

import ipaddress
from collections.abc import Sequence

import pytest

from orchestrion.core.plans import HOSTED, SELF_HOSTED, Catalogue
from orchestrion.service import ServiceOptions
from tests.databases import Database
from tests.harness import Harness, running
from tests.http.callers import Response, limit_left, limit_policy, ok, recommended, refused, visitor

PROXY = "10.0.0.1"
TRUSTING = ServiceOptions(
    trusted_proxies=(ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8"))
)


async def register(service: Harness, peer: str, forwarded: str = "") -> Response:
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    return await visitor(service, peer).post("/v1/keys/register", headers=headers)


async def fill(service: Harness, peers: Sequence[str], forwarded: str = "") -> None:
    """Register ten times, from these peers in turn."""
    for number in range(10):
        ok(await register(service, peers[number % len(peers)], forwarded), 201)


@pytest.mark.parametrize("catalogue", [SELF_HOSTED, HOSTED], ids=["self-hosted", "hosted"])
async def test_the_eleventh_registration_in_an_hour_is_refused(
    catalogue: Catalogue, database: Database
) -> None:
    async with running(database, ServiceOptions(catalogue=catalogue)) as service:
        for left in range(9, -1, -1):
            response = await register(service, "198.51.100.1")
            ok(response, 201)
            assert limit_left(response) == ("registrations", left, 3600)
            assert limit_policy(response) == ("registrations", 10, 3600)

        response = await register(service, "198.51.100.1")
        answer = refused(response, 429, "rate_limited")
        assert response.headers["retry-after"] == "3600"
        assert recommended(answer)["endpoint"] == "/v1/keys/register"
        service.clock.advance(3599.999)
        refused(await register(service, "198.51.100.1"), 429, "rate_limited")
        service.clock.advance(0.001)
        ok(await register(service, "198.51.100.1"), 201)


async def test_addresses_are_counted_apart(service: Harness) -> None:
    await fill(service, ["198.51.100.1"])

    ok(await register(service, "198.51.100.2"), 201)
    refused(await register(service, "198.51.100.1"), 429, "rate_limited")


async def test_hosts_of_one_ipv6_site_count_together(service: Harness) -> None:
    await fill(service, ["2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:DB8:1:2:0:0:0:a"])

    refused(await register(service, "2001:db8:1:2:abcd::"), 429, "rate_limited")
    ok(await register(service, "2001:db8:1:3::1"), 201)


async def test_an_ipv4_address_written_as_ipv6_is_the_same(service: Harness) -> None:
    await fill(service, ["198.51.100.1", "::ffff:198.51.100.1"])

    refused(await register(service, "::ffff:198.51.100.1"), 429, "rate_limited")
    ok(await register(service, "::ffff:198.51.100.2"), 201)


async def test_a_forwarded_address_of_a_stranger_counts_for_nothing(service: Harness) -> None:
    for number in range(10):
        ok(await register(service, "198.51.100.1", f"203.0.113.{number}"), 201)

    refused(await register(service, "198.51.100.1", "203.0.113.99"), 429, "rate_limited")


async def test_behind_a_proxy_of_ours_the_client_is_counted(database: Database) -> None:
    async with running(database, TRUSTING) as service:
        await fill(service, [PROXY], "203.0.113.1")

        refused(await register(service, PROXY, "203.0.113.1"), 429, "rate_limited")
        ok(await register(service, PROXY, "203.0.113.2"), 201)
        ok(await register(service, PROXY), 201)


async def test_what_the_client_forwards_itself_is_not_believed(database: Database) -> None:
    async with running(database, TRUSTING) as service:
        for number in range(10):
            forwarded = f"192.0.2.{number}, 203.0.113.1"
            ok(await register(service, PROXY, forwarded), 201)

        refused(await register(service, PROXY, "192.0.2.99, 203.0.113.1"), 429, "rate_limited")


async def test_a_chain_of_our_proxies_is_followed_to_the_first_stranger(database: Database) -> None:
    async with running(database, TRUSTING) as service:
        await fill(service, [PROXY, "fd00::5"], "203.0.113.1, 10.2.3.4,10.9.9.9")

        refused(await register(service, PROXY, "203.0.113.1"), 429, "rate_limited")


async def test_a_forwarded_ipv6_site_counts_together(database: Database) -> None:
    async with running(database, TRUSTING) as service:
        await fill(service, [PROXY], "2001:db8:1:2::1")

        refused(await register(service, PROXY, "2001:db8:1:2::2"), 429, "rate_limited")


async def test_nonsense_from_a_proxy_counts_as_the_proxy(database: Database) -> None:
    async with running(database, TRUSTING) as service:
        for number in range(10):
            ok(await register(service, PROXY, f"nonsense-{number}"), 201)

        refused(await register(service, PROXY, "unknown"), 429, "rate_limited")


async def test_lines_of_a_repeated_forwarding_header_are_read_as_one(database: Database) -> None:
    async with running(database, TRUSTING) as service:
        headers = [("X-Forwarded-For", "203.0.113.1"), ("X-Forwarded-For", "10.2.3.4")]
        for _ in range(10):
            answer = await visitor(service, PROXY).post("/v1/keys/register", headers=headers)
            ok(answer, 201)

        refused(await register(service, PROXY, "203.0.113.1"), 429, "rate_limited")
        ok(await register(service, PROXY, "10.2.3.4"), 201)


async def test_a_closed_door_counts_nobody_in(database: Database) -> None:
    closed = ServiceOptions(registration="closed")
    async with running(database, closed) as service:
        for _ in range(10):
            refused(await register(service, "198.51.100.1"), 404, "invalid_request")
        refused(await register(service, "198.51.100.1"), 429, "rate_limited")


@pytest.mark.parametrize(
    "written", ["203.0.113.1:50123", "[2001:db8:1:2::1]:443", "[2001:db8:1:2::1]"]
)
async def test_a_port_behind_a_forwarded_address_is_no_part_of_it(
    written: str, database: Database
) -> None:
    async with running(database, TRUSTING) as service:
        await fill(service, [PROXY], written)

        bare = "203.0.113.1" if written.startswith("2") else "2001:db8:1:2::1"
        refused(await register(service, PROXY, bare), 429, "rate_limited")
        ok(await register(service, PROXY, "203.0.113.77"), 201)
