"""Many tasks at once: as many requests as they need, each item answered in its place."""

import json
from collections.abc import Callable

import pytest

from orchestrion.client.batches import BYTES_MAX, ITEMS_MAX
from orchestrion.client.errors import APIError, ConnectionFailed, LeaseExpired
from orchestrion.client.sync import Orchestrion
from orchestrion.client.task import Completion, NewTask, Task
from tests.client.application import UNSENT, Fate, Network

TYPE = "report"


def test_items_are_sent_a_hundred_at_a_time(client: Orchestrion, network: Network) -> None:
    made = client.tasks.create_many(NewTask(TYPE, {"n": n}) for n in range(2 * ITEMS_MAX + 1))

    assert [task.payload["n"] for task in made if isinstance(task, Task)] == list(range(201))
    sent = [len(json.loads(request.content)["items"]) for request in network.requests]
    assert sent == [100, 100, 1]


def test_great_items_are_sent_in_more_requests(client: Orchestrion, network: Network) -> None:
    great = {"text": "x" * 60_000}

    made = client.tasks.create_many(NewTask(TYPE, great) for _ in range(40))

    assert all(isinstance(task, Task) for task in made)
    assert len(network.requests) == 2
    assert all(len(request.content) <= BYTES_MAX + 100 for request in network.requests)


def test_nothing_to_do_is_no_request(client: Orchestrion, network: Network) -> None:
    assert client.tasks.create_many([]) == []
    assert network.requests == []


def test_a_refused_item_leaves_the_others_alone(client: Orchestrion) -> None:
    for n in range(3):
        client.tasks.create(TYPE, {"n": n})
    leases = client.tasks.claim(TYPE, max_tasks=3).leases
    tokens = [leases[0].lease_token, "lse_of_somebody_else", leases[2].lease_token]

    done = client.tasks.complete_many(
        Completion(id=lease.task.id, lease_token=token)
        for lease, token in zip(leases, tokens, strict=True)
    )

    assert [isinstance(outcome, Task) for outcome in done] == [True, False, True]
    refusal = done[1]
    assert isinstance(refusal, LeaseExpired)
    assert refusal.details == {"reason": "superseded"}


def test_a_repeat_with_the_same_keys_is_the_same_tasks(client: Orchestrion) -> None:
    tasks = [NewTask(TYPE, {"n": n}, idempotency_key=f"key-{n}") for n in range(3)]

    first, second = client.tasks.create_many(tasks), client.tasks.create_many(tasks)

    assert [task.id for task in first if isinstance(task, Task)] == [
        task.id for task in second if isinstance(task, Task)
    ]


def test_what_came_before_a_failure_is_told_with_it(
    connect: Callable[..., Orchestrion], network: Network
) -> None:
    client = connect(max_retries=0)
    network.fail(Fate(), UNSENT)

    with pytest.raises(ConnectionFailed) as caught:
        client.tasks.create_many(NewTask(TYPE, {"n": n}) for n in range(150))

    assert len(caught.value.outcomes) == 100
    assert not any(isinstance(outcome, APIError) for outcome in caught.value.outcomes)


def test_an_item_that_cannot_be_sent_tells_how_many_were(client: Orchestrion) -> None:
    tasks = [NewTask(TYPE, {"n": n}) for n in range(120)]

    with pytest.raises(ValueError, match="run_at") as caught:
        client.tasks.create_many([*tasks, NewTask(TYPE, {}, run_at="soon")])

    assert caught.value.__notes__ == ["100 items were sent before."]
