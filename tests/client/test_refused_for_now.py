"""Refusals that pass: repeated by the client as the server asks, within its budget."""

import json
from collections.abc import Callable

import pytest

from orchestrion.client.errors import (
    IdempotencyInFlight,
    MaxWorkersReached,
    PaymentFailed,
    RateLimited,
    ServerError,
    UnreadableAnswer,
)
from orchestrion.client.retrying import RetryNote
from orchestrion.client.sync import Orchestrion
from orchestrion.client.task import NewTask, Task
from tests.client.application import Application, Fate, Network, answered


def refusing(status: int, code: str, *, retryable: bool = True, wait: int | None = None) -> Fate:
    """Have a server answer in the application's place."""
    step = {"action": "retry_after_wait", "available": True, "recommended": True}
    contract = {"version": "1", "retryable": retryable, "next_actions": [step]}
    body = {"error": code, "message": "Not now.", "request_id": "r", "agent_contract": contract}
    headers = {} if wait is None else {"retry_after": str(wait)}
    return answered(status, json.dumps(body).encode(), **headers)


@pytest.mark.parametrize(
    "fate",
    [
        refusing(429, "rate_limited", wait=0),
        refusing(429, "max_workers_reached", wait=0),
        refusing(503, "server_error", wait=0),
        refusing(500, "server_error"),
        refusing(503, "idempotency_in_flight", wait=0),
        answered(502, b"<html>Bad Gateway</html>"),
        answered(503, b""),
    ],
    ids=["window", "workers", "load", "fault", "in flight", "proxy", "empty"],
)
def test_what_passes_is_repeated_with_the_same_key(
    client: Orchestrion, network: Network, fate: Fate, application: Application
) -> None:
    network.fail(fate, fate)

    task = client.tasks.create("report", {})

    assert [one["id"] for one in application.all_tasks] == [task.id]
    bodies = {request.content for request in network.requests}
    assert len(network.requests) == 3
    assert len(bodies) == 1


def test_the_wait_that_is_asked_for_is_kept(
    client: Orchestrion, network: Network, retries: list[RetryNote]
) -> None:
    network.fail(refusing(429, "rate_limited", wait=1))

    client.tasks.list()

    assert [note.pause_seconds >= 1 for note in retries] == [True]


@pytest.mark.parametrize(
    ("code", "kind"), [("rate_limited", RateLimited), ("max_workers_reached", MaxWorkersReached)]
)
def test_a_wait_beyond_the_budget_is_told_at_once(
    client: Orchestrion, network: Network, code: str, kind: type[RateLimited | MaxWorkersReached]
) -> None:
    network.fail(refusing(429, code, wait=3000))

    with pytest.raises(kind) as caught:
        client.tasks.claim("report")

    assert caught.value.retry_after == 3000
    assert len(network.requests) == 1


@pytest.mark.parametrize(
    ("fate", "kind"),
    [
        (refusing(503, "server_error", retryable=False), ServerError),
        (refusing(402, "payment_failed"), PaymentFailed),
    ],
)
def test_what_a_repeat_does_not_mend_is_told_at_once(
    client: Orchestrion, network: Network, fate: Fate, kind: type[Exception]
) -> None:
    network.fail(fate)

    with pytest.raises(kind):
        client.plan.verify("pur_01M814R073SS6YS3C4DWA7N360")

    assert len(network.requests) == 1


def test_the_last_refusal_is_the_one_that_is_raised(
    connect: Callable[..., Orchestrion], network: Network
) -> None:
    client = connect(max_retries=1)
    network.fail(refusing(500, "server_error"), refusing(503, "idempotency_in_flight"))

    with pytest.raises(IdempotencyInFlight):
        client.tasks.create("report", {})


def test_items_that_were_refused_for_now_are_sent_again_alone(
    client: Orchestrion, network: Network, application: Application, retries: list[RetryNote]
) -> None:
    tasks = [application.ask("POST", "/v1/tasks", {"type": "t", "payload": {}}) for _ in range(2)]
    refused = json.loads(refusing(503, "server_error").answer[2])  # type: ignore[index]
    items = [
        {"status": 201, "body": tasks[0]},
        {"status": 503, "body": refused},
        {"status": 400, "body": {**refused, "error": "invalid_request"}},
    ]
    network.fail(answered(200, json.dumps({"items": items}).encode()))

    first, second, third = client.tasks.create_many(
        [NewTask("a", {}), NewTask("b", {}), NewTask("c", {})]
    )

    assert isinstance(first, Task)
    assert first.id == tasks[0]["id"]
    assert isinstance(second, Task)
    assert second.type == "b"
    assert not isinstance(third, Task)
    assert third.code == "invalid_request"
    (again,) = json.loads(network.requests[1].content)["items"]
    assert again == json.loads(network.requests[0].content)["items"][1]
    assert [note.trouble.refusal is not None for note in retries] == [True]


def test_items_that_stay_refused_are_told_in_their_place(
    connect: Callable[..., Orchestrion], network: Network
) -> None:
    client = connect(max_retries=1)
    refused = json.loads(refusing(503, "server_error").answer[2])  # type: ignore[index]
    answer = answered(200, json.dumps({"items": [{"status": 503, "body": refused}]}).encode())
    network.fail(answer, answer)

    (outcome,) = client.tasks.create_many([NewTask("a", {})])

    assert isinstance(outcome, ServerError)
    assert len(network.requests) == 2


def test_an_answer_for_fewer_items_than_were_sent_is_none(
    client: Orchestrion, network: Network
) -> None:
    network.fail(answered(200, b'{"items": []}'))

    with pytest.raises(UnreadableAnswer):
        client.tasks.create_many([NewTask("a", {})])
