"""Every verb of `orchestrion tasks`, off a terminal: JSON on stdout, the next command on stderr."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from orchestrion.cli import main
from tests.cli.callers import Caller
from tests.cli.hints import next_command


def created(caller: Caller, *arguments: str) -> dict[str, Any]:
    return caller.json("tasks", "create", *arguments)


def claimed(caller: Caller, task_id: str) -> str:
    return str(caller.json("tasks", "claim", "--id", task_id)["lease_token"])


def with_input(caller: Caller, text: str, *arguments: str) -> Result:
    env = {name: None for name in os.environ if "ORCHESTRION" in name}
    return CliRunner().invoke(main, arguments, input=text, env={**env, **caller.variables})


def test_a_task_is_created_as_it_is_described(caller: Caller) -> None:
    options = ("--priority", "7", "--max-attempts", "2", "--lease", "60", "--run-at", "+15m")

    task = created(caller, "described", '{"url": "u", "ratio": 1.10}', *options)

    assert (task["type"], task["priority"], task["maxAttempts"]) == ("described", 7, 2)
    assert task["leaseDurationSeconds"] == 60
    assert task["scheduledAt"] > task["createdAt"]


def test_numbers_keep_their_digits(caller: Caller) -> None:
    result = caller.types("tasks", "create", "digits", '{"ratio": 1.10, "large": 1e400000}')
    printed = caller.types("tasks", "create", "digits", '{"ratio": 1.10}').stdout

    assert result.exit_code == 2
    assert '"ratio":1.10}' in printed


def test_a_payload_may_come_from_stdin_or_a_file(caller: Caller, tmp_path: Path) -> None:
    file = tmp_path / "payload.json"
    file.write_text('{"from": "file"}')

    read = with_input(caller, '{"from": "stdin"}', "tasks", "create", "read", "-")

    assert json.loads(read.stdout)["payload"] == {"from": "stdin"}
    assert created(caller, "read", f"@{file}")["payload"] == {"from": "file"}


@pytest.mark.parametrize("payload", ["7", "{", "[]", "@/nowhere", "nothing", ""])
def test_what_is_no_json_object_is_wrong_usage(caller: Caller, payload: str) -> None:
    result = caller.types("tasks", "create", "wrong", payload)

    assert (result.exit_code, result.stdout) == (2, "")
    assert next_command(result.stderr) == ["tasks", "create", "--help"]


def test_the_same_key_creates_one_task(caller: Caller) -> None:
    first, second = (created(caller, "once", "--key", "order-17") for _ in range(2))

    assert first["id"] == second["id"]


def test_an_api_key_is_not_taken_for_the_key_of_a_task(caller: Caller) -> None:
    result = caller.types("tasks", "create", "leaky", "--key", caller.key)

    assert result.exit_code == 2
    assert caller.key not in result.output


def test_a_time_that_is_none_is_wrong_usage(caller: Caller) -> None:
    result = caller.types("tasks", "create", "late", "--run-at", "tomorrow")

    assert result.exit_code == 2
    assert "'tomorrow' is no time" in result.stderr


def test_each_hint_can_be_typed_until_the_work_is_done(caller: Caller) -> None:
    task = created(caller, "hinted")
    result = caller.types("tasks", "explain", task["id"])
    statuses = []

    for _ in range(2):
        result = caller.types(*next_command(result.stderr))
        assert result.exit_code == 0, result.output
        answer = json.loads(result.stdout)
        statuses.append(answer.get("task", answer)["status"])

    assert statuses == ["claimed", "completed"]
    assert next_command(result.stderr) == ["tasks", "create", "hinted", "@payload.json"]


def test_who_made_a_task_is_told_to_watch_it_and_not_to_take_it(caller: Caller) -> None:
    result = caller.types("tasks", "create", "made", "{}")

    assert next_command(result.stderr) == ["tasks", "watch", json.loads(result.stdout)["id"]]


def test_who_waited_in_vain_is_told_to_ask_why_and_not_to_make_another(caller: Caller) -> None:
    result = caller.types("tasks", "create", "vain", "--wait", "--timeout", "0.1")

    assert result.exit_code == 1
    assert next_command(result.stderr)[:2] == ["tasks", "explain"]


def test_hints_lead_to_the_server_that_was_typed(caller: Caller) -> None:
    result = caller.types("tasks", "create", "led", "--url", caller.url, ORCHESTRION_URL="")

    assert next_command(result.stderr)[-1] == f"--url={caller.url}"


def test_quiet_means_no_hints(caller: Caller) -> None:
    assert caller.types("tasks", "create", "hushed", "--quiet").stderr == ""


def test_a_claim_prints_the_token_that_ends_it(caller: Caller) -> None:
    task = created(caller, "ended")

    answer = caller.json("tasks", "claim", "ended", "--worker-id", "me")

    assert answer["task"]["id"] == task["id"]
    assert answer["task"]["claimedBy"] == "me"
    done = caller.json(
        "tasks", "complete", task["id"], '{"n": 1}', "--token", answer["lease_token"]
    )
    assert (done["status"], done["result"]) == ("completed", {"n": 1})


def test_a_token_may_stand_in_a_variable(caller: Caller) -> None:
    task = created(caller, "variable")
    token = claimed(caller, task["id"])

    beaten = caller.json("tasks", "heartbeat", task["id"], ORCHESTRION_LEASE_TOKEN=token)

    assert beaten["lastHeartbeatAt"]


def test_an_end_without_a_token_is_wrong_usage(caller: Caller) -> None:
    result = caller.types("tasks", "complete", "tsk_00000000000000000000000000")

    assert result.exit_code == 2
    assert "ORCHESTRION_LEASE_TOKEN" in result.stderr


def test_several_are_claimed_at_once(caller: Caller) -> None:
    ids = {created(caller, "several")["id"] for _ in range(3)}

    result = caller.types("tasks", "claim", "several", "--max-tasks", "2", "--jsonl")
    lines = [json.loads(line) for line in result.stdout.splitlines()]

    assert len(lines) == 2
    assert {line["task"]["id"] for line in lines} < ids


def test_nothing_to_claim_is_no_failure_and_says_why(caller: Caller) -> None:
    created(caller, "reports")

    result = caller.types("tasks", "claim", "report")

    assert result.exit_code == 0
    assert json.loads(result.stdout)["task"] is None
    assert "there is reports" in result.stderr
    assert next_command(result.stderr) == ["tasks", "claim", "report"]


def test_a_claim_may_wait(caller: Caller) -> None:
    assert caller.json("tasks", "claim", "never", "--wait", "1")["task"] is None


def test_a_claim_names_a_type_or_a_task(caller: Caller) -> None:
    assert caller.types("tasks", "claim").exit_code == 2
    assert caller.types("tasks", "claim", "both", "--id", "tsk_1").exit_code == 2


def test_a_failed_attempt_waits_as_long_as_it_was_told_to(caller: Caller) -> None:
    task = created(caller, "failing")
    token = claimed(caller, task["id"])

    result = caller.types(
        *("tasks", "fail", task["id"], "--token", token, "--reason", "busy", "--retry-after", "60")
    )

    failed = json.loads(result.stdout)
    assert (failed["status"], failed["lastFailureReason"]) == ("pending", "busy")
    assert "next: in 60 s: orchestrion tasks claim --id" in result.stderr


def test_a_release_spends_no_attempt(caller: Caller) -> None:
    task = created(caller, "released")
    token = claimed(caller, task["id"])

    released = caller.json("tasks", "release", task["id"], "--token", token, "--reason", "off")

    assert (released["status"], released["attemptCount"]) == ("pending", 0)


def test_a_task_is_cancelled(caller: Caller) -> None:
    task = created(caller, "unwanted")

    assert caller.json("tasks", "cancel", task["id"])["status"] == "cancelled"


def test_a_task_somebody_holds_is_cancelled_by_force(caller: Caller) -> None:
    task = created(caller, "held")
    claimed(caller, task["id"])

    refused = caller.types("tasks", "cancel", task["id"])
    forced = caller.json("tasks", "cancel", task["id"], "--force")

    assert refused.exit_code == 4
    assert next_command(refused.stderr) == ["tasks", "get", task["id"]]
    assert forced["cancelRequestedAt"]


def test_a_dead_letter_is_requeued(caller: Caller) -> None:
    task = created(caller, "dead", "--max-attempts", "1")
    token = claimed(caller, task["id"])
    failed = caller.types("tasks", "fail", task["id"], "--token", token)

    assert next_command(failed.stderr) == ["tasks", "requeue", task["id"]]
    assert caller.json("tasks", "requeue", task["id"])["status"] == "pending"


def test_what_a_task_waits_for_is_explained(caller: Caller) -> None:
    task = created(caller, "waiting", "--run-at", "+1h")

    told = caller.json("tasks", "explain", task["id"])

    assert [block["reason"] for block in told["blocked_by"]] == ["scheduled"]


def test_a_list_is_an_object_on_each_line(caller: Caller) -> None:
    ids = [created(caller, "listed")["id"] for _ in range(3)]

    result = caller.types("tasks", "list", "--type", "listed", "--limit", "2")
    lines = [json.loads(line)["id"] for line in result.stdout.splitlines()]

    assert lines == [ids[2], ids[1]]
    rest = caller.types(*next_command(result.stderr))
    assert json.loads(rest.stdout)["id"] == ids[0]


def test_a_list_may_be_one_object(caller: Caller) -> None:
    created(caller, "paged")
    created(caller, "paged")

    page = caller.json("tasks", "list", "--type", "paged", "--limit", "1", "--json")

    assert len(page["items"]) == 1
    assert page["pageInfo"]["hasMore"] is True


@pytest.mark.parametrize("how", [("--all",), ("--limit", "101")])
def test_a_list_may_go_beyond_a_page(caller: Caller, how: tuple[str, ...]) -> None:
    created(caller, "many")

    result = caller.types("tasks", "list", "--type", "many", *how)

    assert {json.loads(line)["type"] for line in result.stdout.splitlines()} == {"many"}


def test_a_list_without_tasks_says_what_to_type(caller: Caller) -> None:
    result = caller.types("tasks", "list", "--type", "none")

    assert result.stdout == ""
    assert next_command(result.stderr) == ["tasks", "create", "none", "{}"]


def test_a_task_is_printed_as_the_server_gives_it(caller: Caller) -> None:
    task = created(caller, "given")

    assert caller.json("tasks", "get", task["id"])["agent_contract"]["next_actions"]
