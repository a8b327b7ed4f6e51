"""No API key is anywhere but with its owner: not in the file, the logs, the metrics, not once."""

import hashlib
import json
import os
import re
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.request import urlopen

import apsw
import httpx2
import pytest

from orchestrion.core import ids
from orchestrion.store.sqlite import operator
from tests.e2e.serving import PATIENCE_SECONDS, Served, serving

ANY_KEY = re.compile(rb"orch_live_[0-9a-f]{8}", re.ASCII)
# Long enough that no random match comes, short enough that a cut key is found.
PIECE_LENGTH = 16
CONTROLS = re.compile(rb"[\x00-\x09\x0b-\x1f\x7f]|\xe2\x80[\xa8-\xae]|\xc2[\x80-\x9f]")
TASK = {"type": "secret", "payload": {"page": 1}}
ESCAPES = '\x1b[31m\r\n{"level":"error"}\x7f\u0085\u2028\u202e'


class Scene:
    """A server, the keys it issued, and keys that it never should have heard of."""

    def __init__(self, served: Served, client: httpx2.Client) -> None:
        self.served = served
        self.client = client
        self.issued: list[str] = []
        self.wrong: list[str] = []

    def files(self) -> dict[str, bytes]:
        """Read everything the server keeps beside its database."""
        return {
            path.name: path.read_bytes()
            for path in self.served.database.parent.iterdir()
            if path.is_file()
        }

    def metrics(self) -> bytes:
        page = f"http://127.0.0.1:{self.served.metrics_port}/metrics"
        with urlopen(page, timeout=PATIENCE_SECONDS) as answer:
            text: bytes = answer.read()
        assert b"orchestrion" in text
        return text

    def get(self, path: str, key: str = "", **headers: str) -> httpx2.Response:
        return self.client.get(path, headers={**bearer(key), **headers})

    def post(self, path: str, key: str, body: object) -> httpx2.Response:
        return self.client.post(path, headers=bearer(key), json=body)


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"} if key else {}


def mistyped(key: str) -> str:
    """The key with one digit changed, as a hand would."""
    return key[:40] + ("0" if key[40] != "0" else "1") + key[41:]


def invented() -> str:
    """A key of the right form that was never issued."""
    return ids.api_key(os.urandom(ids.KEY_ENTROPY_BYTES))


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with (
        serving(tmp_path / "data" / "orchestrion.db") as served,
        httpx2.Client(base_url=served.url(), timeout=PATIENCE_SECONDS) as client,
    ):
        yield Scene(served, client)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "data"
    made.mkdir()
    return made


def test_after_a_busy_run_no_key_stands_anywhere(scene: Scene) -> None:
    first = scene.served.first_key()
    scene.issued = [first, *register(scene), by_hand(scene)]
    scene.wrong = [mistyped(first), invented(), invented()]

    for key in scene.issued:
        work(scene, key)
    for key in scene.issued + scene.wrong:
        show_everywhere(scene, key)
        send_garbage(scene, key)
    for table in ("api_keys", "tasks"):
        with broken(scene.served.database, table):
            provoke_faults(scene)
    for key in scene.issued:
        work(scene, key)

    # Looked at while it runs, when the WAL is full, and again when everything is closed.
    running = {**scene.files(), "metrics": scene.metrics()}
    assert scene.served.stop() == 0
    stopped = scene.files()
    everything = {**running, **{f"{name} after": data for name, data in stopped.items()}}
    everything["log"] = scene.served.log
    assert {"orchestrion.db", "orchestrion.db-wal", "orchestrion.db-shm"} <= running.keys()
    assert "orchestrion.db-lock" in running
    for name, data in everything.items():
        assert found_in(data, scene.issued + scene.wrong) == [], name
        assert ANY_KEY.search(data) is None, name
    assert seen_by_hash(running, scene.issued) == scene.issued
    assert sum(line["event"] == "request_failed" for line in scene.served.lines) >= 3
    assert welcomed_once(scene.served.stdout, first)


def test_a_key_is_printed_at_the_first_start_only(scene: Scene) -> None:
    key = scene.served.first_key()
    assert scene.served.stop() == 0

    with serving(scene.served.database) as again:
        with httpx2.Client(base_url=again.url(), timeout=PATIENCE_SECONDS) as client:
            assert client.get("/v1/tasks", headers=bearer(key)).status_code == 200
        assert again.stop() == 0

    assert ANY_KEY.search(again.stdout.encode()) is None
    assert ANY_KEY.search(again.log) is None


def test_a_log_line_is_one_line_whatever_callers_write(scene: Scene) -> None:
    key = scene.served.first_key()
    worker = f"worker{ESCAPES}"
    scene.post("/v1/tasks", key, {"type": "noisy", "payload": {worker: worker}})
    claim = scene.post("/v1/tasks/claim", key, {"type": "noisy", "worker_id": worker}).json()
    path = f"/v1/tasks/{claim['task']['id']}"
    assert scene.post(f"{path}/fail", key, {"reason": worker}).status_code == 200
    with broken(scene.served.database, "tasks"):
        scene.post("/v1/tasks/claim", key, {"type": "noisy", "worker_id": worker})
        scene.client.get("/v1/tasks", params={"claimed_by": worker}, headers=bearer(key))
    scene.client.get("/v1/tasks/%1b%5b31m%0d%0a", headers=bearer(key))
    raw(scene, f"GET /\x1b[31m HTTP/1.1\r\nX-Request-Id: {ESCAPES}\r\n\r\n".encode())

    assert scene.served.stop() == 0

    log = scene.served.log
    assert CONTROLS.search(log) is None
    assert all(json.loads(line)["event"] for line in log.splitlines())
    assert b"worker" not in log
    assert b"31m" not in log


