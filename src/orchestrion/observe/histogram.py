"""Observations counted in buckets with plain integers; read out when somebody asks."""

from bisect import bisect_left
from itertools import accumulate

from prometheus_client.core import HistogramMetricFamily


class Histogram:
    """Counts per bucket and the sum. Written by one thread, readable from any."""

    __slots__ = ("_bounds", "_counts", "_labels", "_sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._labels = [*(str(float(bound)) for bound in bounds), "+Inf"]
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Count one value; a bound belongs to the bucket it closes."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def family(self, name: str, documentation: str) -> HistogramMetricFamily:
        """This histogram as a family without labels."""
        family = HistogramMetricFamily(name, documentation, labels=())
        self.add_to(family, ())
        return family

    def add_to(self, family: HistogramMetricFamily, labels: tuple[str, ...]) -> None:
        """Add what was counted to a family; buckets there count all values up to their bound."""
        totals = accumulate(self._counts.copy())
        buckets = [(bound, float(total)) for bound, total in zip(self._labels, totals, strict=True)]
        family.add_metric(labels, buckets, self._sum)
