"""Tasks as values: what they keep of the wire, and what they do without."""

import copy
import pickle

import pytest
from msgspec.structs import replace

from orchestrion.client.calls import Claiming, claim
from orchestrion.client.contract import NO_CONTRACT
from orchestrion.client.payload import encoded_object
from orchestrion.client.task import Task, read_task

TEXT = (
    b'{"id":"tsk_1","type":"t","payload":{"n":12345678901234567890123},"status":"resting",'
    b'"mood":[1],"leaseDurationSeconds":60,"createdAt":"2026-11-22T08:06:25.123Z"}'
)
CLAIM = (
    b'{"task":{"id":"tsk_1"},"lease_token":"lse_1",%s"agent_contract":{"version":"1",'
    b'"retryable":false,"next_actions":[]},"mood":1}'
)


def test_fields_and_states_of_a_later_release_are_kept_in_raw() -> None:
    task = read_task(TEXT)

    assert (task.status, task.lease_duration_seconds) == ("resting", 60)
    assert (task.raw["mood"], task.raw["payload"]) == ([1], {"n": 12345678901234567890123})
    assert task.json == TEXT


def test_a_task_in_a_few_fields_is_a_task() -> None:
    task = read_task(b'{"id":"tsk_1"}')

    assert (task.payload, task.result, task.created_at, task.contract) == (
        *({}, None, None),
        NO_CONTRACT,
    )


def test_a_task_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        read_task(TEXT).status = "completed"  # type: ignore[misc]


def test_copies_keep_what_the_task_was_read_from() -> None:
    task = read_task(TEXT)

    for other in (pickle.loads(pickle.dumps(task)), copy.copy(task), copy.deepcopy(task)):
        assert other == task
        assert other.raw == task.raw


def test_a_task_that_was_made_shows_what_it_is() -> None:
    task = replace(read_task(TEXT), status="pending")

    assert task.raw["status"] == "pending"
    assert Task(id="tsk_2").raw["leaseDurationSeconds"] == 0


@pytest.mark.parametrize(
    ("tasks", "count"),
    [
        (b"", 1),
        (b'"tasks":[{"task":{"id":"tsk_1"},"lease_token":"lse_1"}],', 1),
        (b'"tasks":[],', 0),
    ],
    ids=["alone", "first", "none"],
)
def test_a_claim_gives_each_task_once(tasks: bytes, count: int) -> None:
    claimed = claim(Claiming(types=("t",))).decode(CLAIM % tasks)

    assert [held.task.id for held in claimed.leases] == ["tsk_1"] * count


@pytest.mark.parametrize("key", ["", "a\nb", "schlüssel", "\x7f"])
def test_a_claim_takes_no_key_that_fits_no_header(key: str) -> None:
    with pytest.raises(ValueError, match="idempotency key"):
        claim(Claiming(types=("t",), idempotency_key=key))


def test_numbers_are_looked_at_however_deep_they_stand() -> None:
    assert bytes(encoded_object({"a": None, "b": [1.5, {"c": None}]})) == (
        b'{"a":null,"b":[1.5,{"c":null}]}'
    )
    with pytest.raises(ValueError, match="NaN"):
        encoded_object({"a": [{"b": (float("nan"),)}]})
