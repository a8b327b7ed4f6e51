"""A real disk that is really full, and a backup beside a server at work."""

import subprocess
from pathlib import Path

import apsw
import httpx2
import pytest

from tests.e2e.serving import (
    PATIENCE_SECONDS,
    PROGRAM,
    Launch,
    Served,
    clean_variables,
    serving,
)

PAYLOAD = {"text": "x" * 20_000}
# A mount of its own in a namespace of its own: it goes when the process does.
SMALL_DISK = 'mount -t tmpfs -o size=4m tmpfs "$0" && exec "$@"'


def namespaces() -> list[tuple[str, ...]]:
    """Give the ways in which this machine lets us mount a small disk."""
    ways = [("unshare", "--mount"), ("unshare", "--mount", "--map-root-user")]
    return [way for way in ways if mounts(way)]


def mounts(way: tuple[str, ...]) -> bool:
    try:
        tried = subprocess.run(
            [*way, "sh", "-c", "mount -t tmpfs tmpfs /mnt"], capture_output=True, check=False
        )
    except FileNotFoundError:
        return False
    return tried.returncode == 0


class Caller:
    """A client that remembers which tasks were acknowledged."""

    def __init__(self, served: Served, key: str) -> None:
        self._client = httpx2.Client(
            base_url=served.url(),
            headers={"Authorization": f"Bearer {key}"},
            timeout=PATIENCE_SECONDS,
        )
        self.acknowledged: list[str] = []

    def create(self) -> httpx2.Response:
        """Create a large task."""
        body = {"type": "report", "payload": PAYLOAD}
        answer = self._client.post("/v1/tasks", json=body)
        if answer.status_code == 201:
            self.acknowledged.append(answer.json()["id"])
        return answer

    def missing(self) -> list[str]:
        """Name what was acknowledged and is not there."""
        return [
            task_id
            for task_id in self.acknowledged
            if self._client.get(f"/v1/tasks/{task_id}").status_code != 200
        ]

    def close(self) -> None:
        self._client.close()


def ids_in(database: Path) -> set[str]:
    connection = apsw.Connection(str(database))
    assert connection.pragma("integrity_check") == "ok"
    found = {task_id for (task_id,) in connection.execute("select id from tasks")}
    connection.close()
    return found


@pytest.mark.parametrize("way", namespaces()[:1], ids=" ".join)
def test_a_full_disk_refuses_writes_loses_nothing_and_work_resumes(
    tmp_path: Path, way: tuple[str, ...]
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    launch = Launch(program=(*way, "sh", "-c", SMALL_DISK, str(disk), *PROGRAM))
    with serving(disk / "orchestrion.db", launch=launch) as served:
        caller = Caller(served, served.first_key())
        inside = Path(f"/proc/{served.process.pid}/root{disk}")
        filler = inside / "filler"
        filler.write_bytes(bytes(1_500_000))

        answers = [caller.create() for _ in range(200)]
        refused = [answer for answer in answers if answer.status_code != 201]
        assert {answer.status_code for answer in refused} == {503}
        assert all(int(answer.headers["retry-after"]) > 0 for answer in refused)
        assert len(caller.acknowledged) > 10
        assert caller.missing() == []

        filler.unlink()
        assert [caller.create().status_code for _ in range(10)] == [201] * 10
        assert caller.missing() == []
        for file in inside.glob("orchestrion.db*"):
            (tmp_path / file.name).write_bytes(file.read_bytes())
        caller.close()

    assert set(caller.acknowledged) == ids_in(tmp_path / "orchestrion.db")


def test_a_backup_beside_a_server_at_work_is_one_a_server_starts_on(tmp_path: Path) -> None:
    database, copy = tmp_path / "orchestrion.db", tmp_path / "copy.db"
    with serving(database) as served:
        key = served.first_key()
        caller = Caller(served, key)
        for _ in range(20):
            caller.create()
        before = set(caller.acknowledged)

        copying = subprocess.Popen(
            [*PROGRAM, "db", "backup", str(copy), "--database", f"sqlite:///{database}"],
            env=clean_variables(),
            stdout=subprocess.PIPE,
        )
        while copying.poll() is None:
            assert caller.create().status_code == 201
        printed, _ = copying.communicate()
        caller.close()

    assert (copying.returncode, printed.decode()) == (0, f"{copy}\n")
    assert before <= ids_in(copy) <= set(caller.acknowledged)
    with serving(copy) as restored:
        caller = Caller(restored, key)
        caller.acknowledged = sorted(before)
        assert caller.missing() == []
        assert caller.create().status_code == 201
        caller.close()
