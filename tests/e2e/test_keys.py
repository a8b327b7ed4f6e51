"""Keys made and revoked by an operator beside a running server."""

import json
import subprocess
import time
from pathlib import Path

import httpx2

from tests.e2e.serving import PATIENCE_SECONDS, PROGRAM, clean_variables, serving

REVOKED_WITHIN_SECONDS = 5.0


def keys(database: Path, *arguments: str) -> str:
    run = subprocess.run(
        [*PROGRAM, "keys", *arguments, "--database", f"sqlite:///{database}"],
        env=clean_variables(),
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE_SECONDS,
    )
    return run.stdout.strip()


def test_a_key_works_at_once_and_is_refused_within_five_seconds_of_its_end(
    tmp_path: Path,
) -> None:
    database = tmp_path / "orchestrion.db"
    with serving(database) as served, httpx2.Client(base_url=served.url()) as client:
        first = {"Authorization": f"Bearer {served.first_key()}"}
        key = keys(database, "create")
        second = {"Authorization": f"Bearer {key}"}
        assert client.get("/v1/tasks", headers=second).status_code == 200
        key_id = json.loads(keys(database, "list").splitlines()[-1])["key_id"]

        keys(database, "revoke", key_id)
        revoked_at = time.monotonic()
        while client.get("/v1/tasks", headers=second).status_code == 200:
            assert time.monotonic() - revoked_at < REVOKED_WITHIN_SECONDS

        refused = client.get("/v1/tasks", headers=second)
        assert (refused.status_code, refused.json()["error"]) == (401, "invalid_api_key")
        assert client.get("/v1/tasks", headers=first).status_code == 200


def test_operators_know_no_limit_per_address(tmp_path: Path) -> None:
    database = tmp_path / "orchestrion.db"
    with serving(database) as served, httpx2.Client(base_url=served.url()) as client:
        registered = [client.post("/v1/keys/register").status_code for _ in range(11)]
        made = keys(database, "create")

        answer = client.get("/v1/tasks", headers={"Authorization": f"Bearer {made}"})

    assert registered == [201] * 10 + [429]
    assert answer.status_code == 200
