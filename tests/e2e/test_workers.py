"""Several workers of one server: one port, no lost request, none left behind."""

import asyncio
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.databases import Databases
from tests.e2e.crew import Crew, crew_on, gone, until
from tests.e2e.serving import PATIENCE_SECONDS, PROGRAM, clean_variables, serving
from tests.ports import free_port, free_ports
from tests.postgres import PostgresServer

NEW = {"type": "report", "payload": {}}
CLIENTS = 8
SOON_SECONDS = 5
# The test server does without fsync.
AT_RISK = "database_at_risk"


@pytest.fixture
def database_url(databases: Databases) -> Iterator[str]:
    """Lend a database without any key."""
    with databases.postgres.made() as database:
        yield database.url


def typed(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, "serve", "--port", "0", *arguments],
        cwd=folder,
        env=clean_variables(),
        capture_output=True,
        text=True,
        check=False,
        timeout=2 * PATIENCE_SECONDS,
    )


def assert_one_line(run: subprocess.CompletedProcess[str]) -> None:
    assert run.stdout == ""
    assert run.stderr.startswith("orchestrion: ")
    line, step = run.stderr.splitlines()
    assert step.startswith("next: orchestrion serve "), line


class Load:
    """Clients that create tasks all the time, on connections kept and on new ones."""

    def __init__(self, crew: Crew, key: str) -> None:
        self._url = crew.url()
        self._headers = {"Authorization": f"Bearer {key}"}
        self.created: list[str] = []
        self.broken: list[str] = []
        self.ended = asyncio.Event()

    async def run(self) -> None:
        """Create until the end is told; every answer must be good."""
        async with asyncio.TaskGroup() as clients:
            for number in range(CLIENTS):
                clients.create_task(self._client(number))

    async def until_created(self, more: int) -> None:
        """Wait for so many more."""
        target = len(self.created) + more
        await asyncio.to_thread(until, lambda: len(self.created) >= target)

    async def _client(self, number: int) -> None:
        keeps = httpx2.Limits(max_keepalive_connections=number % 2)
        async with httpx2.AsyncClient(
            base_url=self._url, headers=self._headers, timeout=PATIENCE_SECONDS, limits=keeps
        ) as client:
            while not self.ended.is_set():
                try:
                    answer = await client.post("/v1/tasks", json=NEW)
                except httpx2.TransportError as error:
                    self.broken.append(repr(error))
                    continue
                assert answer.status_code == 201, answer.text
                self.created.append(answer.json()["id"])
                # Light: half the time nothing is asked.
                await asyncio.sleep(0.01)

    async def kept(self) -> bool:
        """Tell whether every acknowledged task is there."""
        async with httpx2.AsyncClient(base_url=self._url, headers=self._headers) as client:
            answers = [await client.get(f"/v1/tasks/{task}") for task in self.created]
        return all(answer.status_code == 200 for answer in answers)


# --- together


def test_workers_serve_one_port_with_metrics_and_logs_apart(database_url: str) -> None:
    with crew_on(database_url, 3) as crew:
        url = crew.url()
        asked = 0
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not all(crew.answered("check_liveness")):
            assert time.monotonic() < deadline
            with httpx2.Client(base_url=url) as client:
                assert client.get("/livez").status_code == 200
            asked += 1

        crew.wait_until(lambda: len(crew.events("request")) == asked)
        assert sum(crew.answered("check_liveness")) == asked
        told = [line["worker"] for line in crew.events("request")]
        assert [told.count(index) for index in range(3)] == crew.answered("check_liveness")
        assert httpx2.get(f"{url}/readyz").status_code == 200


def test_the_operator_is_greeted_once(databases: Databases) -> None:
    with crew_on(databases.postgres.bare(), 2) as crew:
        headers = {"Authorization": f"Bearer {crew.first_key()}"}
        url = crew.url()
        for _ in range(8):
            assert httpx2.get(f"{url}/v1/tasks", headers=headers).status_code == 200

    assert crew.stdout.count("Orchestrion serves") == 1
    assert crew.stdout.count("orch_live_") == 2  # the key, and the line that uses it


# --- one that dies


@pytest.mark.slow
def test_a_killed_worker_is_replaced_while_the_others_answer(database_url: str) -> None:
    with crew_on(database_url, 2) as crew:
        load = Load(crew, crew.first_key())
        old = crew.pids()

        async def kill_one() -> None:
            await load.until_created(20)
            os.kill(old[0], signal.SIGKILL)
            await load.until_created(100)
            await asyncio.to_thread(crew.wait_until, lambda: len(crew.events("started")) == 3)
            await load.until_created(20)
            load.ended.set()

        async def run() -> bool:
            await asyncio.gather(load.run(), kill_one())
            return await load.kept()

        assert asyncio.run(run())
        # What the dead one was answering is lost to its callers, and nothing else.
        assert len(load.broken) <= CLIENTS
        now = crew.pids()
        assert now[1] == old[1]
        assert now[0] != old[0]
        (died,) = crew.events("worker died")
        assert (died["worker"], died["reason"]) == (0, "ended by SIGKILL")


