"""Counts calls to whoever takes the money, by kind and status."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from orchestrion.observe.histogram import Histogram
from orchestrion.payments.calls import CallRecord

CALL_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25)


class PaymentCalls:
    """What is counted; from the event loop's thread only."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, int], int] = {}
        self._seconds: dict[str, Histogram] = {}

    def add(self, record: CallRecord) -> None:
        """Count one call; the kinds are few, and so are statuses."""
        place = (record.call, record.status)
        self._counts[place] = self._counts.get(place, 0) + 1
        self._seconds.setdefault(record.call, Histogram(CALL_SECONDS)).observe(record.seconds)

    def families(self) -> Iterator[Metric]:
        """Make the families of one scrape; status 0 is a call without an answer."""
        calls = CounterMetricFamily(
            "orchestrion_payment_calls", "Calls to PayPal.", labels=("call", "status")
        )
        for (call, status), count in self._counts.copy().items():
            calls.add_metric((call, str(status)), count)
        seconds = HistogramMetricFamily(
            "orchestrion_payment_call_seconds", "Time PayPal took to answer.", labels=("call",)
        )
        for call, histogram in self._seconds.copy().items():
            histogram.add_to(seconds, (call,))
        yield calls
        yield seconds
