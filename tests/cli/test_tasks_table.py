"""Tasks on a terminal: tables that nobody's text can steer."""

from tests.cli.callers import Caller
from tests.cli.terminals import terminal
from tests.cli.test_tasks import claimed, created


def test_tasks_are_a_table(caller: Caller) -> None:
    task = created(caller, "shown")

    table = caller.sees("tasks", "list", "--type", "shown")

    heading, row = table.splitlines()
    assert heading.split()[:4] == ["id", "type", "status", "tries"]
    assert row.split()[:4] == [task["id"], "shown", "pending", "0/3"]


def test_each_verb_answers_with_a_row(caller: Caller) -> None:
    task = created(caller, "rows", "--max-attempts", "1")
    token = claimed(caller, task["id"])
    lease = (task["id"], "--token", token)

    assert " claimed " in caller.sees("tasks", "heartbeat", *lease)
    assert " pending " in caller.sees("tasks", "release", *lease)
    assert " dead_letter " in caller.sees(
        *("tasks", "fail", task["id"], "--token", claimed(caller, task["id"]), "--reason", "no")
    )
    assert " pending " in caller.sees("tasks", "requeue", task["id"])
    assert " completed " in caller.sees(
        *("tasks", "complete", task["id"], "--token", claimed(caller, task["id"]))
    )
    assert " cancelled " in caller.sees("tasks", "cancel", created(caller, "rows")["id"])


def test_a_create_and_a_claim_show_what_to_copy(caller: Caller) -> None:
    made = caller.sees("tasks", "create", "copied", '{"a": 1}')
    held = caller.sees("tasks", "claim", "copied")

    assert " pending " in made
    fields = {line[:11].strip(): line[11:].strip() for line in held.splitlines()}
    assert fields["id"] in made
    assert fields["lease_token"].startswith("lse_")
    assert fields["payload"] == '{"a":1}'


def test_a_whole_task_and_what_it_waits_for(caller: Caller) -> None:
    task = created(caller, "whole", '{"deep": {"er": 1}}', "--run-at", "+1h")

    whole = caller.sees("tasks", "get", task["id"])
    told = caller.sees("tasks", "explain", task["id"])

    assert "scheduled" in whole
    assert '"er": 1' in whole
    assert "claimable   no" in told


def test_json_on_a_terminal_is_indented(caller: Caller) -> None:
    assert '{\n  "items": [' in caller.sees("tasks", "list", "--type", "empty", "--json")


def test_text_of_others_does_not_steer_the_terminal(caller: Caller) -> None:
    task = created(caller, "nasty", '{"a": "\\u009b31m"}', "--max-attempts", "1")
    token = claimed(caller, task["id"])
    reason = "\x1b[31mred\x1b[0m [bold]loud[/bold] \x9b2J"
    caller.json("tasks", "fail", task["id"], "--token", token, "--reason", reason)

    table = caller.sees("tasks", "list", "--type", "nasty")
    whole = caller.sees("tasks", "get", task["id"])

    assert "\x1b" not in table + whole
    assert "\x9b" not in table + whole
    assert "[bold]loud[/bold]" in whole


def test_no_color_leaves_no_control_codes(caller: Caller) -> None:
    created(caller, "plain")
    arguments = ("tasks", "list", "--type", "plain")

    for extra, variables in ((["--no-color"], {}), ([], {"NO_COLOR": "1"})):
        with terminal(*arguments, *extra, variables={**caller.variables, **variables}) as screen:
            assert screen.code() == 0
        assert "\x1b" not in screen.shown
    with terminal(*arguments, variables=caller.variables) as screen:
        assert screen.code() == 0
    assert "\x1b[1m" in screen.shown
