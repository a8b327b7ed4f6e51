"""The account: owner of keys and tasks, its plan, and what it has used."""

import msgspec

from orchestrion.core.ids import AccountId, KeyId
from orchestrion.core.instants import Instant


# Positional like Task: built from rows.
class Account(msgspec.Struct, frozen=True):
    """An account with its counters; windows are the hours that began at `..._window_at`."""

    id: AccountId
    email: str | None
    plan: str
    plan_expires_at: Instant | None
    created_at: Instant
    cycle_started_at: Instant
    tasks_in_cycle: int
    creates_window_at: Instant
    creates_in_window: int
    claims_window_at: Instant
    claims_in_window: int


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """Who a request acts for: the account and the key it showed."""

    account_id: AccountId
    key_id: KeyId
    plan: str
    plan_expires_at: Instant | None
    require_lease_token: bool = False


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key as stored: never the key itself, only its SHA-256."""

    id: KeyId
    account_id: AccountId
    hash: bytes
    created_at: Instant


class RequestCount(msgspec.Struct, frozen=True, kw_only=True):
    """How often one key used one kind of request in the hour that began at `window_at`."""

    account_id: AccountId
    key_id: KeyId
    kind: str
    window_at: Instant
    count: int


def new_account(account_id: AccountId, email: str | None, now: Instant) -> Account:
    """Make an account on the free plan with nothing used."""
    return Account(
        id=account_id,
        email=email,
        plan="free",
        plan_expires_at=None,
        created_at=now,
        cycle_started_at=now,
        tasks_in_cycle=0,
        creates_window_at=now,
        creates_in_window=0,
        claims_window_at=now,
        claims_in_window=0,
    )