def register(scene: Scene) -> list[str]:
    answers = [scene.client.post("/v1/keys/register") for _ in range(3)]
    return [answer.json()["apiKey"] for answer in answers]


def by_hand(scene: Scene) -> str:
    return operator.create_key(scene.served.database, None, "owner@example.com").key


def work(scene: Scene, key: str) -> None:
    """Take a task through its life, with a key in the header of every request."""
    created = scene.post("/v1/tasks", key, {**TASK, "idempotencyKey": "one"})
    assert created.status_code == 201
    scene.post("/v1/tasks", key, TASK)
    claim = scene.post("/v1/tasks/claim", key, {"type": "secret", "worker_id": "w"}).json()
    path, token = f"/v1/tasks/{claim['task']['id']}", {"lease_token": claim["lease_token"]}
    assert scene.post(f"{path}/heartbeat", key, token).status_code == 200
    assert scene.post(f"{path}/fail", key, {**token, "reason": "no paper"}).status_code == 200
    assert scene.post(f"{path}/complete", key, token).status_code == 409
    assert scene.post(f"{path}/cancel", key, {}).status_code == 200
    assert scene.get("/v1/tasks?limit=1", key).status_code == 200
    assert scene.get("/v1/billing/status", key).status_code == 200


def show_everywhere(scene: Scene, key: str) -> None:
    """Send a key in every place where no key belongs; all of it is refused or ignored."""
    for path in (
        f"/v1/tasks?api_key={key}",
        f"/v1/tasks?q={key}",
        f"/v1/tasks?{key}",
        f"/v1/tasks?limit={key}",
        f"/v1/tasks?cursor={key}",
        f"/v1/tasks/{key}",
        f"/{key}",
        f"/v1/health?token={key}",
        f"/llms.txt?x={key}",
    ):
        scene.get(path)
        scene.get(path, key)
    for name in ("User-Agent", "Referer", "Cookie", "X-Request-Id", "Traceparent", key[:40]):
        scene.get("/v1/tasks", key, **{name: key})
    scene.get("/v1/tasks", **{"X-Request-Id": key[:64]})
    scene.get("/v1/tasks", Authorization=f"Basic {key}")
    scene.client.request(key[:40].upper(), "/v1/tasks")
    for body in ({"type": f"{key} "}, {"type": key, "payload": key}, {"planId": key}, [key]):
        for path in ("/v1/tasks", "/v1/tasks/claim", "/v1/billing/checkout", "/v1/keys/register"):
            scene.post(path, key, body)
    scene.client.post("/v1/tasks", headers=bearer(key), content=f'{{"{key}":"{key}')


def send_garbage(scene: Scene, key: str) -> None:
    for noise in (
        f"GET /{key} HTTP/9.9\r\n\r\n",
        f"{key}\r\n\r\n",
        f"GET / HTTP/1.1\r\nAuthorization: Bearer\r\n {key}\r\n\r\n",
        f"GET / HTTP/1.1\r\n{key}\r\n\r\n",
        f"GET / HTTP/1.1\r\nAuthorization: Bearer {key}\r\nX: {'x' * 40_000}\r\n\r\n",
        f"POST /v1/tasks HTTP/1.1\r\nAuthorization: Bearer {key}\r\nContent-Length: {key}\r\n\r\n",
    ):
        raw(scene, noise.encode())


def raw(scene: Scene, noise: bytes) -> None:
    port = int(scene.served.url().rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS) as connection:
        connection.sendall(noise)
        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 400 ")


@contextmanager
def broken(database: Path, table: str) -> Iterator[None]:
    """Take a table away from a running server, so that what needs it fails inside."""
    with closing(apsw.Connection(str(database))) as connection:
        connection.set_busy_timeout(PATIENCE_SECONDS * 1_000)
        connection.pragma("legacy_alter_table", "on")
        connection.execute(f"alter table {table} rename to away")
        yield
        connection.execute(f"alter table away rename to {table}")


def provoke_faults(scene: Scene) -> None:
    statuses: set[int] = set()
    # An invented key has to be looked up; those in use are remembered for some seconds.
    for key in [*scene.issued, *scene.wrong]:
        statuses.add(scene.post("/v1/tasks", key, TASK).status_code)
        statuses.add(scene.post("/v1/tasks/claim", key, {"type": "secret"}).status_code)
        statuses.add(scene.get("/v1/tasks", key).status_code)
    assert statuses & {500, 503}


def found_in(data: bytes, keys: list[str]) -> list[str]:
    """Name the keys of which any piece stands in the data."""
    return [
        key
        for key in keys
        for at in range(len("orch_live_"), len(key) - PIECE_LENGTH + 1)
        if key[at : at + PIECE_LENGTH].encode() in data
    ]


def seen_by_hash(files: dict[str, bytes], keys: list[str]) -> list[str]:
    """Name the keys whose hash is in a file: proof that the scan looks at the right bytes."""
    stored = b"".join(files.values())
    return [key for key in keys if hashlib.sha256(key.encode()).digest() in stored]


def welcomed_once(stdout: str, key: str) -> bool:
    """The one welcome shows the key and a line to paste; nothing else is printed."""
    shown = re.findall(r"orch_live_\w+", stdout)
    return shown == [key, key] and stdout.count("shown this once") == 1
