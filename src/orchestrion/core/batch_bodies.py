"""Bodies and answers of the operations on many tasks at once."""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from orchestrion.core import limits
from orchestrion.core.bodies import CompleteBody, CreateBody, FailBody, HeartbeatBody
from orchestrion.core.contract import AgentContract

_MANY = Meta(min_length=1, max_length=limits.BATCH_ITEMS_MAX)


class CompleteItem(CompleteBody, frozen=True, kw_only=True):
    """A task to complete."""

    id: str


class FailItem(FailBody, frozen=True, kw_only=True):
    """A task to fail."""

    id: str


class HeartbeatItem(HeartbeatBody, frozen=True, kw_only=True):
    """A lease to renew."""

    id: str


class CreateTasksBody(msgspec.Struct, frozen=True, kw_only=True):
    """POST /v1/tasks/batch."""

    items: Annotated[list[CreateBody], _MANY]


class CompleteTasksBody(msgspec.Struct, frozen=True, kw_only=True):
    """POST /v1/tasks/complete."""

    items: Annotated[list[CompleteItem], _MANY]


class FailTasksBody(msgspec.Struct, frozen=True, kw_only=True):
    """POST /v1/tasks/fail."""

    items: Annotated[list[FailItem], _MANY]


class HeartbeatTasksBody(msgspec.Struct, frozen=True, kw_only=True):
    """POST /v1/tasks/heartbeat."""

    items: Annotated[list[HeartbeatItem], _MANY]


class ItemAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What one item came to: status and body that the same request by itself is answered with."""

    status: int
    body: msgspec.Struct
    replayed: bool | UnsetType = UNSET


class ItemsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What the items came to, in their order."""

    items: list[ItemAnswer]
    agent_contract: AgentContract