# --- stops


@pytest.mark.slow
def test_a_stop_under_load_answers_every_request_and_leaves_nobody(database_url: str) -> None:
    with crew_on(database_url, 2, "--drain-delay-seconds", "1") as crew:
        load = Load(crew, crew.first_key())
        pids = crew.pids()

        def not_ready() -> bool:
            return httpx2.get(f"{crew.url()}/readyz").status_code == 503

        async def stop() -> None:
            await load.until_created(50)
            crew.process.send_signal(signal.SIGTERM)
            await asyncio.to_thread(until, not_ready)
            await load.until_created(20)
            load.ended.set()

        async def run() -> None:
            await asyncio.gather(load.run(), stop())

        asyncio.run(run())
        assert crew.ended() == 0

    assert load.broken == []
    assert gone(list(pids.values()))
    assert {line["event"] for line in crew.lines if line["level"] != "info"} <= {AT_RISK}
    assert len(crew.events("stopped")) == 3


def test_an_interrupt_at_the_terminal_stops_as_a_signal_does(database_url: str) -> None:
    with crew_on(database_url, 2) as crew:
        crew.url()
        pids = crew.pids()
        crew.process.send_signal(signal.SIGINT)

        assert crew.ended() == 0
    assert gone(list(pids.values()))


def half_a_request(port: int, key: str) -> socket.socket:
    """Begin a request that keeps whoever accepted it from ending."""
    client = socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS)
    client.sendall(
        b"POST /v1/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Authorization: Bearer " + key.encode() + b"\r\nContent-Length: 30\r\n\r\n{"
    )
    return client


def test_a_second_signal_ends_every_worker_at_once(database_url: str) -> None:
    with crew_on(database_url, 2) as crew:
        key = crew.first_key()
        port = int(crew.url().rsplit(":", 1)[1])
        pids = list(crew.pids().values())
        with half_a_request(port, key):
            # It has been begun once a later one, on another line, is answered by each.
            until(lambda: _asked(crew) and all(crew.answered("check_liveness")))
            crew.process.send_signal(signal.SIGTERM)
            crew.wait_until(lambda: len(crew.events("stopping")) == 2)
            while crew.process.poll() is None:
                crew.process.send_signal(signal.SIGTERM)
                time.sleep(0.01)

            until(lambda: gone(pids))

        assert crew.process.returncode == -signal.SIGTERM


def _asked(crew: Crew) -> bool:
    return httpx2.get(f"{crew.url()}/livez").status_code == 200


