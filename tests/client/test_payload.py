"""What may stand in a payload or a result."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TypedDict

import msgspec
import pydantic
import pytest

from orchestrion.client.payload import Payload, encoded_object
from orchestrion.client.sync import Orchestrion


class Struct(msgspec.Struct):
    """A struct of msgspec."""

    n: int


@dataclass
class Data:
    """A dataclass."""

    n: int


class Typed(TypedDict):
    """A typed dictionary."""

    n: int


class Model(pydantic.BaseModel):
    """A model of Pydantic."""

    n: int


FORMS: Mapping[str, Payload] = {
    "dictionary": {"n": 1},
    "mapping": MappingProxyType({"n": 1}),
    "struct": Struct(n=1),
    "dataclass": Data(n=1),
    "typed dictionary": Typed(n=1),
    "model": Model(n=1),
}


@pytest.mark.parametrize("payload", FORMS.values(), ids=FORMS)
def test_a_payload_may_have_any_of_these_forms(payload: Payload) -> None:
    assert bytes(encoded_object(payload)) == b'{"n":1}'
    assert bytes(encoded_object({"inner": payload})) == b'{"inner":{"n":1}}'


def test_a_payload_and_a_result_arrive_as_they_were(client: Orchestrion) -> None:
    when = datetime(2026, 11, 22, tzinfo=UTC)

    task = client.tasks.create("report", {"model": Model(n=1), "when": when, "text": "ä\u2028"})
    held = client.tasks.claim_by_id(task.id)
    done = client.tasks.complete(task.id, held.lease_token, Struct(n=2))

    assert held.task.payload == {
        "model": {"n": 1},
        "when": "2026-11-22T00:00:00Z",
        "text": "ä\u2028",
    }
    assert done.result == {"n": 2}


@pytest.mark.parametrize("payload", [{"a": object()}, {"a": {1j}}, Struct], ids=["a", "b", "c"])
def test_what_json_cannot_say_is_refused_before_it_is_sent(payload: Payload) -> None:
    with pytest.raises(TypeError):
        encoded_object(payload)


def test_half_a_character_is_refused_before_it_is_sent() -> None:
    with pytest.raises(ValueError, match="surrogate"):
        encoded_object({"a": "\ud83d"})
