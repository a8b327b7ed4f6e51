"""What an operation is: one row of the table that everything public derives from."""

from enum import StrEnum

import msgspec

from orchestrion.core.errors import ErrorCode
from orchestrion.core.limits import BODY_BYTES_MAX


class Access(StrEnum):
    """Who may call."""

    PUBLIC = "public"
    KEYED = "keyed"


class Allowance(StrEnum):
    """Which limit a call counts against (decisions §8)."""

    NONE = "none"
    DISCOVERY = "discovery"
    REGISTRATION = "registration"
    EVENTS = "events"
    READS = "reads"
    MUTATIONS = "mutations"
    HEARTBEATS = "heartbeats"
    CREATES = "creates"
    CLAIMS = "claims"


class Errand(StrEnum):
    """What may be turned away under overload, in the order in which it is."""

    LIST = "list"
    CREATE = "create"
    CLAIM = "claim"
    GET = "get"


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One row. `refusals` are those beyond what every operation of its kind may answer.

    `errand` is None for what is never turned away: what the holder of a lease asks, what tells of
    payments, health, and documents, which cost next to nothing.
    """

    name: str
    method: str
    path: str
    tag: str
    summary: str
    description: str
    access: Access
    allowance: Allowance
    errand: Errand | None
    answer: str
    status: int = 200
    body: type[msgspec.Struct] | None = None
    body_required: bool = False
    body_bytes_max: int = BODY_BYTES_MAX
    query: tuple[str, ...] = ()
    refusals: tuple[ErrorCode, ...] = ()
    # Query parameters that others put there: no keys of ours, whatever they are called.
    strange_query: tuple[str, ...] = ()
