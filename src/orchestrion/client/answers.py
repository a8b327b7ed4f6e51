"""The answers of claims and lists: read in one pass, each task from its own piece of the text."""

from datetime import datetime

import msgspec

from orchestrion.client.contract import AgentContract
from orchestrion.client.task import Claimed, Held, Page, read_task

_NOTHING = msgspec.Raw(b"null")


class _Lease(msgspec.Struct, frozen=True):
    task: msgspec.Raw
    lease_token: str


class _Claim(msgspec.Struct, frozen=True):
    agent_contract: AgentContract
    task: msgspec.Raw = _NOTHING
    lease_token: str | None = None
    tasks: list[_Lease] | None = None
    empty_reason: str | None = None
    next_claimable_at: datetime | None = None
    similar_types: tuple[str, ...] = ()


_CLAIM = msgspec.json.Decoder(_Claim)


def read_claimed(body: bytes) -> Claimed:
    """Read what a claim handed out."""
    answer = _CLAIM.decode(body)
    # The first stands there twice; it is read once.
    leases = answer.tasks or []
    if answer.tasks is None and answer.lease_token is not None:
        leases = [_Lease(answer.task, answer.lease_token)]
    return Claimed(
        leases=tuple(Held(task=read_task(one.task), lease_token=one.lease_token) for one in leases),
        contract=answer.agent_contract,
        empty_reason=answer.empty_reason,
        next_claimable_at=answer.next_claimable_at,
        similar_types=answer.similar_types,
    )


def read_held(body: bytes) -> Held:
    """Read the claim of a certain task."""
    (held,) = read_claimed(body).leases
    return held


class _Info(msgspec.Struct, frozen=True, rename="camel"):
    next_cursor: str | None = None


class _List(msgspec.Struct, frozen=True):
    items: list[msgspec.Raw]
    agent_contract: AgentContract
    page_info: _Info = msgspec.field(name="pageInfo", default_factory=_Info)


_LIST = msgspec.json.Decoder(_List)


def read_page(body: bytes) -> Page:
    """Read a page of a list."""
    answer = _LIST.decode(body)
    return Page(
        items=tuple(map(read_task, answer.items)),
        next_cursor=answer.page_info.next_cursor,
        contract=answer.agent_contract,
    )
