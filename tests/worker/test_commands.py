"""`orchestrion worker` as a process, at a real server."""

import signal
import time
from pathlib import Path

import httpx2
import pytest

from orchestrion import Orchestrion
from tests.e2e.serving import Served, serving
from tests.ports import free_port
from tests.worker.commands import APP, PATIENCE_SECONDS, running, wait_for, wait_until_gone

# Takes the descriptor that tells of signals, as event loops do.
LISTENING = """
@worker.startup
async def listen(state) -> None:
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, print)
"""
WRONG_KEY = "orch_live_" + "0" * 64


def test_a_module_s_worker_runs_until_sigterm(
    client: Orchestrion, folder: Path, served: Served, key: str
) -> None:
    port = free_port()
    arguments = ["run", "app:worker", "--concurrency", "3", "--health-port", str(port)]
    with running(arguments, folder, served, key) as program:
        task = client.tasks.create("double", {"number": 4})
        done = client.tasks.wait(task.id, timeout=PATIENCE_SECONDS)
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as probe:
            ready, metrics = probe.get("/readyz"), probe.get("/metrics")
        code = program.stop()

    assert done.result == {"twice": 8}
    assert ready.status_code == 200
    assert "orchestrion_worker_concurrency 3.0" in metrics.text
    assert code == 0
    assert f"takes double, sleep, block, dig from {served.url()}, 3 at once" in program.text


@pytest.mark.parametrize("kind", ["sleep", "block", "dig"])
def test_sigterm_charges_no_attempt_even_if_the_loop_is_blocked(
    client: Orchestrion, folder: Path, served: Served, key: str, kind: str
) -> None:
    with running(["run", "app:worker"], folder, served, key) as program:
        task = client.tasks.create(kind, {})
        wait_for(client, task.id, "claimed")
        code = program.stop()

    after = client.tasks.get(task.id)
    assert (after.status, after.attempt_count) == ("pending", 0)
    assert code == 0


def test_a_program_may_listen_to_signals_of_its_own(
    client: Orchestrion, folder: Path, served: Served, key: str
) -> None:
    (folder / "app.py").write_text(APP + LISTENING)
    with running(["run", "app:worker"], folder, served, key) as program:
        task = client.tasks.create("sleep", {})
        wait_for(client, task.id, "claimed")
        assert program.stop() == 0

    assert client.tasks.get(task.id).attempt_count == 0


def test_a_second_signal_ends_it_at_once(
    client: Orchestrion, folder: Path, served: Served, key: str
) -> None:
    with running(["run", "app:worker", "--grace", "60"], folder, served, key) as program:
        task = client.tasks.create("sleep", {})
        wait_for(client, task.id, "claimed")
        program.process.send_signal(signal.SIGINT)
        while "stops with 1 tasks" not in program.text:
            time.sleep(0.02)
        began = time.monotonic()
        code = program.stop(signal.SIGINT)

    assert code == 128 + signal.SIGINT
    assert time.monotonic() - began < 5


def test_only_the_types_asked_for_are_taken(
    client: Orchestrion, folder: Path, served: Served, key: str
) -> None:
    with running(["run", "app:worker", "--types", "double"], folder, served, key) as program:
        other = client.tasks.create("sleep", {})
        task = client.tasks.create("double", {"number": 1})
        client.tasks.wait(task.id, timeout=PATIENCE_SECONDS)
        assert client.tasks.get(other.id).status == "pending"
        assert program.stop() == 0


def test_a_server_that_restarts_needs_no_restart_of_the_worker(folder: Path) -> None:
    database, port = folder / "own.db", str(free_port())
    with serving(database, "--port", port) as first:
        key, url = first.first_key(), first.url()
        with (
            running(["run", "app:worker"], folder, first, key) as program,
            Orchestrion(url, key) as client,
        ):
            before = client.tasks.create("double", {"number": 1})
            client.tasks.wait(before.id, timeout=PATIENCE_SECONDS)
            assert first.stop() == 0
            with serving(database, "--port", port) as second:
                second.url()
                after = client.tasks.create("double", {"number": 2})
                done = client.tasks.wait(after.id, timeout=PATIENCE_SECONDS)
                assert program.stop() == 0

    assert done.result == {"twice": 4}
    assert done.attempt_count == 1


def test_a_wrong_key_is_said_in_a_line(folder: Path, served: Served) -> None:
    with running(["run", "app:worker"], folder, served, WRONG_KEY) as program:
        code = program.ended()

    assert code == 5
    assert "Traceback" not in program.text
    assert "invalid_api_key" in program.text
    assert program.said[-1].startswith("next: ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "nowhere:worker"], "no module 'nowhere'"),
        (["run", "app:other"], "app has no Worker named 'other'"),
        (["run", "app:worker", "--types", "double,what"], "no handler for what"),
        (["exec", "--type", "t", "--", "no-such-program"], "no program 'no-such-program'"),
        (["exec", "--type", "a b", "--", "cat"], "'a b' is no type of tasks"),
        (["exec", "--type", "t", "--type", "t", "--", "cat"], "'t' has a handler already"),
    ],
)
def test_what_cannot_run_is_said_in_a_line(
    folder: Path, served: Served, key: str, arguments: list[str], said: str
) -> None:
    with running(arguments, folder, served, key) as program:
        code = program.ended()

    assert code == 2
    assert said in program.said[0]
    assert program.said[1].startswith("next: ")
    assert len(program.said) == 2


