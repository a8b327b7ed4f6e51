"""Time goes on over a restart, though the wall clock was set back meanwhile."""

import sys
from pathlib import Path
from typing import Any

import httpx2

from orchestrion.core.instants import parse_instant
from tests.e2e.serving import Launch, Served, serving

Json = dict[str, Any]

HOUR = 3_600
# The program, on a machine whose wall clock is behind.
BEHIND = """
import sys, time
behind, real = float(sys.argv.pop(1)), time.time
time.time = lambda: real() - behind
from orchestrion.cli import main
main()
"""


def behind(seconds: float) -> Launch:
    return Launch(program=(sys.executable, "-c", BEHIND, str(seconds)))


def post(served: Served, key: str, path: str, body: object) -> Json:
    headers = {"Authorization": f"Bearer {key}"}
    answer = httpx2.post(f"{served.url()}{path}", json=body, headers=headers)
    assert answer.status_code < 300, answer.text
    found: Json = answer.json()
    return found


def instant(text: str) -> int:
    found = parse_instant(text)
    assert found is not None
    return found


def test_time_does_not_run_backwards_over_a_restart(tmp_path: Path) -> None:
    database = tmp_path / "orchestrion.db"
    new = {"type": "report", "payload": {}}
    with serving(database) as served:
        key = served.first_key()
        created = [post(served, key, "/v1/tasks", new) for _ in range(5)]
        served.kill()

    for wall in (behind(HOUR), behind(0), behind(2 * HOUR)):
        with serving(database, launch=wall) as served:
            created += [post(served, key, "/v1/tasks", new) for _ in range(5)]
            served.kill()

    times = [instant(task["createdAt"]) for task in created]
    ids = [task["id"] for task in created]
    assert times == sorted(times)
    assert ids == sorted(ids)


def test_a_lease_runs_out_on_time_though_the_wall_clock_was_set_back(tmp_path: Path) -> None:
    """Else every lease would last an hour longer."""
    database = tmp_path / "orchestrion.db"
    new = {"type": "report", "payload": {}, "leaseDurationSeconds": 30}
    with serving(database) as served:
        key = served.first_key()
        task = post(served, key, "/v1/tasks", new)
        claimed = post(served, key, "/v1/tasks/claim", {"type": "report"})
        served.kill()

    with serving(database, launch=behind(HOUR)) as served:
        headers = {"Authorization": f"Bearer {key}"}
        shown = httpx2.get(f"{served.url()}/v1/tasks/{task['id']}", headers=headers).json()

    assert shown["leaseExpiresAt"] == claimed["task"]["leaseExpiresAt"]
    assert 0 <= shown["agent_contract"]["lease_expires_in_seconds"] <= 30
