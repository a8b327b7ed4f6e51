"""A server that is killed in the middle of setting its database up leaves nothing half done."""

import json
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from orchestrion.store.migrate import load_migrations
from tests.databases import POSTGRES, SQLITE, Databases
from tests.e2e.serving import PATIENCE_SECONDS, PROGRAM, Launch, clean_variables, serving

# Kills itself when a file has run and is to be recorded, before both are committed.
DYING = """
import os, signal, sys
from orchestrion.store import migrate

class Deadly:
    def __init__(self, real):
        self._real = real
        self._run = False
    def __getattr__(self, name):
        if name == "sql":
            self._run = True
        elif name == "name" and self._run:
            os.kill(os.getpid(), signal.SIGKILL)
        return getattr(self._real, name)

at, load = int(sys.argv.pop(1)), migrate.load_migrations
def deadly(package):
    found = load(package)
    found[at] = Deadly(found[at])
    return found
migrate.load_migrations = deadly

from orchestrion.cli import main
main(sys.argv[1:])
"""
KILLED = -9
FIRST, LAST = 0, -1


@pytest.mark.parametrize("at", [FIRST, LAST], ids=["first", "last"])
@pytest.mark.parametrize("kind", [SQLITE, POSTGRES])
def test_the_next_start_finishes_what_a_killed_one_began(
    kind: str, at: int, databases: Databases, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'begun.db'}" if kind == SQLITE else databases.postgres.bare()
    flags = ("--port", "0", "--database", url, "--log-format", "json")
    dead = subprocess.run(
        [sys.executable, "-c", DYING, str(at), "serve", *flags],
        env=clean_variables(),
        capture_output=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )

    assert dead.returncode == KILLED, dead.stderr
    assert b"orch_live_" not in dead.stdout
    with serving(Path(), launch=Launch(arguments=flags)) as served:
        headers = {"Authorization": f"Bearer {served.first_key()}"}
        made = httpx2.post(
            f"{served.url()}/v1/tasks", json={"type": "t", "payload": {}}, headers=headers
        )
        assert made.status_code == 201
    said = subprocess.run(
        [*PROGRAM, "db", "status", "--database", url],
        env=clean_variables(),
        stdout=subprocess.PIPE,
        # It also advises on settings, which a database for tests has otherwise.
        check=False,
        timeout=PATIENCE_SECONDS,
    ).stdout
    status = json.loads(said)
    known = load_migrations(f"orchestrion.store.{kind}")
    # Nobody can tell afterwards that no older program runs: the operator says when it is `post`.
    left = {one.name for one in known if one.phase == "post"} if at == LAST else set()
    assert set(status["outstanding"]) <= left
    assert len(status["applied"]) + len(status["outstanding"]) == len(known)
