import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrion.cli.openapi import DIFFERENCES_SHOWN_MAX, differences
from orchestrion.documents import read_document
from tests.cli.callers import NOWHERE, Caller, calling

SAME, DIFFERING, WRONG, UNREACHABLE = 0, 1, 2, 7


@pytest.fixture(scope="module")
def caller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    with calling(tmp_path_factory.mktemp("served")) as caller:
        yield caller


def built_in() -> dict[str, object]:
    return dict(json.loads(read_document("openapi.json")))


def test_the_document_of_the_server_is_printed(caller: Caller) -> None:
    assert caller.json("openapi") == built_in()


def test_no_server_is_asked_for_the_document_of_the_program(caller: Caller) -> None:
    assert caller.json("openapi", "--built-in", "--url", NOWHERE) == built_in()


def test_a_server_that_was_named_has_to_answer(caller: Caller) -> None:
    result = caller.types("openapi", "--url", NOWHERE)

    assert (result.exit_code, result.stdout) == (UNREACHABLE, "")
    assert result.stderr.splitlines()[-1] == f"next: orchestrion doctor --url={NOWHERE}"


def test_without_any_server_there_is_the_document_of_the_program(caller: Caller) -> None:
    # Somebody may serve at the default address: then it is theirs, which is the same.
    assert caller.json("openapi", ORCHESTRION_URL="") == built_in()


def test_a_file_with_the_same_document_passes(caller: Caller, tmp_path: Path) -> None:
    file = tmp_path / "openapi.json"
    file.write_text(caller.types("openapi").stdout, "utf-8")

    result = caller.types("openapi", "--check", str(file))

    assert (result.exit_code, result.stdout) == (SAME, "")
    assert result.stderr == f"{file} is the same.\n"


def test_a_file_with_another_document_is_told_where(caller: Caller, tmp_path: Path) -> None:
    document = json.loads(read_document("openapi.json"))
    document["info"]["title"] = "Another"
    del document["paths"]["/v1/tasks"]["get"]
    document["paths"]["/gone"] = {}
    file = tmp_path / "openapi.json"
    file.write_text(json.dumps(document), "utf-8")

    result = caller.types("openapi", "--check", str(file))

    assert result.exit_code == DIFFERING
    *places, said, step = result.stderr.splitlines()
    assert sorted(places) == [
        "/info/title: changed",
        "/paths/~1gone: gone",
        "/paths/~1v1~1tasks/get: new",
    ]
    assert said == f"orchestrion: {file} differs in 3 places"
    assert step == f"next: orchestrion openapi > {file}"


def test_many_differences_are_counted_and_some_shown(caller: Caller, tmp_path: Path) -> None:
    file = tmp_path / "openapi.json"
    file.write_text(json.dumps({str(number): 0 for number in range(100)}), "utf-8")

    result = caller.types("openapi", "--check", str(file))

    assert result.exit_code == DIFFERING
    assert len(result.stderr.splitlines()) == DIFFERENCES_SHOWN_MAX + 2


def test_a_file_that_is_no_json_is_wrong_usage(caller: Caller, tmp_path: Path) -> None:
    file = tmp_path / "openapi.json"
    file.write_text("{", "utf-8")

    assert caller.types("openapi", "--check", str(file)).exit_code == WRONG


def test_the_order_of_names_makes_no_difference() -> None:
    assert list(differences({"a": 1, "b": [1, 2]}, {"b": [1, 2], "a": 1})) == []
    assert list(differences([1, 2], [2, 1])) == ["/: changed"]