def test_workers_do_not_outlive_a_killed_supervisor(database_url: str) -> None:
    with crew_on(database_url, 2) as crew:
        crew.url()
        pids = list(crew.pids().values())
        crew.kill()

        until(lambda: gone(pids))
        assert len(crew.events("stopped")) == 2
        with pytest.raises(httpx2.ConnectError):
            httpx2.get(f"{crew.url()}/livez")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_stop_while_the_database_does_not_answer_is_heeded(workers: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(PATIENCE_SECONDS)
        url = f"postgresql://127.0.0.1:{silent.getsockname()[1]}/a"
        with crew_on(url, workers) as crew:
            asked, _ = silent.accept()
            with asked:
                began = time.monotonic()
                assert crew.stop() == 0

    assert time.monotonic() - began < SOON_SECONDS
    assert {line["event"] for line in crew.lines} <= {"waiting for the database", "stopped"}


def test_callers_are_refused_and_do_not_hang_until_the_first_worker_serves() -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(PATIENCE_SECONDS)
        url = f"postgresql://127.0.0.1:{silent.getsockname()[1]}/a"
        with crew_on(url, 2, "--port", str(port)) as crew:
            asked, _ = silent.accept()
            with asked, pytest.raises(httpx2.ConnectError):
                httpx2.get(f"http://127.0.0.1:{port}/livez")
            assert crew.stop() == 0


@pytest.mark.slow
def test_workers_that_find_no_room_in_the_database_do_not_end_those_that_serve() -> None:
    with PostgresServer() as postgres:
        url = postgres.createdb("crowded").replace("postgres@", "serving@")
        # As many as one worker takes at once.
        postgres.psql("create role serving login connection limit 3")
        postgres.psql("alter database crowded owner to serving")
        with crew_on(url, 4) as crew:
            crew.wait_until(lambda: bool(crew.events("started")))
            served = str(crew.events("started")[0]["url"])
            until(lambda: bool(crew.events("worker did not start")), 3 * PATIENCE_SECONDS)

            assert httpx2.get(f"{served}/livez").status_code == 200
            assert crew.events("waiting for the database")
            refused = crew.events("worker cannot serve")
            assert "TooManyConnections" in refused[0]["message"]
            left = crew.events("worker did not start")
            assert {line["worker"] for line in left} <= {line["worker"] for line in refused}
            assert 0 not in {line["worker"] for line in refused}


# --- one after the other


@pytest.mark.slow
def test_a_rolling_restart_fails_no_request(database_url: str) -> None:
    with crew_on(database_url, 2, "--drain-delay-seconds", "2") as crew:
        load = Load(crew, crew.first_key())
        old = crew.pids()
        statuses: set[int] = set()

        async def watch_readiness() -> None:
            while not load.ended.is_set():
                async with httpx2.AsyncClient(base_url=crew.url()) as client:
                    statuses.add((await client.get("/readyz")).status_code)
                await asyncio.sleep(0.01)

        async def renew() -> None:
            await load.until_created(20)
            crew.process.send_signal(signal.SIGHUP)
            done = lambda: bool(crew.events("workers restarted"))  # noqa: E731
            await asyncio.to_thread(crew.wait_until, done)
            await load.until_created(20)
            load.ended.set()

        async def run() -> bool:
            await asyncio.gather(load.run(), renew(), watch_readiness())
            return await load.kept()

        assert asyncio.run(run())
        assert load.broken == []
        assert statuses == {200}
        assert set(old.values()).isdisjoint(crew.pids().values())
        assert gone(list(old.values()))
        assert sum(crew.answered("create_task")) > 0


@pytest.mark.slow
def test_a_restart_with_settings_that_cannot_be_leaves_the_workers(
    database_url: str, tmp_path: Path
) -> None:
    config = tmp_path / "orchestrion.toml"
    config.write_text('registration = "open"\n', "utf-8")
    with crew_on(database_url, 2, "--config", str(config)) as crew:
        url = crew.url()
        old = crew.pids()
        config.write_text('registration = "ajar"\n', "utf-8")
        crew.process.send_signal(signal.SIGHUP)
        until(lambda: b"restart given up" in crew.log)

        assert crew.pids() == old
        assert httpx2.post(f"{url}/v1/keys/register").status_code == 201

        config.write_text('registration = "closed"\n', "utf-8")
        crew.process.send_signal(signal.SIGHUP)
        until(lambda: b"workers restarted" in crew.log)
        assert httpx2.post(f"{url}/v1/keys/register").status_code == 404


# --- starts that are refused


def test_several_workers_on_a_file_are_refused_before_anything_starts(tmp_path: Path) -> None:
    run = typed("--workers", "2", "--database", "sqlite:///a.db", folder=tmp_path)

    assert run.returncode == 2
    assert_one_line(run)
    assert "workers cannot be 2 on a SQLite database" in run.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_database_that_is_not_there_is_one_line_from_one_worker(
    databases: Databases, tmp_path: Path
) -> None:
    url = databases.postgres.url_of("nowhere")

    run = typed("--workers", "3", "--database", url, folder=tmp_path)

    assert run.returncode == 1
    assert_one_line(run)
    assert "nowhere" in run.stderr


def test_a_port_in_use_is_one_line(database_url: str, tmp_path: Path) -> None:
    with serving(tmp_path / "a.db") as first:
        port = first.url().rsplit(":", 1)[1]
        run = typed("--workers", "2", "--port", port, "--database", database_url, folder=tmp_path)

    assert run.returncode == 1
    assert_one_line(run)
    assert "another program listens there" in run.stderr


def test_a_metrics_port_in_use_is_one_line(database_url: str, tmp_path: Path) -> None:
    first = free_ports(2)
    with socket.create_server(("127.0.0.1", first + 1)):
        run = typed(
            *("--workers", "2", "--metrics-port", str(first), "--database", database_url),
            folder=tmp_path,
        )

    assert run.returncode == 1
    assert_one_line(run)
    assert f":{first + 1} for metrics: another program listens there" in run.stderr


def test_ports_for_metrics_beyond_the_last_are_refused(tmp_path: Path) -> None:
    flags = ("--workers", "3", "--metrics-port", "65534")
    run = typed(*flags, "--database", "postgresql://localhost/a", folder=tmp_path)

    assert run.returncode == 2
    assert_one_line(run)
    assert "allowed is up to 65533" in run.stderr
