"""Writes tasks in the shape that a read asked for."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from orchestrion.api.respond import task_answer, with_contract
from orchestrion.core.bodies import TaskAnswer
from orchestrion.core.contract import AgentContract, brief
from orchestrion.core.instants import Instant, format_instant
from orchestrion.core.shape import FULL, Amount, CompactTask, Shape
from orchestrion.core.strict_json import Malformed
from orchestrion.core.task import Task

# The fields of a task by their names on the wire, in their order there.
FIELDS: Final[Mapping[str, str]] = MappingProxyType(
    {field.encode_name: field.name for field in msgspec.structs.fields(TaskAnswer)}
)
_VIEWS: Final = {amount.value: amount for amount in Amount}
_UNKNOWN_VIEW: Final = f"'view' must be one of {', '.join(_VIEWS)}."
_UNKNOWN_FIELD: Final = f"'fields' must be a comma list of {', '.join(FIELDS)}."


def read_shape(query: Mapping[str, str]) -> Shape:
    """Read `view` and `fields`. Raises Malformed."""
    if "view" not in query and "fields" not in query:
        return FULL
    view = _VIEWS.get(query.get("view", Amount.FULL))
    if view is None:
        raise Malformed(_UNKNOWN_VIEW)
    if "fields" not in query:
        return Shape(view=view)
    asked = frozenset(query["fields"].split(","))
    if not asked <= FIELDS.keys():
        raise Malformed(_UNKNOWN_FIELD)
    return Shape(view=view, fields=tuple(name for name in FIELDS if name in asked))


def shaped(task: Task, guidance: AgentContract, shape: Shape) -> object:
    """Write a task with its guidance beside it."""
    if shape.fields:
        return _named(task, shaped_contract(guidance, shape), shape.fields)
    if shape.view is Amount.COMPACT:
        return compact(task, guidance)
    return with_contract(task, guidance)


def shaped_contract(guidance: AgentContract, shape: Shape) -> AgentContract:
    """Write as much guidance as the view has."""
    return brief(guidance) if shape.view is Amount.COMPACT else guidance


def compact(task: Task, guidance: AgentContract) -> CompactTask:
    """Write what one decides by."""
    return CompactTask(
        id=task.id,
        type=task.type,
        status=task.status,
        attempt_count=task.attempt_count,
        max_attempts=task.max_attempts,
        updated_at=format_instant(task.updated_at),
        scheduled_at=_moment(task.scheduled_at),
        lease_expires_at=_moment(task.lease_expires_at),
        output_id=UNSET if task.output_id is None else task.output_id,
        cancel_requested_at=_moment(task.cancel_requested_at),
        agent_contract=brief(guidance),
    )


def _named(task: Task, guidance: AgentContract, names: tuple[str, ...]) -> dict[str, Any]:
    whole = task_answer(task)
    found = {name: getattr(whole, FIELDS[name]) for name in names}
    shown = {name: value for name, value in found.items() if value is not UNSET}
    return {**shown, "agent_contract": guidance}


def _moment(instant: Instant | None) -> str | UnsetType:
    return UNSET if instant is None else format_instant(instant)
