"""How the database itself is doing, for those who watch it; decides nothing."""

from collections.abc import Mapping

import msgspec


class DatabaseState(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of it; None or empty where a kind of database has no such thing."""

    size_bytes: int
    connections: int | None = None
    connections_max: int | None = None
    # What the oldest open snapshot keeps from being cleaned up: how old it is.
    oldest_snapshot_transactions: int | None = None
    oldest_snapshot_seconds: float | None = None
    dead_rows: Mapping[str, int] = {}
