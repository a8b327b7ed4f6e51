import json
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path
from signal import SIGINT

import pytest

from orchestrion import Orchestrion
from orchestrion.cli.bench_latency import Stopwatch
from orchestrion.cli.bench_load import Allowance, Load
from tests.cli.callers import NOWHERE, Caller, calling
from tests.e2e.crew import until
from tests.e2e.serving import PATIENCE_SECONDS, PROGRAM, clean_variables

WRONG, NOT_ALLOWED, USED_UP, UNREACHABLE, INTERRUPTED = 2, 5, 6, 7, 130
OPERATIONS = {"create", "claim", "complete", "all three"}
TASKS = 60


@pytest.fixture(scope="module")
def caller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    with calling(tmp_path_factory.mktemp("served")) as caller:
        yield caller


def statuses(caller: Caller, task_type: str) -> list[str]:
    with Orchestrion(caller.url, caller.key) as client:
        return [task.status for task in client.tasks.iter(type=task_type)]


# --- callers


@pytest.mark.parametrize("batch", ["1", "7", "50"])
def test_every_task_is_lived_to_its_end(caller: Caller, batch: str) -> None:
    found = caller.json("bench", "--tasks", str(TASKS), "--workers", "4", "--batch", batch)

    assert found["tasks"] == TASKS
    assert statuses(caller, found["load"]["type"]) == ["completed"] * TASKS
    assert found["latencies_ms"].keys() == OPERATIONS
    for latency in found["latencies_ms"].values():
        assert 0 < latency["p50"] <= latency["p95"] <= latency["p99"] <= latency["max"]
    assert found["tasks_per_second"] == pytest.approx(TASKS / found["seconds"], rel=0.01)


def test_separate_calls_are_counted(caller: Caller) -> None:
    found = caller.json("bench", "--tasks", str(TASKS), "--workers", "4")

    counts = {name: latency["count"] for name, latency in found["latencies_ms"].items()}
    assert counts == dict.fromkeys(OPERATIONS, TASKS)
    assert found["calls_per_second"] == pytest.approx(3 * TASKS / found["seconds"], rel=0.01)


def test_it_ends_by_time_and_leaves_nothing_half_done(caller: Caller) -> None:
    found = caller.json("bench", "--seconds", "0.3", "--workers", "4")

    assert found["seconds"] >= 0.3
    assert statuses(caller, found["load"]["type"]) == ["completed"] * found["tasks"]


def test_a_payload_has_the_size_that_was_asked_for(caller: Caller) -> None:
    found = caller.json("bench", "--tasks", "1", "--workers", "1", "--payload", "1000")

    with Orchestrion(caller.url, caller.key) as client:
        (task,) = client.tasks.iter(type=found["load"]["type"])
    assert len(json.dumps(task.payload, separators=(",", ":"))) == 1000


def test_tasks_of_others_are_left_alone(caller: Caller) -> None:
    with Orchestrion(caller.url, caller.key) as client:
        mine = client.tasks.create("bench", {})

        caller.json("bench", "--tasks", "10", "--workers", "2")

        assert client.tasks.get(mine.id).status == "pending"


def test_what_was_found_is_kept_in_a_file(caller: Caller, tmp_path: Path) -> None:
    file = tmp_path / "report.json"

    found = caller.json("bench", "--tasks", "5", "--workers", "1", "--report", str(file))

    assert json.loads(file.read_text("utf-8")) == found


def test_a_file_that_cannot_be_written_is_found_out_before(caller: Caller, tmp_path: Path) -> None:
    file = tmp_path / "none" / "report.json"
    before = newest(caller)

    result = caller.types("bench", "--tasks", "5", "--workers", "1", "--report", str(file))

    assert (result.exit_code, result.stdout) == (1, "")
    assert f"cannot write {file}: No such file" in result.stderr
    assert newest(caller) == before


def newest(caller: Caller) -> list[str]:
    with Orchestrion(caller.url, caller.key) as client:
        return [task.id for task in client.tasks.list(limit=1).items]


def test_people_see_rates_and_latencies(caller: Caller) -> None:
    shown = caller.sees("bench", "--tasks", "20", "--workers", "2").splitlines()

    assert "tasks/s" in shown[-6]
    assert "20 tasks in" in shown[-6]
    assert shown[-5].split() == ["ms", "p50", "p95", "p99", "max", "count"]
    assert [line.split()[0] for line in shown[-4:]] == ["create", "claim", "complete", "all"]


# --- the worker runtime


