"""Dead letters: looked through, shown, and put back by id or by choice."""

import json
from collections.abc import Sequence

from orchestrion import Orchestrion
from tests.cli.callers import Caller
from tests.cli.hints import next_command
from tests.cli.terminals import terminal
from tests.cli.test_tasks import created


def letters(caller: Caller, task_type: str, reasons: Sequence[str]) -> list[str]:
    """Make a dead letter for each reason; gives their ids, the newest first."""
    ids: list[str] = []
    with Orchestrion(caller.url, caller.key) as client:
        for reason in reasons:
            task = client.tasks.create(task_type, {}, max_attempts=1)
            held = client.tasks.claim_by_id(task.id)
            client.tasks.fail(task.id, held.lease_token, reason)
            ids.insert(0, task.id)
    return ids


def lines(stdout: str) -> list[str]:
    return [json.loads(line)["id"] for line in stdout.splitlines()]


def statuses(caller: Caller, ids: Sequence[str]) -> list[str]:
    return [caller.json("tasks", "get", task_id)["status"] for task_id in ids]


def test_dead_letters_are_listed_by_type_and_error(caller: Caller) -> None:
    ids = letters(caller, "listed", ["429 Too Many", "500", "HTTP 429"])

    result = caller.types("dlq", "list", "--type", "listed", "--error", "429")

    assert lines(result.stdout) == [ids[0], ids[2]]
    assert next_command(result.stderr) == ["dlq", "show", ids[0]]
    errors = caller.types("dlq", "list", "--type", "listed", "--error", "too many")
    assert lines(errors.stdout) == [ids[2]]


def test_the_list_may_be_one_object(caller: Caller) -> None:
    ids = letters(caller, "object", ["no"])

    assert [one["id"] for one in caller.json("dlq", "list", "--type", "object", "--json")["items"]]
    assert caller.json("dlq", "list", "--type", "object", "--limit", "1")["id"] == ids[0]


def test_people_see_a_table(caller: Caller) -> None:
    ids = letters(caller, "table", ["no such page"])

    heading, row = caller.sees("dlq", "list", "--type", "table").splitlines()

    assert heading.split()[:3] == ["id", "type", "tries"]
    assert row.split()[:3] == [ids[0], "table", "1/1"]
    assert "no such page" in row


def test_a_dead_letter_is_shown(caller: Caller) -> None:
    (task_id,) = letters(caller, "shown", ["no such page"])

    result = caller.types("dlq", "show", task_id)

    assert json.loads(result.stdout)["lastFailureReason"] == "no such page"
    assert next_command(result.stderr) == ["dlq", "requeue", task_id]
    assert "no such page" in caller.sees("dlq", "show", task_id)


def test_what_is_no_dead_letter_is_a_conflict(caller: Caller) -> None:
    task = created(caller, "alive")

    for verb in ("show", "requeue"):
        result = caller.types("dlq", verb, task["id"])
        assert (result.exit_code, result.stdout) == (4, "")
        assert next_command(result.stderr) == ["tasks", "get", task["id"]]


def test_one_that_is_no_dead_letter_keeps_all_from_being_requeued(caller: Caller) -> None:
    (dead,) = letters(caller, "mixed", ["no"])
    alive = created(caller, "mixed")["id"]

    assert caller.types("dlq", "requeue", dead, alive).exit_code == 4
    assert statuses(caller, [dead]) == ["dead_letter"]


def test_letters_are_requeued_by_id(caller: Caller) -> None:
    ids = letters(caller, "named", ["no", "no", "no"])

    result = caller.types("dlq", "requeue", ids[0], ids[2])

    assert lines(result.stdout) == [ids[0], ids[2]]
    assert statuses(caller, ids) == ["pending", "dead_letter", "pending"]


def test_a_dry_run_shows_exactly_what_is_then_requeued(caller: Caller) -> None:
    ids = letters(caller, "dry", ["429", "500", "429"])
    chosen = ("dlq", "requeue", "--type", "dry", "--error", "429")

    dry = caller.types(*chosen, "--dry-run")
    untouched = statuses(caller, ids)
    wet = caller.types(*next_command(dry.stderr), "-y")

    assert lines(dry.stdout) == [ids[0], ids[2]]
    assert "would requeue 2 dead letters (2 dry; first " in dry.stderr
    assert untouched == ["dead_letter"] * 3
    assert lines(wet.stdout) == lines(dry.stdout)
    assert statuses(caller, ids) == ["pending", "dead_letter", "pending"]


def test_a_dry_run_of_nothing_advises_nothing(caller: Caller) -> None:
    result = caller.types("dlq", "requeue", "--type", "nothing-of-this", "--dry-run")

    assert (result.exit_code, result.stdout) == (0, "")
    assert "would requeue 0 dead letters" in result.stderr
    assert "next: " not in result.stderr


def test_a_choice_is_not_requeued_unasked(caller: Caller) -> None:
    ids = letters(caller, "unasked", ["no"])

    result = caller.types("dlq", "requeue", "--type", "unasked")

    assert result.exit_code == 2
    assert next_command(result.stderr)[-1] == "-y"
    assert statuses(caller, ids) == ["dead_letter"]


def test_somebody_at_a_terminal_is_asked(caller: Caller) -> None:
    ids = letters(caller, "asked", ["no"])
    command = ("dlq", "requeue", "--type", "asked")

    with terminal(*command, variables=caller.variables) as screen:
        screen.wait_for("Requeue 1 dead letter")
        screen.press("n\n")
        assert screen.code() == 1
    assert statuses(caller, ids) == ["dead_letter"]
    with terminal(*command, variables=caller.variables) as screen:
        screen.wait_for("[y/N]")
        screen.press("y\n")
        assert screen.code() == 0
    assert "requeued 1 of 1 dead letters" in screen.shown
    assert statuses(caller, ids) == ["pending"]


def test_long_work_shows_a_bar(caller: Caller) -> None:
    ids = letters(caller, "long", ["no"] * 12)

    with terminal(
        *("dlq", "requeue", "--type", "long", "-y"), variables=caller.variables
    ) as screen:
        assert screen.code() == 0

    assert "Reading" in screen.shown
    assert "Requeueing" in screen.shown
    assert "12/12" in screen.shown
    assert set(statuses(caller, ids[:2])) == {"pending"}


def test_one_object_counts(caller: Caller) -> None:
    letters(caller, "counted", ["no", "no"])

    counts = caller.json("dlq", "requeue", "--type", "counted", "-y", "--json")

    assert counts == {"requeued": 2, "gone": 0, "chosen": 2}


def test_all_means_all(caller: Caller) -> None:
    letters(caller, "whole", ["no"])

    assert caller.types("dlq", "requeue", "--all", "-y").exit_code == 0
    assert caller.types("dlq", "list").stdout == ""
    assert "no such dead letters" in caller.types("dlq", "requeue", "--all", "-y").stderr


def test_a_requeue_wants_to_know_what(caller: Caller) -> None:
    assert caller.types("dlq", "requeue").exit_code == 2
    assert caller.types("dlq", "requeue", "tsk_1", "--all").exit_code == 2
