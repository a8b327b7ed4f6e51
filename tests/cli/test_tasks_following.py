"""Tasks as they change: `tasks create --wait`, `tasks watch` and `tasks tail`."""

import json
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from tests.cli.callers import Caller
from tests.cli.hints import next_command
from tests.cli.terminals import terminal
from tests.cli.test_tasks import claimed, created
from tests.e2e.serving import PATIENCE_SECONDS, PROGRAM, clean_variables

QUICK = ("--interval", "0.2")


def finish(caller: Caller, task_type: str, *how: str) -> None:
    """Do what a worker does with the next task of a type."""
    held = caller.json("tasks", "claim", task_type, "--wait", "20", "--worker-id", "w")
    verb, *rest = how
    caller.json("tasks", verb, held["task"]["id"], "--token", held["lease_token"], *rest)


def test_a_create_may_wait_for_the_result(caller: Caller) -> None:
    with terminal(
        *("tasks", "create", "waited", "{}", "--wait"), variables=caller.variables
    ) as screen:
        finish(caller, "waited", "complete", '{"words": 3}')
        assert screen.code() == 0

    assert '"words": 3' in screen.shown
    assert "-> completed in" in screen.shown


def test_off_a_terminal_the_whole_task_is_printed(caller: Caller) -> None:
    with ThreadPoolExecutor(1) as others:
        done = others.submit(finish, caller, "piped", "complete", '{"words": 3}')
        with running(caller, "tasks", "create", "piped", "--wait") as process:
            out, _ = process.communicate(timeout=PATIENCE_SECONDS)
        done.result()

    assert json.loads(out)["result"] == {"words": 3}
    assert process.returncode == 0


def test_a_task_that_dies_fails_who_waits_for_it(caller: Caller) -> None:
    task = created(caller, "dying", "--max-attempts", "1")
    token = claimed(caller, task["id"])
    caller.json("tasks", "fail", task["id"], "--token", token, "--reason", "no such page")

    result = caller.types("tasks", "watch", task["id"])

    assert result.exit_code == 1
    assert json.loads(result.stdout)["status"] == "dead_letter"
    assert "no such page" in result.stderr
    assert next_command(result.stderr) == ["dlq", "show", task["id"]]


def test_waiting_may_have_an_end(caller: Caller) -> None:
    result = caller.types("tasks", "create", "slow", "--wait", "--timeout", "0.2")

    assert result.exit_code == 1
    assert "is pending after 0.2 s" in result.stderr


def test_each_state_of_a_task_is_a_line(caller: Caller) -> None:
    task = created(caller, "stated")

    with terminal("tasks", "watch", task["id"], variables=caller.variables) as screen:
        screen.wait_for("pending")
        token = claimed(caller, task["id"])
        screen.wait_for("claimed")
        caller.json("tasks", "complete", task["id"], "--token", token)
        screen.wait_for("completed")
        assert screen.code() == 0


def test_one_object_is_the_last_state(caller: Caller) -> None:
    task = created(caller, "once")
    caller.json("tasks", "complete", task["id"], "--token", claimed(caller, task["id"]))

    assert caller.json("tasks", "watch", task["id"], "--json")["status"] == "completed"


def test_watch_wants_a_task_or_a_type(caller: Caller) -> None:
    assert caller.types("tasks", "watch").exit_code == 2


def test_a_type_is_watched_until_q_is_pressed(caller: Caller) -> None:
    with terminal(
        *("tasks", "watch", "--type", "looked", *QUICK), variables=caller.variables
    ) as screen:
        screen.wait_for("status")
        task = created(caller, "looked")
        screen.wait_for(task["id"])
        screen.press("q")
        assert screen.code() == 0


def test_a_type_is_a_stream_off_a_terminal(caller: Caller) -> None:
    first = created(caller, "streamed")

    with running(caller, "tasks", "watch", "--type", "streamed", *QUICK) as process:
        assert next_line(process)["id"] == first["id"]
        second = created(caller, "streamed")
        assert next_line(process)["id"] == second["id"]


def test_tail_prints_what_is_created_and_what_changes(caller: Caller) -> None:
    with running(caller, "tasks", "tail", *QUICK) as process:
        task = created(caller, "tailed")
        while (line := next_line(process))["id"] != task["id"]:
            pass
        assert line["status"] == "pending"
        caller.json("tasks", "cancel", task["id"])
        assert next_line(process)["status"] == "cancelled"
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_SECONDS) == 0


def test_tail_on_a_terminal_is_lines_for_people(caller: Caller) -> None:
    task = created(caller, "read")

    with terminal("tasks", "tail", "--type", "read", *QUICK, variables=caller.variables) as screen:
        screen.wait_for(f"{task['id']}  read  pending  attempt 0 of 3")
        screen.press("\x03")
        assert screen.code() == 0


@contextmanager
def running(caller: Caller, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [*PROGRAM, *arguments],
        env={**clean_variables(), **caller.variables},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def next_line(process: subprocess.Popen[str]) -> dict[str, object]:
    assert process.stdout
    return dict(json.loads(process.stdout.readline()))