def test_any_program_works_on_tasks(
    client: Orchestrion, tmp_path: Path, served: Served, key: str
) -> None:
    script = tmp_path / "work.sh"
    script.write_text(
        """
        payload=$(cat)
        case $payload in
          *good*) printf '{"payload": %s, "told": "%s %s %s"}' "$payload" \\
            "$ORCHESTRION_TASK_ID" "$ORCHESTRION_TASK_TYPE" "$ORCHESTRION_TASK_ATTEMPT" ;;
          *quiet*) ;;
          *text*) echo hello ;;
          *mute*) exit 7 ;;
          *) echo "first line" >&2; echo "disk is full" >&2; exit 3 ;;
        esac
        """
    )
    kinds = ("good", "quiet", "text", "mute", "bad")
    tasks = [client.tasks.create("shell", {"kind": kind}, max_attempts=1) for kind in kinds]
    arguments = ["exec", "--type", "shell", "--concurrency", "2", "--", "bash", str(script)]
    with running(arguments, tmp_path, served, key) as program:
        ids = [task.id for task in tasks]
        ended = client.tasks.wait_many(ids, timeout=PATIENCE_SECONDS)
        code = program.stop()

    good, quiet, text, mute, bad = ended
    assert good.result == {"payload": {"kind": "good"}, "told": f"{good.id} shell 1"}
    assert (quiet.status, quiet.result) == ("completed", None)
    assert (text.last_failure_reason or "").startswith("The program printed no JSON object")
    assert mute.last_failure_reason == "The program ended with exit code 7"
    assert bad.last_failure_reason == "disk is full"
    assert "first line\n" in program.text
    assert code == 0


def test_a_timeout_ends_a_program_and_all_it_started(
    client: Orchestrion, tmp_path: Path, served: Served, key: str
) -> None:
    script = tmp_path / "stuck.sh"
    script.write_text(f"trap '' TERM; sleep 600 & echo $! > {tmp_path}/child; wait; sleep 600")
    task = client.tasks.create("shell", {}, max_attempts=1)
    arguments = ["exec", "--type", "shell", "--timeout", "0.5", "--", "bash", str(script)]
    with running(arguments, tmp_path, served, key) as program:
        failed = client.tasks.wait(task.id, timeout=PATIENCE_SECONDS)
        child = int((tmp_path / "child").read_text())
        wait_until_gone(child)
        assert program.stop() == 0

    assert failed.last_failure_reason == "Timed out after 0.5 s"


def test_a_stop_gives_back_what_a_program_works_on(
    client: Orchestrion, tmp_path: Path, served: Served, key: str
) -> None:
    task = client.tasks.create("shell", {})
    arguments = ["exec", "--type", "shell", "--grace", "0.1", "--", "sleep", "60"]
    with running(arguments, tmp_path, served, key) as program:
        wait_for(client, task.id, "claimed")
        assert program.stop() == 0

    after = client.tasks.get(task.id)
    assert (after.status, after.attempt_count) == ("pending", 0)


def test_changed_source_is_taken_up(
    client: Orchestrion, folder: Path, served: Served, key: str
) -> None:
    with running(["run", "app:worker", "--reload"], folder, served, key) as program:
        first = client.tasks.create("double", {"number": 4})
        client.tasks.wait(first.id, timeout=PATIENCE_SECONDS)
        (folder / "app.py").write_text(APP.replace("2 * payload", "3 * payload"))
        while "starting again" not in program.text:
            time.sleep(0.02)
        second = client.tasks.create("double", {"number": 4})
        done = client.tasks.wait(second.id, timeout=PATIENCE_SECONDS)
        code = program.stop()

    assert done.result == {"twice": 12}
    assert code == 0


def test_a_worker_that_breaks_waits_for_its_source_to_change(
    client: Orchestrion, folder: Path, served: Served, key: str
) -> None:
    (folder / "app.py").write_text("worker = 1 / 0\n")
    with running(["run", "app:worker", "--reload"], folder, served, key) as program:
        while "starts again when the source changes" not in program.text:
            time.sleep(0.02)
        (folder / "app.py").write_text(APP)
        task = client.tasks.create("double", {"number": 4})
        done = client.tasks.wait(task.id, timeout=PATIENCE_SECONDS)
        assert program.stop() == 0

    assert done.result == {"twice": 8}
