"""When workers last asked for each type of an account; only so many types are kept."""

from collections.abc import Mapping

import msgspec

from orchestrion.core.ids import AccountId
from orchestrion.core.instants import Instant
from orchestrion.core.limits import TYPES_ASKED_MAX


class Asks(msgspec.Struct, frozen=True, kw_only=True):
    """The latest asks of one account by type, latest first."""

    account_id: AccountId
    at: Mapping[str, Instant]


def merged(kept: Asks | None, more: Asks) -> Asks:
    """Give the latest of both; `kept` itself if it knows better already."""
    if kept is None:
        return _latest(more.account_id, more.at)
    newer = {type_: at for type_, at in more.at.items() if at > kept.at.get(type_, -1)}
    return _latest(kept.account_id, {**kept.at, **newer}) if newer else kept


def _latest(account_id: AccountId, at: Mapping[str, Instant]) -> Asks:
    in_order = sorted(at.items(), key=lambda one: (-one[1], one[0]))
    return Asks(account_id=account_id, at=dict(in_order[:TYPES_ASKED_MAX]))
