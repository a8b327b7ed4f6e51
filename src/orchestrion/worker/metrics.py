"""A worker's counts in the form Prometheus reads."""

from collections.abc import Callable, Iterator
from typing import Final

import msgspec
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector, CollectorRegistry

from orchestrion.client.keeping import Pulse
from orchestrion.worker.tally import BUCKETS, Tally

PREFIX: Final = "orchestrion_worker_"


class Gauges(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker is just now."""

    concurrency: int = 0
    running: int = 0
    unsent: int = 0
    reached: bool = False
    stopping: bool = False
    pulse: Pulse = msgspec.field(default_factory=Pulse)


class WorkerCollector(Collector):
    """Reads the counts when somebody asks."""

    def __init__(self, tally: Tally, look: Callable[[], Gauges]) -> None:
        self._tally = tally
        self._look = look

    def collect(self) -> Iterator[Metric]:
        """Give all metrics."""
        yield self._attempts()
        yield self._took()
        yield from self._claims()
        yield from self._now(self._look())

    def _attempts(self) -> Metric:
        attempts = CounterMetricFamily(
            PREFIX + "attempts", "Attempts that have ended.", labels=["type", "ending"]
        )
        for (task_type, ending), count in list(self._tally.ended.items()):
            attempts.add_metric([task_type, ending], count)
        return attempts

    def _took(self) -> Metric:
        took = HistogramMetricFamily(
            PREFIX + "attempt_seconds", "How long attempts took.", labels=["type"]
        )
        for task_type, spread in list(self._tally.took.items()):
            buckets, so_far = [], 0
            bounds = [*map(str, BUCKETS), "+Inf"]
            for bound, count in zip(bounds, list(spread.counts), strict=True):
                so_far += count
                buckets.append((bound, float(so_far)))
            took.add_metric([task_type], buckets, spread.total)
        return took

    def _claims(self) -> Iterator[Metric]:
        claims = CounterMetricFamily(PREFIX + "claims", "Claims answered.", labels=["found"])
        for answer, count in list(self._tally.claims.items()):
            claims.add_metric([answer], count)
        yield claims
        refused = CounterMetricFamily(
            PREFIX + "claims_refused", "Claims refused, by error code.", labels=["code"]
        )
        for code, count in list(self._tally.refused.items()):
            refused.add_metric([code], count)
        yield refused

    def _now(self, gauges: Gauges) -> Iterator[Metric]:
        pulse = gauges.pulse
        for name, about, value in (
            ("concurrency", "Tasks that may be held at once.", gauges.concurrency),
            ("running", "Tasks that handlers work on.", gauges.running),
            ("unsent", "Endings the server has not confirmed yet.", gauges.unsent),
            ("connected", "1 while the server answers.", gauges.reached),
            ("stopping", "1 while the worker drains.", gauges.stopping),
            ("loop_lag_seconds", "How late the event loop is.", self._tally.lag_seconds),
            ("loop_lag_seconds_max", "How late it ever was.", self._tally.lag_seconds_max),
            ("heartbeat_late_seconds", "How late the last heartbeats were.", pulse.late_seconds),
        ):
            yield GaugeMetricFamily(PREFIX + name, about, value=float(value))
        for name, about, value in (
            ("heartbeats", "Heartbeats the server confirmed.", pulse.sent),
            ("heartbeats_failed", "Heartbeats without an answer.", pulse.failed),
            ("leases_lost", "Leases that heartbeats found lost.", pulse.lost),
        ):
            yield CounterMetricFamily(PREFIX + name, about, value=float(value))


def registry_of(tally: Tally, look: Callable[[], Gauges]) -> CollectorRegistry:
    """Give a registry of one worker's metrics alone."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(WorkerCollector(tally, look))
    return registry