def test_a_worker_handles_every_task(caller: Caller) -> None:
    found = caller.json("bench", "--mode", "worker", "--tasks", "250", "--workers", "20")

    assert (found["mode"], found["tasks"]) == ("worker", 250)
    assert found["latencies_ms"]["claimed to completed"]["count"] == 250
    assert statuses(caller, found["load"]["type"]) == ["completed"] * 250


def test_a_worker_goes_by_tasks(caller: Caller) -> None:
    result = caller.types("bench", "--mode", "worker", "--seconds", "1")

    assert (result.exit_code, result.stdout) == (WRONG, "")
    assert result.stderr.splitlines()[-1] == "next: orchestrion bench --help"


# --- what ends it before


@pytest.mark.parametrize("mode", ["requests", "worker"])
def test_a_wrong_key_ends_it(caller: Caller, mode: str) -> None:
    key = "orch_live_" + "0" * 64

    result = caller.types("bench", "--mode", mode, "--tasks", "5", ORCHESTRION_API_KEY=key)

    assert (result.exit_code, result.stdout) == (NOT_ALLOWED, "")
    assert result.stderr.startswith("orchestrion: ")


def test_no_server_ends_it(caller: Caller) -> None:
    result = caller.types("bench", "--tasks", "5", "--workers", "1", "--url", NOWHERE)

    assert (result.exit_code, result.stdout) == (UNREACHABLE, "")


def test_a_used_up_quota_ends_it(tmp_path: Path) -> None:
    plans = tmp_path / "plans.toml"
    plans.write_text(
        '[plans.free]\nname = "Small"\nprice_usd = 0\nmax_workers = 5\ntasks_per_cycle = 10\n'
        "claims_per_hour = 1000\ncreates_per_hour = 1000\nretention_days = 1\n",
        "utf-8",
    )
    with calling(tmp_path, "--plans", str(plans)) as caller:
        result = caller.types("bench", "--tasks", "50", "--workers", "2")

    assert (result.exit_code, result.stdout) == (USED_UP, "")


@pytest.mark.parametrize("mode", ["requests", "worker"])
def test_an_interrupt_ends_it_and_says_where_its_tasks_are(caller: Caller, mode: str) -> None:
    process = subprocess.Popen(
        [*PROGRAM, "bench", "--mode", mode, "--tasks", "100000"],
        env={**clean_variables(), **caller.variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with Orchestrion(caller.url, caller.key) as client:
        newest = client.tasks.list(limit=1).items
        until(lambda: client.tasks.list(limit=1).items != newest)
    process.send_signal(SIGINT)
    stdout, stderr = process.communicate(timeout=PATIENCE_SECONDS)

    assert (process.returncode, stdout) == (INTERRUPTED, "")
    assert stderr.startswith("next: orchestrion tasks list --type bench_")
    assert stderr.count("\n") == 1


# --- the parts


def test_percentiles_are_exact_to_a_hundredth() -> None:
    watch = Stopwatch()
    durations = [random.Random(7).expovariate(100) for _ in range(1)] + [
        number / 10_000 for number in range(1, 10_000)
    ]
    for seconds in durations:
        watch.add(seconds)

    latency = watch.latency

    ordered = sorted(durations)
    for share, found in ((0.50, latency.p50), (0.95, latency.p95), (0.99, latency.p99)):
        assert found == pytest.approx(ordered[int(share * len(ordered))] * 1_000, rel=0.011)
    assert latency.max == pytest.approx(ordered[-1] * 1_000)
    assert latency.count == len(durations)


def test_a_stopwatch_that_was_never_stopped_shows_nothing() -> None:
    latency = Stopwatch().latency

    assert (latency.count, latency.p50, latency.p99, latency.max) == (0, 0, 0, 0)


def test_an_allowance_ends_by_number_and_by_time() -> None:
    now = 0.0
    load = Load(workers=1, payload_bytes=2, batch=4, tasks=10, seconds=5.0)
    allowance = Allowance(load, lambda: now)

    assert [allowance.take(4) for _ in range(4)] == [4, 4, 2, 0]

    timed = Allowance(
        Load(workers=1, payload_bytes=2, batch=4, tasks=None, seconds=5.0), lambda: now
    )
    assert timed.take(4) == 4
    now = 5.0
    assert timed.take(4) == 0


@pytest.mark.parametrize("size", [2, 11, 12, 256, 65_536])
def test_a_payload_is_as_large_as_asked_for_where_it_can_be(size: int) -> None:
    load = Load(workers=1, payload_bytes=size, batch=1, tasks=1, seconds=None)

    assert len(json.dumps(load.payload, separators=(",", ":"))) in {size, 2}
