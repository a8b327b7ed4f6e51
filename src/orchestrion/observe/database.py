"""The state of the database as metrics: what was last read, nothing is asked when scraped."""

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from orchestrion.core.database_state import DatabaseState

_GAUGES = {
    "size_bytes": "Size of the database.",
    "connections": "Connections to the database, those of others included.",
    "connections_max": "How many connections the database takes.",
    "oldest_snapshot_transactions": "Transactions since the oldest snapshot that is still held.",
    "oldest_snapshot_seconds": "Age of the oldest transaction that still holds a snapshot.",
}


def database_families(state: DatabaseState) -> Iterator[Metric]:
    """Make a family of whatever this kind of database has."""
    for field, words in _GAUGES.items():
        value = getattr(state, field)
        if value is not None:
            yield GaugeMetricFamily(f"orchestrion_database_{field}", words, value)
    if state.dead_rows:
        dead = GaugeMetricFamily(
            "orchestrion_database_dead_rows",
            "Rows that are gone but not cleaned up, as the database estimates them.",
            labels=("table",),
        )
        for table, rows in state.dead_rows.items():
            dead.add_metric((table,), rows)
        yield dead
