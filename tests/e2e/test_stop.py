"""SIGTERM under load: not ready at once, every accepted request finishes, and success."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import apsw
import httpx2

from tests.e2e.serving import (
    PATIENCE_SECONDS,
    PROGRAM,
    STOP_SECONDS,
    Launch,
    Served,
    clean_variables,
    serving,
)

CLIENTS = 16
# Makes its standard input the terminal that controls it, and becomes the program.
ON_A_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""
NEW = {"type": "report", "payload": {}}


class Load:
    """Clients that behave as those behind a load balancer do: they ask whom they are sent to."""

    def __init__(self, served: Served, key: str) -> None:
        self.served = served
        self.headers = {"Authorization": f"Bearer {key}"}
        self.not_ready = asyncio.Event()
        self.acknowledged: list[str] = []
        self.after_signal = 0
        self.signalled = False

    async def run(self) -> None:
        """Create tasks until the server says that it is not ready; every one must be answered."""
        async with httpx2.AsyncClient(
            base_url=self.served.url(), headers=self.headers, timeout=PATIENCE_SECONDS
        ) as client:
            await asyncio.gather(
                self._watch(client), *(self._create(client) for _ in range(CLIENTS))
            )

    async def _watch(self, client: httpx2.AsyncClient) -> None:
        while not self.not_ready.is_set():
            answer = await client.get("/readyz")
            if answer.status_code == 503:
                assert answer.json()["error"] == "server_error"
                self.not_ready.set()

    async def _create(self, client: httpx2.AsyncClient) -> None:
        while not self.not_ready.is_set():
            answer = await client.post("/v1/tasks", json=NEW)
            assert answer.status_code == 201, answer.text
            self.acknowledged.append(answer.json()["id"])
            self.after_signal += self.signalled
            if len(self.acknowledged) == 200:
                self.signalled = True
                self.served.process.send_signal(signal.SIGTERM)


def test_a_stop_under_load_answers_every_request_and_ends_well(tmp_path: Path) -> None:
    database = tmp_path / "orchestrion.db"
    with serving(database, "--drain-delay-seconds", "1") as served:
        load = Load(served, served.first_key())

        asyncio.run(load.run())
        began = time.monotonic()
        code = served.ended()

    assert code == 0
    assert time.monotonic() - began < STOP_SECONDS
    assert load.after_signal > 0
    kept = apsw.Connection(str(database))
    assert kept.execute("select count(*) from tasks").get == len(load.acknowledged)
    kept.close()
    assert not database.with_name(database.name + "-wal").exists()
    assert [line for line in served.lines if line["level"] in {"warning", "error"}] == []


def test_a_request_half_sent_at_the_signal_is_heard_out(tmp_path: Path) -> None:
    with serving(tmp_path / "orchestrion.db") as served:
        key, port = served.first_key(), int(served.url().rsplit(":", 1)[1])
        body = b'{"type":"report","payload":{}}'
        head = (
            "POST /v1/tasks HTTP/1.1\r\nHost: localhost\r\n"
            f"Authorization: Bearer {key}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS) as client:
            client.sendall(head.encode() + body[:10])
            # The server has begun this request once a later one, on another line, is answered.
            httpx2.get(f"{served.url()}/livez")
            served.process.send_signal(signal.SIGTERM)
            served.wait_until(lambda: any(line["event"] == "stopping" for line in served.lines))

            client.sendall(body[10:])
            answer = b""
            while piece := client.recv(65_536):
                answer += piece

        assert answer.startswith(b"HTTP/1.1 201 ")
        assert b'"status":"pending"' in answer
        assert served.ended() == 0


def test_leases_outlive_a_stop(tmp_path: Path) -> None:
    database = tmp_path / "orchestrion.db"
    with serving(database) as served:
        headers = {"Authorization": f"Bearer {served.first_key()}"}
        httpx2.post(f"{served.url()}/v1/tasks", json=NEW, headers=headers)
        claimed = httpx2.post(
            f"{served.url()}/v1/tasks/claim", json={"type": "report"}, headers=headers
        ).json()

    with serving(database) as served:
        path = f"/v1/tasks/{claimed['task']['id']}/complete"
        body = {"lease_token": claimed["lease_token"]}
        completed = httpx2.post(f"{served.url()}{path}", json=body, headers=headers)

    assert completed.json()["status"] == "completed"


def test_a_hangup_ends_one_process_as_a_stop_does(tmp_path: Path) -> None:
    with serving(tmp_path / "orchestrion.db", "--drain-delay-seconds", "1") as served:
        url = served.url()
        served.process.send_signal(signal.SIGHUP)
        served.wait_until(lambda: b'"stopping"' in served.log)

        assert httpx2.get(f"{url}/readyz").status_code == 503
        assert served.ended() == 0

    assert [line["event"] for line in served.lines][-1] == "stopped"


def test_a_terminal_that_is_closed_ends_one_process_as_a_stop_does(tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        (sys.executable, "-c", ON_A_TERMINAL, *PROGRAM, "serve", "--port", "0"),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=tmp_path,
        env=clean_variables(),
        start_new_session=True,
    )
    os.close(theirs)
    said = b""
    while b"AGENTS.md" not in said:
        said += os.read(ours, 1 << 16)
    os.close(ours)

    assert process.wait(STOP_SECONDS) == 0


def test_a_process_that_shall_outlive_its_terminal_takes_no_notice_of_it(tmp_path: Path) -> None:
    nohup = ("sh", "-c", 'trap "" HUP; exec "$0" "$@"')
    launch = Launch(program=(*nohup, *PROGRAM), folder=tmp_path)
    with serving(tmp_path / "orchestrion.db", launch=launch) as served:
        url = served.url()
        served.process.send_signal(signal.SIGHUP)

        assert httpx2.get(f"{url}/readyz").status_code == 200
        assert b'"stopping"' not in served.log
