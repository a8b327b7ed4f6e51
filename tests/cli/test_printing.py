"""Shapes of data, and text that is safe to print; what commands make of it is tested with them."""

import pytest

from orchestrion.cli.printing import CELL_LENGTH_MAX, Printer, Rows, Shape, cell, printable
from tests.cli.callers import Caller


def test_off_a_terminal_one_object_is_json_and_a_list_is_lines() -> None:
    assert Printer().single_shape() is Shape.JSON
    assert Printer().list_shape() is Shape.JSONL


@pytest.mark.parametrize("shape", Shape)
def test_the_shape_that_was_asked_for_wins(shape: Shape) -> None:
    assert Printer(shape=shape).single_shape() is shape
    assert Printer(shape=shape).list_shape() is shape


def test_nothing_steers_a_terminal() -> None:
    assert printable("a\x1b[31mb\x07\x9b\r\tc d\n") == "a\ufffd[31mb\ufffd\ufffd\ufffd\ufffdc d\n"


def test_a_cell_is_no_markup_and_has_a_limit() -> None:
    assert cell("[bold]x[/bold]").plain == "[bold]x[/bold]"
    assert len(cell("x" * 1_000).plain) == CELL_LENGTH_MAX


def test_control_characters_stay_escaped_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    Printer().line({"a": "\x1b\x9b\x7fé"})

    assert capsys.readouterr().out == '{"a":"\\u001b\\u009b\\u007fé"}\n'


def test_hints_go_to_stderr_unless_silence_was_asked_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Printer().hint("look")
    Printer(quiet=True).hint("hushed")

    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "look\n")


def test_a_narrow_terminal_does_without_the_spare_column(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    table = Rows(headings=("id", "spare"), lines=[("1", "2")], spare=1)

    for columns, shown in (("80", ["id", "1"]), ("140", ["id", "spare", "1", "2"])):
        monkeypatch.setenv("COLUMNS", columns)
        Printer().rows(table)
        assert capsys.readouterr().out.split() == shown


def test_an_ascii_terminal_is_no_reason_to_fail(caller: Caller) -> None:
    caller.json("tasks", "create", "foreign", '{"name": "Zoë"}')
    before = caller.variables

    caller.variables = {**before, "PYTHONIOENCODING": "ascii"}
    try:
        shown = caller.sees("tasks", "list", "--type", "foreign")
        whole = caller.sees("tasks", "claim", "foreign")
    finally:
        caller.variables = before

    assert "foreign" in shown
    assert "Zo?" in whole
