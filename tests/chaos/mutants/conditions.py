"""Circumstances that make a broken promise show in seconds; the sound service stands them all."""

import asyncio
import os
from collections.abc import Awaitable, Mapping
from typing import Any, Final, Protocol

import msgspec

VARIABLE: Final = "CHAOS_CONDITIONS"


class Conditions(msgspec.Struct, frozen=True, kw_only=True):
    """What differs from an ordinary server; None leaves it as it is."""

    # How often overdue leases are looked for, and how long after the look the command follows.
    sweep_seconds: float | None = None
    sweep_pause_seconds: float = 0.0
    # How often retention runs, and how long it keeps what ended.
    purge_seconds: float | None = None
    retention_seconds: int | None = None
    # To be killed is to lose the power: what was written but not flushed is gone.
    power_cuts: bool = False

    def variables(self) -> Mapping[str, str]:
        """Give the environment that tells a server of them."""
        return {VARIABLE: msgspec.json.encode(self).decode()}


def given() -> Conditions:
    """Read what this process was told."""
    return msgspec.json.decode(os.environ.get(VARIABLE, "{}"), type=Conditions)


class _Overdue(Protocol):
    def overdue(self, limit: int) -> Awaitable[Any]: ...


class _SlowSweeper:
    """A reader whose caller is held up right after it has looked."""

    def __init__(self, reader: _Overdue, pause_seconds: float) -> None:
        self._reader = reader
        self._pause_seconds = pause_seconds

    async def overdue(self, limit: int) -> Any:  # noqa: ANN401 - passed on as it is
        found = await self._reader.overdue(limit)
        await asyncio.sleep(self._pause_seconds)
        return found


def establish(conditions: Conditions) -> None:
    """Bring them about in this process, before the server starts."""
    # Only now, for what a server reads at its import may have been changed before.
    from orchestrion.core.instants import SECOND  # noqa: PLC0415
    from orchestrion.core.plans import Catalogue  # noqa: PLC0415
    from orchestrion.jobs import expire_leases, purge  # noqa: PLC0415
    from tests.chaos.mutants.power import forget_what_is_not_flushed  # noqa: PLC0415

    if conditions.sweep_seconds is not None:
        sweep, pause = expire_leases.expire_leases, conditions.sweep_pause_seconds
        setattr(expire_leases, "EVERY_SECONDS", conditions.sweep_seconds)  # noqa: B010
        setattr(  # noqa: B010 - a constant and a function to the type checker
            expire_leases,
            "expire_leases",
            lambda writer, reader: sweep(writer, _SlowSweeper(reader, pause)),  # type: ignore[arg-type]
        )
    if conditions.purge_seconds is not None:
        setattr(purge, "EVERY_SECONDS", conditions.purge_seconds)  # noqa: B010
    if conditions.retention_seconds is not None:
        kept = conditions.retention_seconds * SECOND
        setattr(Catalogue, "retention_cutoff", lambda _, __, now: now - kept)  # noqa: B010
    if conditions.power_cuts:
        forget_what_is_not_flushed()
