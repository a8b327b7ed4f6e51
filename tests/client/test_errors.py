"""Refusals as exceptions: one class per code, and words that say what to do."""

import json
import pickle

import pytest

import orchestrion
from orchestrion.client import errors
from orchestrion.client.contract import Action, AgentContract
from orchestrion.client.errors import (
    APIError,
    ConnectionFailed,
    LeaseExpired,
    OrchestrionError,
    Refusal,
    RequestTimeout,
    ServerError,
    TaskNotFound,
    Timeout,
    UnreadableAnswer,
)
from orchestrion.client.refusals import read_refusal
from orchestrion.client.sync import Orchestrion
from orchestrion.core.errors import CATALOGUE, ActionCode, ErrorCode
from tests.client.application import Fate, Network, answered


def refusal_body(code: str = "task_not_found", **beside: object) -> bytes:
    """Give an error answer as the API writes them."""
    action = {
        "action": "list_tasks",
        "available": True,
        "recommended": True,
        "description": "List your tasks.",
        "method": "GET",
        "endpoint": "/v1/tasks",
    }
    contract = {"version": "1", "retryable": False, "next_actions": [action]}
    body = {"error": code, "message": "No such task.", "request_id": "req_1", **beside}
    return json.dumps({"agent_contract": contract, **body}).encode()


def test_each_code_of_the_server_has_a_class_named_for_it() -> None:
    assert set(errors.BY_CODE) == set(ErrorCode)
    for code, kind in errors.BY_CODE.items():
        assert kind.__name__ == "".join(word.capitalize() for word in code.split("_"))
        assert kind.__bases__ == (APIError,)


def test_each_exception_can_be_had_from_the_package() -> None:
    kinds = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, OrchestrionError)
    }

    assert kinds <= set(orchestrion.__all__)
    assert {getattr(orchestrion, name) for name in kinds} == {
        getattr(errors, name) for name in kinds
    }


def test_a_refusal_has_all_that_the_server_said(client: Orchestrion) -> None:
    with pytest.raises(TaskNotFound) as caught:
        client.tasks.get("tsk_01M814NJ33M9S346Q3D25VT4F5")

    error = caught.value
    assert (error.code, error.status, error.retryable) == ("task_not_found", 404, False)
    assert error.request_id is not None
    assert error.request_id.startswith("req_")
    assert error.contract.recommended.action == "list_tasks"
    assert error.retry_after is None
    assert str(error) == (
        f"{error.message} (task_not_found, HTTP 404, {error.request_id}) "
        "Next: List your tasks to find the one you mean. [GET /v1/tasks]"
    )


def test_each_refusal_ends_with_the_step_in_words() -> None:
    for code, row in CATALOGUE.items():
        step = Action(
            action=row.action,
            available=True,
            recommended=True,
            description="",
            retry_after_seconds=3,
        )
        error = errors.error_of(
            Refusal(
                code=code,
                status=row.statuses[0],
                message=row.message,
                contract=AgentContract(retryable=row.retryable, next_actions=(step,)),
            )
        )

        assert type(error) is errors.BY_CODE[code]
        assert str(error).endswith(f"Next: {step.words}")
        assert error.retryable == row.retryable


def test_each_action_has_words_without_a_description() -> None:
    for code in ActionCode:
        assert Action(action=code).words == f"{code.value.replace('_', ' ').capitalize()}."


def test_codes_actions_and_fields_of_a_later_release_are_kept(
    client: Orchestrion, network: Network
) -> None:
    action = {"action": "ask_oracle", "recommended": True, "available": True, "colour": 1}
    contract = {"version": "2", "retryable": False, "next_actions": [action], "mood": "good"}
    body = refusal_body("moon_in_the_way", phase="full", agent_contract=contract)
    network.fail(answered(451, body))

    with pytest.raises(APIError) as caught:
        client.tasks.list()

    error = caught.value
    assert type(error) is APIError
    assert (error.code, error.status, error.details) == ("moon_in_the_way", 451, {"phase": "full"})
    assert str(error).endswith("Next: Ask oracle.")


def test_an_answer_without_advice_is_an_error_all_the_same() -> None:
    refusal = read_refusal(400, {}, b'{"error":"invalid_request"}')

    assert refusal.contract.recommended.action == "none"
    assert "HTTP 400" in str(errors.error_of(refusal))


@pytest.mark.parametrize(
    "body", [b"", b"<html>Bad Gateway</html>", b"[]", b'{"error":7}', b"\xff\xfe", b'"text"']
)
def test_what_is_not_the_servers_own_answer_is_a_server_error(body: bytes) -> None:
    refusal = read_refusal(502, {"retry-after": "3"}, body)

    assert (refusal.code, refusal.own, refusal.retry_after) == ("server_error", False, 3)
    assert refusal.contract.retryable
    assert str(errors.error_of(refusal)).endswith("Next: Repeat the request later.")


@pytest.mark.parametrize(
    "fate",
    [answered(200, b"<html>Welcome</html>"), answered(204), answered(200, b'{"status": 1}')],
    ids=["page", "nothing", "other"],
)
def test_a_success_of_something_else_is_told_as_such(
    client: Orchestrion, network: Network, fate: Fate
) -> None:
    network.fail(fate)

    with pytest.raises(UnreadableAnswer, match=r"no answer of this API.*Next"):
        client.health()


def test_a_redirect_is_not_followed_with_the_key(client: Orchestrion, network: Network) -> None:
    network.fail(answered(302, location="http://elsewhere.example/"))

    with pytest.raises(ServerError):
        client.tasks.list()

    assert len(network.requests) == 1


@pytest.mark.parametrize(
    ("asked", "wait"),
    [("7", 7.0), ("Wed, 21 Oct 2026 07:28:00 GMT", None), ("-1", None), ("²", None)],
)
def test_a_wait_in_seconds_is_understood(asked: str, wait: float | None) -> None:
    assert read_refusal(503, {"retry-after": asked}, refusal_body()).retry_after == wait


def test_details_stand_together_wherever_the_server_put_them() -> None:
    refusal = read_refusal(409, {}, refusal_body(details={"reason": "expired"}, purchaseId="p"))

    assert refusal.details == {"reason": "expired", "purchaseId": "p"}


@pytest.mark.parametrize(
    "error",
    [
        LeaseExpired(read_refusal(409, {}, refusal_body("lease_expired"))),
        ConnectionFailed("no answer", sent=True),
        RequestTimeout("too late", sent=True),
        Timeout("not in time"),
    ],
    ids=["refusal", "connection", "silence", "wait"],
)
def test_errors_travel_between_processes(error: OrchestrionError) -> None:
    copy = pickle.loads(pickle.dumps(error))

    assert type(copy) is type(error)
    assert (str(copy), vars(copy)) == (str(error), vars(error))


def test_a_timeout_is_one_of_python_s_own() -> None:
    assert issubclass(Timeout, TimeoutError)
    assert issubclass(RequestTimeout, ConnectionFailed)
    assert not issubclass(ConnectionFailed, Timeout)
