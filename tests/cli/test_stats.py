"""An account in numbers: once, and live."""

import json
import signal
import subprocess
from pathlib import Path

import pytest

from tests.cli.callers import Caller
from tests.cli.hints import next_command
from tests.cli.terminals import terminal
from tests.cli.test_tasks import created
from tests.e2e.serving import PATIENCE_SECONDS, PROGRAM, clean_variables, serving

QUICK = ("--interval", "0.2")


def test_numbers_are_one_object(caller: Caller) -> None:
    created(caller, "counted")

    numbers = caller.json("stats")

    assert numbers["counts"]["pending"] >= 1
    assert "agent_contract" in numbers


def test_people_see_a_table(caller: Caller) -> None:
    created(caller, "tabled")

    table = caller.sees("stats")

    assert table.split()[:5] == ["pending", "claimed", "completed", "dead_letter", "cancelled"]
    assert "per minute" in table


def test_the_hint_can_be_typed(caller: Caller) -> None:
    created(caller, "hinted")

    result = caller.types("stats")

    assert caller.types(*next_command(result.stderr)).exit_code == 0


@pytest.mark.parametrize("key", ["q", "\x03"], ids=["q", "ctrl-c"])
def test_top_is_left_by_a_key_and_leaves_the_terminal_as_it_was(caller: Caller, key: str) -> None:
    with terminal("top", *QUICK, variables=caller.variables) as screen:
        screen.wait_for("q leaves")
        screen.press("x")
        screen.wait_for("q leaves")
        screen.press(key)
        assert screen.code() == 0

    assert "Traceback" not in screen.shown
    # The screen that was there before is back, and so is the cursor.
    assert screen.shown.rindex("\x1b[?1049l") > screen.shown.rindex("\x1b[?1049h")
    assert screen.shown.rindex("\x1b[?25h") > screen.shown.rindex("\x1b[?25l")


def test_top_that_is_ended_leaves_the_terminal_as_it_was(caller: Caller) -> None:
    with terminal("top", *QUICK, variables=caller.variables) as screen:
        screen.wait_for("q leaves")
        screen.process.send_signal(signal.SIGTERM)
        assert screen.code() == 128 + signal.SIGTERM

    assert screen.shown.rindex("\x1b[?1049l") > screen.shown.rindex("\x1b[?1049h")


def test_top_stays_while_no_server_answers(tmp_path: Path) -> None:
    with serving(tmp_path / "tasks.db") as served:
        variables = {"ORCHESTRION_URL": served.url(), "ORCHESTRION_API_KEY": served.first_key()}
        with terminal("top", *QUICK, variables=variables) as screen:
            screen.wait_for("q leaves")
            served.kill()
            screen.wait_for("got no answer")
            screen.press("q")
            assert screen.code() == 0


def test_top_is_a_stream_off_a_terminal(caller: Caller) -> None:
    with subprocess.Popen(
        [*PROGRAM, "top", *QUICK],
        env={**clean_variables(), **caller.variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        lines = [json.loads(process.stdout.readline()) for _ in range(2)]
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_SECONDS) == 0

    assert lines[0]["asOf"] <= lines[1]["asOf"]
