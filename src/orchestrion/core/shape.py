"""How much of a task an answer shows: all of it, what one decides by, or named fields."""

from enum import StrEnum

import msgspec
from msgspec import UNSET, UnsetType

from orchestrion.core.contract import AgentContract


class Amount(StrEnum):
    """What `view` may ask for."""

    FULL = "full"
    COMPACT = "compact"


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """What a read asked to be shown; without `fields` the view decides which there are."""

    view: Amount = Amount.FULL
    fields: tuple[str, ...] = ()


FULL = Shape()
COMPACT = Shape(view=Amount.COMPACT)


class CompactTask(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What one decides by: absent fields do not apply."""

    id: str
    type: str
    status: str
    attempt_count: int
    max_attempts: int
    updated_at: str
    scheduled_at: str | UnsetType = UNSET
    lease_expires_at: str | UnsetType = UNSET
    output_id: str | UnsetType = UNSET
    cancel_requested_at: str | UnsetType = UNSET
    agent_contract: AgentContract = msgspec.field(name="agent_contract")
