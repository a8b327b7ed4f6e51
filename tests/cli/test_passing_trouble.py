"""Commands that last outlive what passes: a server that is stopping, a rate limit, a proxy."""

import json
import signal
import subprocess
from collections.abc import Iterator

import pytest

from tests.cli.callers import Caller
from tests.cli.gateway import Gateway, Instead, before, refused
from tests.cli.terminals import terminal
from tests.cli.test_dlq import letters
from tests.cli.test_tasks import created
from tests.cli.test_tasks_following import next_line, running
from tests.e2e.serving import PATIENCE_SECONDS, PROGRAM, clean_variables

QUICK = ("--interval", "0.2")
# More than the client repeats by itself.
STOPPING = [refused(503, "server_error")] * 4
STRANGE = [Instead(status=200, body=b"<html>Be right back.</html>")]


class Behind(Caller):
    """Somebody whose way to the server leads through a gateway."""

    gateway: Gateway


@pytest.fixture
def behind(caller: Caller) -> Iterator[Behind]:
    with before(caller.url) as (gateway, url):
        behind = Behind(url, caller.key, caller.folder)
        behind.gateway = gateway
        yield behind


@pytest.mark.parametrize("trouble", [STOPPING, STRANGE], ids=["stopping", "strange"])
def test_tail_goes_on(caller: Caller, behind: Behind, trouble: list[Instead]) -> None:
    first = created(caller, "outlived")
    behind.gateway.instead.extend([None, *trouble])

    with running(behind, "tasks", "tail", "--type", "outlived", *QUICK) as process:
        while next_line(process)["id"] != first["id"]:
            pass
        second = created(caller, "outlived")
        while next_line(process)["id"] != second["id"]:
            pass
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_SECONDS) == 0

    assert not behind.gateway.instead


@pytest.mark.parametrize("trouble", [STOPPING, STRANGE], ids=["stopping", "strange"])
def test_top_goes_on_as_a_stream(behind: Behind, trouble: list[Instead]) -> None:
    behind.gateway.instead.extend([None, *trouble])

    with running(behind, "top", *QUICK) as process:
        assert "asOf" in next_line(process)
        assert "asOf" in next_line(process)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_SECONDS) == 0

    assert not behind.gateway.instead


def test_top_goes_on_as_a_picture(behind: Behind) -> None:
    behind.gateway.instead.extend([None, *STOPPING])

    with terminal("top", *QUICK, variables=behind.variables) as screen:
        screen.wait_for("q leaves")
        screen.wait_for("Not now.")
        screen.press("q")
        assert screen.code() == 0


def test_what_does_not_pass_ends_it(behind: Behind) -> None:
    wrong = refused(401, "invalid_api_key")
    denied = json.loads(wrong.body)
    denied["agent_contract"]["retryable"] = False
    behind.gateway.instead.extend([None, Instead(status=401, body=json.dumps(denied).encode())])

    for command in (("tasks", "tail"), ("top",)):
        with running(behind, *command, *QUICK) as process:
            assert process.wait(PATIENCE_SECONDS) == 5
        behind.gateway.instead.extend([None, Instead(status=401, body=json.dumps(denied).encode())])


def test_dead_letters_are_read_with_the_patience_of_their_requeue(
    caller: Caller, behind: Behind
) -> None:
    letters(caller, "patient", ["no"])
    # Longer than somebody at a terminal would wait for anything else.
    behind.gateway.instead.append(refused(429, "rate_limited", retry_after=11))

    with subprocess.Popen(
        [*PROGRAM, "dlq", "requeue", "--type", "patient", "-y"],
        env={**clean_variables(), **behind.variables},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stderr
            assert "Not now. Trying again in 1" in process.stderr.readline()
        finally:
            process.kill()


def test_an_interrupted_claim_is_given_back(caller: Caller, behind: Behind) -> None:
    task = created(caller, "stranded", "--max-attempts", "1")
    behind.gateway.kept_back = "/v1/tasks/claim"

    with running(behind, "tasks", "claim", "stranded", "--wait", "20") as process:
        assert behind.gateway.arrived.wait(PATIENCE_SECONDS)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_SECONDS) != 0

    found = caller.json("tasks", "get", task["id"])
    assert (found["status"], found["attemptCount"]) == ("pending", 0)
