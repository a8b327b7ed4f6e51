"""What an operator asks of a database beside running servers, whichever database it is."""

import hashlib
import os
import time
from collections.abc import Sequence
from typing import Protocol

import msgspec

from orchestrion.core import ids
from orchestrion.core.account import Account, ApiKey
from orchestrion.core.faults import StoreRefused
from orchestrion.core.ids import AccountId, KeyId
from orchestrion.core.instants import SECOND, Instant
from orchestrion.core.outcomes import PlanSet
from orchestrion.core.plans import Catalogue
from orchestrion.core.purchase_commands import SetPlan
from orchestrion.core.purchasing import decide
from orchestrion.core.view import View
from orchestrion.store.migrate import Applied, Migration, Phase, Selection


class CreatedKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key just made; nobody keeps it but whoever reads this."""

    key: str
    key_id: KeyId
    account_id: AccountId


class KeyRow(msgspec.Struct, frozen=True, kw_only=True):
    """A key as listed."""

    key_id: KeyId
    account_id: AccountId
    created_at: Instant
    revoked_at: Instant | None


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """A setting of the database that was looked at; `advice` is empty where it is good.

    `note` says what to hold the value against, where only the operator can tell.
    """

    name: str
    value: str
    advice: str = ""
    note: str = ""


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """What a database is and lacks."""

    database: str
    server: str
    size_bytes: int
    applied: Sequence[int]
    outstanding: Sequence[Migration]
    checks: Sequence[Check] = ()

    @property
    def fit(self) -> bool:
        """Whether this program finds everything it needs."""
        lacking = any(migration.phase == "pre" for migration in self.outstanding)
        return not lacking and not any(check.advice for check in self.checks)


class AccountSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator sets for an account."""

    require_lease_token: bool


def schema_checks(found: Sequence[Applied], too_new: str) -> list[Check]:
    """Tell of a schema that this program refuses, if `too_new` says why it does."""
    newest = max((record.number for record in found), default=0)
    return [Check(name="schema", value=str(newest), advice=too_new)] if too_new else []


class Operator(Protocol):
    """Short transactions beside whatever runs. Every method may raise StoreRefused."""

    async def create_key(self, account_id: str | None, email: str | None) -> CreatedKey:
        """Make a key, for an account that exists or a new one."""
        ...

    async def first_key(self) -> CreatedKey | None:
        """Make a key if there never was one; of several who ask at once, one gets it."""
        ...

    async def list_keys(self) -> list[KeyRow]:
        """List every key, revoked ones included."""
        ...

    async def revoke_key(self, key_id: str) -> bool:
        """Revoke a key; false if there is none or it is revoked already."""
        ...

    async def set_account(self, account_id: str, settings: AccountSettings) -> None:
        """Change what holds for an account that exists."""
        ...

    async def account(self, account_id: str) -> Account:
        """Read an account that exists, as it was last used."""
        ...

    async def set_plan(self, command: SetPlan, catalogue: Catalogue) -> Account:
        """Give an account that exists a plan of the catalogue."""
        ...

    async def migrate(self, phase: Phase) -> list[Migration]:
        """Apply what is due, and tell what was; an empty database gets everything."""
        ...

    async def status(self) -> Status:
        """Look at the database and change nothing."""
        ...

    async def sql(self, selection: Selection) -> str:
        """Write what `migrate` would do, or everything, for the database's own shell."""
        ...


def with_plan(account: Account, command: SetPlan, catalogue: Catalogue, now: Instant) -> Account:
    """Decide what a plan makes of a loaded account; raises StoreRefused for an unknown plan."""
    view = View(now)
    view.accounts[account.id] = account
    outcome = decide(command, catalogue, view)
    if not isinstance(outcome, PlanSet):
        message = f"there is no such plan: the catalogue has {', '.join(catalogue.plans)}"
        raise StoreRefused(message)
    return outcome.account


def no_account(account_id: str) -> StoreRefused:
    """Say that an account does not exist."""
    return StoreRefused(f"there is no account {account_id}")


def mint_key(account_id: AccountId, now: Instant) -> tuple[str, ApiKey]:
    """Make a key and the row that is kept of it."""
    key = ids.api_key(os.urandom(ids.KEY_ENTROPY_BYTES))
    row = ApiKey(
        id=KeyId("key_" + _ulid(now)),
        account_id=account_id,
        hash=hashlib.sha256(key.encode("ascii")).digest(),
        created_at=now,
    )
    return key, row


def mint_account_id(now: Instant) -> AccountId:
    """Make the id of a new account."""
    return AccountId("acct_" + _ulid(now))


def wall_time() -> Instant:
    """Read the machine's clock."""
    return Instant(int(time.time() * SECOND))


def _ulid(now: Instant) -> str:
    return ids.ulid(now, int.from_bytes(os.urandom(ids.RANDOM_BITS // 8), "big"))
