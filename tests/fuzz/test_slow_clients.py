"""Clients that are too slow are closed when their time is over, while others are served."""

from pathlib import Path

import httpx2

from orchestrion.api.serving.phases import ProtocolLimits
from tests.e2e.serving import serving
from tests.fuzz.crowd import Crowd, Manner, Slow

EACH = 500
LIMITS = ProtocolLimits()
# How long after its deadline a connection may be closed on a busy machine.
GRACE_SECONDS = 15.0
LIVES_MIN = 20
PAUSE_SECONDS = 0.1

HEAD = Manner(
    name="trickled head", begins=b"GET /v1/tasks HTTP/1.1\r\nHost: a\r\nX-A: ", trickles=b"a"
)
SILENT = Manner(name="silent")


def body(key: str) -> Manner:
    begins = (
        f"POST /v1/tasks HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\n"
        "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
    )
    return Manner(name="trickled body", begins=begins.encode(), trickles=b" ")


# The largest answer there is, and more of it than every buffer on the way takes in.
UNREAD = Manner(
    name="unread", begins=b"GET /v1/schema HTTP/1.1\r\nHost: a\r\n\r\n" * 2, reads=False
)


def test_slow_clients_are_closed_in_time_while_others_are_served(tmp_path: Path) -> None:
    with serving(tmp_path / "orchestrion.db") as served:
        url, key = served.url(), served.first_key()
        port = int(url.rpartition(":")[2])
        crowd = Crowd(
            port, [(HEAD, EACH // 2), (body(key), EACH // 2), (SILENT, EACH), (UNREAD, EACH)]
        )
        with crowd.watched(LIMITS.write_seconds + GRACE_SECONDS):
            lives = live_meanwhile(url, key, crowd)

        assert lives >= LIVES_MIN
        assert_closed(crowd.of("trickled head"), LIMITS.head_seconds)
        assert_closed(crowd.of("trickled body"), LIMITS.body_seconds)
        assert_closed(crowd.of("silent"), LIMITS.head_seconds)
        assert_closed(crowd.of("unread"), LIMITS.write_seconds)
        # Whoever was late is told so; whoever said nothing is told nothing.
        for client in crowd.of("trickled head") + crowd.of("trickled body"):
            assert client.received.startswith(b"HTTP/1.1 400 "), client.received
            assert b"took too long" in client.received
        assert {client.received for client in crowd.of("silent")} == {b""}
        assert {line["level"] for line in served.lines} == {"info"}


def live_meanwhile(url: str, key: str, crowd: Crowd) -> int:
    """Create, claim and complete one task after another until the crowd is gone; counts them."""
    lives = 0
    headers = {"Authorization": f"Bearer {key}"}
    with httpx2.Client(base_url=url, headers=headers, timeout=GRACE_SECONDS) as client:
        while not crowd.over.wait(PAUSE_SECONDS):
            created = client.post("/v1/tasks", json={"type": "served", "payload": {}})
            assert created.status_code == 201, created.text
            claim = client.post(f"/v1/tasks/{created.json()['id']}/claim", json={}).json()
            done = client.post(
                f"/v1/tasks/{created.json()['id']}/complete",
                json={"lease_token": claim["lease_token"]},
            )
            assert done.status_code == 200, done.text
            lives += 1
    return lives


def assert_closed(clients: list[Slow], deadline_seconds: float) -> None:
    ages = [client.closed_after for client in clients]
    late = [age for age in ages if age is None or age > deadline_seconds + GRACE_SECONDS]
    assert ages
    assert late == [], f"{len(late)} of {len(ages)}: {late[:5]}"
    # Nobody is thrown out before the time is over that is granted.
    assert min(age for age in ages if age is not None) >= deadline_seconds - 1
