"""How real commands end at a real server: the exit code, and what stands on which stream."""

import json
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from orchestrion.cli.endings import BY_CODE
from orchestrion.cli.refusals import EXIT_CODES
from orchestrion.core.errors import ErrorCode
from tests.cli.callers import NOWHERE, Caller, calling
from tests.cli.hints import next_command
from tests.e2e.serving import PATIENCE_SECONDS, PROGRAM, clean_variables

UNKNOWN = "tsk_00000000000000000000000000"
ONE_WORKER = """



[plans.free]
name = "Tiny"
price_usd = 0
max_workers = 1
tasks_per_cycle = 2
claims_per_hour = 100
creates_per_hour = 100
retention_days = 1
"""

Typed = subprocess.CompletedProcess[str]
Types = Callable[..., Typed]


def types(variables: Mapping[str, str], *arguments: str) -> Typed:
    return subprocess.run(
        [*PROGRAM, *arguments],
        env={**clean_variables(), **variables},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


def test_0_data_alone_goes_to_stdout(caller: Caller) -> None:
    run = types(caller.variables, "tasks", "create", "hello", '{"name": "world"}')

    assert run.returncode == 0
    assert json.loads(run.stdout)["payload"] == {"name": "world"}
    assert run.stdout.count("\n") == 1
    assert next_command(run.stderr)[:2] == ["tasks", "watch"]


REFUSED = [
    (1, ("plan", "upgrade", "basic"), ["plan", "show"]),
    (2, ("tasks", "bogus"), ["tasks", "--help"]),
    (2, ("bogus",), ["--help"]),
    (2, ("--bogus",), ["--help"]),
    (2, ("tasks", "get", "--url"), ["tasks", "get", "--help"]),
    (2, ("openapi", "--check"), ["openapi", "--help"]),
    (2, ("tasks", "create", "hello", "--priority", "101"), ["tasks", "create", "--help"]),
    (2, ("tasks", "create", "no type!"), ["tasks", "create", "--help"]),
    (3, ("tasks", "get", UNKNOWN), ["tasks", "list"]),
    (3, ("plan", "verify", "pur_0"), ["plan", "verify", "--help"]),
    (5, ("tasks", "list", "--key", "orch_live_" + "0" * 64), ["keys", "register"]),
    (7, ("tasks", "list", "--url", NOWHERE), ["doctor", f"--url={NOWHERE}"]),
]


@pytest.mark.parametrize(("code", "arguments", "step"), REFUSED, ids=str)
def test_an_error_ends_with_its_code_and_the_next_command(
    caller: Caller, code: int, arguments: tuple[str, ...], step: list[str]
) -> None:
    run = types(caller.variables, *arguments)

    assert (run.returncode, run.stdout) == (code, "")
    assert run.stderr.startswith("orchestrion: ")
    assert next_command(run.stderr) == step
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("tasks", "get", "."),
        *(("tasks", "claim", "hello", f"--wait={wait}") for wait in ("inf", "nan", "-1")),
        *(("tasks", "create", "hello", "--wait", f"--timeout={text}") for text in ("inf", "nan")),
        ("tasks", "create", "hello", "{}", "--run-at", "+999999999d"),
        ("tasks", "create", "hello", "{}", "--key", ""),
        ("tasks", "watch", UNKNOWN, "--timeout=nan"),
        ("plan", "verify", "pur_0", "--wait=nan"),
        *(("tasks", "tail", "--interval=nan"), ("top", "--interval=nan")),
        ("bench", "--seconds=nan"),
        ("tasks", "claim", "--id", ""),
        ("dlq", "requeue", ".."),
        ("tasks", "create", "\udcff"),
        ("tasks", "create", "hello", "\udcff"),
        ("plan", "verify", "\udcff"),
        ("tasks", "list", "--url", "http://\udcff"),
        ("tasks", "list", "--url", "ftp://nowhere"),
        ("tasks", "list", "--key", "a\nb"),
    ],
    ids=" ".join,
)
def test_2_what_cannot_be_sent(caller: Caller, arguments: tuple[str, ...]) -> None:
    result = caller.types(*arguments)

    assert (result.exit_code, result.stdout) == (2, "")
    assert next_command(result.stderr)[-1] == "--help"


def test_4_a_lease_that_is_another_s(caller: Caller) -> None:
    task = caller.json("tasks", "create", "held")
    caller.json("tasks", "claim", "--id", task["id"])

    run = types(caller.variables, "tasks", "complete", task["id"], "--token", "lse_another")

    assert (run.returncode, run.stdout) == (4, "")
    assert next_command(run.stderr) == ["tasks", "get", task["id"]]


def test_5_no_key(caller: Caller) -> None:
    run = types({"ORCHESTRION_URL": caller.url, "XDG_CONFIG_HOME": "/nowhere"}, "tasks", "list")

    assert (run.returncode, next_command(run.stderr)) == (5, ["keys", "register"])


def test_6_a_quota_that_is_used_up(tmp_path: Path) -> None:
    (tmp_path / "plans.toml").write_text(ONE_WORKER)

    with calling(tmp_path, "--plans", str(tmp_path / "plans.toml")) as caller:
        for _ in range(2):
            caller.json("tasks", "create", "hello")
        run = types(caller.variables, "tasks", "create", "hello")
        caller.json("tasks", "claim", "hello")
        full = types(caller.variables, "tasks", "claim", "hello")

    assert (run.returncode, run.stdout) == (6, "")
    assert next_command(run.stderr) == ["plan", "show"]
    assert full.returncode == 6
    assert next_command(full.stderr) == ["tasks", "claim", "hello"]


def test_7_nobody_listens_on_this_machine(tmp_path: Path) -> None:
    run = types({"XDG_CONFIG_HOME": str(tmp_path), "ORCHESTRION_URL": NOWHERE}, "stats")

    assert (run.returncode, next_command(run.stderr)) == (7, ["serve"])


def test_a_key_that_was_typed_is_not_repeated(caller: Caller) -> None:
    for spelled in (("--key", caller.key), (f"--api-key={caller.key}",)):
        run = types({}, "tasks", "claim", "empty", "--url", caller.url, *spelled)

        assert run.returncode == 0
        assert caller.key not in run.stderr
        assert next_command(run.stderr)[:3] == ["tasks", "claim", "empty"]


def test_a_profile_leads_to_its_server(caller: Caller, tmp_path: Path) -> None:
    (tmp_path / "orchestrion").mkdir()
    text = f'[profiles.work]\nurl = "{caller.url}"\napi_key = "{caller.key}"\n'
    (tmp_path / "orchestrion" / "config.toml").write_text(text)
    variables = {"XDG_CONFIG_HOME": str(tmp_path), "ORCHESTRION_URL": NOWHERE}

    good = types(variables, "tasks", "create", "profiled", "--profile", "work")
    unknown = types(variables, "tasks", "list", "--profile", "home")

    assert good.returncode == 0, good.stderr
    assert next_command(good.stderr)[-1] == "--profile=work"
    assert (unknown.returncode, unknown.stdout) == (2, "")


def test_every_error_code_has_its_exit_code() -> None:
    assert set(BY_CODE) == set(ErrorCode)
    assert {kind.exit_code for kind in BY_CODE.values()} | {0, 7} == set(EXIT_CODES)
