"""Occurrences counted by one label, whose number of values is bounded."""

from threading import Lock

from prometheus_client.core import CounterMetricFamily

LABEL_VALUES_MAX = 100
OTHER = "other"
"""What values beyond the limit are counted as."""


class Tally:
    """A count per label value, from any thread."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._lock = Lock()

    def add(self, value: str) -> None:
        """Count one occurrence."""
        with self._lock:
            if value not in self._counts and len(self._counts) >= LABEL_VALUES_MAX:
                value = OTHER
            self._counts[value] = self._counts.get(value, 0) + 1

    def family(self, name: str, documentation: str, label: str) -> CounterMetricFamily:
        """The counts as one counter."""
        family = CounterMetricFamily(name, documentation, labels=(label,))
        for value, count in self._counts.copy().items():
            family.add_metric((value,), count)
        return family
