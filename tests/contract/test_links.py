"""The links of the served document can be followed, and lead through the whole life of a task."""

from collections.abc import Iterator, Mapping
from typing import Any

from tests.contract.documents import served

Json = dict[str, Any]
LINKS_MIN = 29


def test_a_link_fills_in_the_path_it_leads_to() -> None:
    operations = _operations(served())

    for place, link in _links():
        parameters = operations[link["operationId"]]["parameters"]
        in_path = [one["name"] for one in parameters if one.get("in") == "path"]
        assert list(link.get("parameters", {})) == in_path, place


def test_a_link_sends_fields_that_the_operation_takes() -> None:
    operations = _operations(served())

    for place, link in _links():
        if "requestBody" in link:
            taken = _body(operations[link["operationId"]])
            assert link["requestBody"].keys() <= taken.keys(), place


def test_what_a_link_is_filled_with_is_in_the_request_or_an_answer() -> None:
    whole = served()
    operations = _operations(whole)

    for (operation, status, name), link in _links():
        source = operations[operation]
        answers = [*_examples(whole, source["responses"][status])]
        for expression in _expressions(link):
            where, _, pointer = expression.partition("#")
            if where == "$request.body":
                assert pointer.removeprefix("/") in _body(source), (operation, name)
            else:
                assert where == "$response.body"
                assert any(_at(answer, pointer) for answer in answers), (operation, name)


def test_links_lead_through_the_whole_life_of_a_task() -> None:
    steps: dict[str, set[str]] = {}
    for (operation, _, _), link in _links():
        steps.setdefault(operation, set()).add(link["operationId"])

    assert {"check_task_status", "claim_task", "cancel_task"} <= steps["create_task"]
    assert {"claim_task"} <= steps["check_task_status"]
    held = {"heartbeat", "complete_task", "fail_task", "release_task"}
    assert held <= steps["claim_task"]
    assert held <= steps["claim_next_task"]
    assert held <= steps["heartbeat"]
    assert {"requeue_task"} <= steps["fail_task"]
    assert {"requeue_task", "cancel_task"} <= steps["release_task"]
    assert {"claim_task"} <= steps["requeue_task"]
    assert len(list(_links())) >= LINKS_MIN


def test_who_holds_a_lease_is_told_to_prove_it() -> None:
    held = {"heartbeat", "complete_task", "fail_task", "release_task"}

    proved = [link for _, link in _links() if link["operationId"] in held]

    assert proved
    assert all("lease_token" in link["requestBody"] for link in proved)


def _links() -> Iterator[tuple[tuple[str, str, str], Json]]:
    for operation, described in _operations(served()).items():
        for status, answer in described["responses"].items():
            for name, link in answer.get("links", {}).items():
                yield (operation, status, name), link


def _operations(whole: Json) -> dict[str, Json]:
    return {
        described["operationId"]: described
        for methods in whole["paths"].values()
        for described in methods.values()
    }


def _body(operation: Json) -> Mapping[str, Json]:
    content = operation["requestBody"]["content"]["application/json"]
    properties: Mapping[str, Json] = content["schema"]["properties"]
    return properties


def _expressions(link: Json) -> Iterator[str]:
    yield from link.get("parameters", {}).values()
    yield from link.get("requestBody", {}).values()


def _examples(whole: Json, answer: Json) -> Iterator[Json]:
    for example in answer["content"]["application/json"]["examples"].values():
        name = example["$ref"].rpartition("/")[2]
        yield whole["components"]["examples"][name]["value"]


def _at(value: Any, pointer: str) -> Any:  # noqa: ANN401 - plain JSON
    for step in pointer.removeprefix("/").split("/"):
        value = value.get(step) if isinstance(value, dict) else None
    return value
