"""Settings given to the program reach the part of the service they are about."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2

from tests.e2e.serving import PATIENCE_SECONDS, serving
from tests.http.callers import next_actions

ORIGIN = "https://a.example"
STRANGER = "https://b.example"
REGISTRATIONS_MAX = 10


@contextmanager
def client_of(database: Path, *flags: str) -> Iterator[httpx2.Client]:
    """Serve with these flags, and give a client that holds the server's first key."""
    with serving(database, *flags) as served:
        headers = {"Authorization": f"Bearer {served.first_key()}"}
        with httpx2.Client(
            base_url=served.url(), headers=headers, timeout=PATIENCE_SECONDS
        ) as client:
            yield client


def register(client: httpx2.Client, forwarded: str) -> int:
    headers = {"X-Forwarded-For": forwarded}
    return client.post("/v1/keys/register", headers=headers).status_code


def test_addresses_forwarded_by_a_trusted_proxy_count_apart(tmp_path: Path) -> None:
    flags = ("--trusted-proxies", "127.0.0.1/32")
    with client_of(tmp_path / "orchestrion.db", *flags) as client:
        first = [register(client, "198.51.100.1") for _ in range(REGISTRATIONS_MAX)]
        other = register(client, "198.51.100.2")
        eleventh = register(client, "198.51.100.1")

    assert first == [201] * REGISTRATIONS_MAX
    assert other == 201
    assert eleventh == 429


def test_forwarded_addresses_count_for_nothing_unless_a_proxy_is_named(tmp_path: Path) -> None:
    with client_of(tmp_path / "orchestrion.db") as client:
        first = [register(client, f"198.51.100.{n}") for n in range(REGISTRATIONS_MAX)]
        eleventh = register(client, "203.0.113.1")

    assert first == [201] * REGISTRATIONS_MAX
    assert eleventh == 429


def test_a_page_of_a_named_origin_may_read_keyed_routes(tmp_path: Path) -> None:
    with client_of(tmp_path / "orchestrion.db", "--cors-origins", ORIGIN) as client:
        named = client.get("/v1/tasks", headers={"Origin": ORIGIN})
        strange = client.get("/v1/tasks", headers={"Origin": STRANGER})

    assert (named.status_code, strange.status_code) == (200, 200)
    assert named.headers["access-control-allow-origin"] == ORIGIN
    assert "access-control-allow-origin" not in strange.headers


def test_the_output_of_a_task_is_downloaded_from_the_given_service(tmp_path: Path) -> None:
    flags = ("--artifact-base-url", "https://x.example")
    with client_of(tmp_path / "orchestrion.db", *flags) as client:
        client.post("/v1/tasks", json={"type": "report", "payload": {}})
        claim = client.post("/v1/tasks/claim", json={"type": "report"}).json()
        completed = client.post(
            f"/v1/tasks/{claim['task']['id']}/complete",
            json={"lease_token": claim["lease_token"], "output_id": "out_1"},
        ).json()

    (download,) = (
        action for action in next_actions(completed) if action["action"] == "download_artifact"
    )
    assert download["endpoint"] == "https://x.example/v1/outputs/out_1/content"
