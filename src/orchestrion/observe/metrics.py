"""Counts and durations of this process, exposed in Prometheus' text format on demand.

What happens is counted in plain integers; families and samples are only made when scraped. No
label has an open set of values: accounts, workers and task types never are labels.
"""

from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from orchestrion.core.database_state import DatabaseState
from orchestrion.engine.ports import BatchRecord, RequestRecord
from orchestrion.observe.database import database_families
from orchestrion.observe.histogram import Histogram
from orchestrion.observe.jobs import JobHistory, job_families
from orchestrion.observe.payments import PaymentCalls
from orchestrion.observe.tally import LABEL_VALUES_MAX, OTHER, Tally
from orchestrion.payments.calls import CallRecord

REQUEST_SECONDS = (
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
)  # fmt: skip
COMMIT_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
BATCH_COMMANDS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics(Collector):
    """Everything counted, in a registry of its own."""

    def __init__(self, jobs: JobHistory, lines_dropped: Callable[[], int]) -> None:
        self._jobs = jobs
        self._lines_dropped = lines_dropped
        self._queue_depth: Callable[[], int] = _empty
        self._waiting: Callable[[], int] = _empty
        self._operations: dict[str, _Operation] = {}
        self._batch_commands = Histogram(BATCH_COMMANDS)
        self._commit_seconds = Histogram(COMMIT_SECONDS)
        self._refused = Tally()
        self._faults = Tally()
        self._payments = PaymentCalls()
        self._tasks: dict[str, int] = {}
        self._database: DatabaseState | None = None
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def watch_queue(self, depth: Callable[[], int]) -> None:
        """Ask this for the writer's queue depth at every scrape."""
        self._queue_depth = depth

    def watch_waiting(self, count: Callable[[], int]) -> None:
        """Ask this for the number of waiting requests at every scrape."""
        self._waiting = count

    def set_task_counts(self, counts: Mapping[str, int]) -> None:
        """Take a snapshot of how many tasks are in each state."""
        self._tasks = dict(list(counts.items())[:LABEL_VALUES_MAX])

    def set_database(self, state: DatabaseState) -> None:
        """Take a snapshot of how the database is doing."""
        self._database = state

    def request(self, record: RequestRecord) -> None:
        """Count one answer; from the event loop's thread only."""
        operation = self._operations.get(record.operation) or self._admit(record.operation)
        operation.seconds.observe(record.seconds)
        statuses = operation.statuses
        statuses[record.status] = statuses.get(record.status, 0) + 1

    def batch(self, record: BatchRecord) -> None:
        """Count one commit; from the event loop's thread only."""
        self._batch_commands.observe(record.commands)
        self._commit_seconds.observe(record.seconds)

    def payment_call(self, record: CallRecord) -> None:
        """Count one call to PayPal; from the event loop's thread only."""
        self._payments.add(record)

    def fault(self, event: str) -> None:
        """Count something that broke."""
        self._faults.add(event)

    def refused(self, reason: str) -> None:
        """Count a request shed by overload."""
        self._refused.add(reason)

    def page(self, accept: str) -> tuple[bytes, str]:
        """What is known now as (text, content type), in the format the reader accepts.

        Takes milliseconds; may run in another thread than the counting.
        """
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type

    def collect(self) -> Iterator[Metric]:
        """Make the families of one scrape."""
        yield from self._request_families()
        yield self._batch_commands.family(
            "orchestrion_batch_commands", "Commands committed together."
        )
        yield self._commit_seconds.family(
            "orchestrion_commit_seconds", "Duration of a transaction, load to commit."
        )
        yield self._refused.family(
            "orchestrion_requests_refused", "Requests shed by overload.", "reason"
        )
        yield self._faults.family("orchestrion_faults", "What broke inside the service.", "event")
        yield from self._payments.families()
        yield GaugeMetricFamily(
            "orchestrion_queue_depth", "Commands waiting for the writer.", self._queue_depth()
        )
        yield GaugeMetricFamily(
            "orchestrion_waiting", "Requests that wait for something to happen.", self._waiting()
        )
        yield CounterMetricFamily(
            "orchestrion_log_lines_dropped", "Log lines lost unwritten.", self._lines_dropped()
        )
        yield self._task_family()
        if self._database is not None:
            yield from database_families(self._database)
        yield from job_families(self._jobs.runs())

    def _request_families(self) -> Iterator[Metric]:
        requests = CounterMetricFamily(
            "orchestrion_requests", "Answered requests.", labels=("operation", "status")
        )
        seconds = HistogramMetricFamily(
            "orchestrion_request_seconds", "Time to answer a request.", labels=("operation",)
        )
        for name, operation in self._operations.copy().items():
            for status, count in operation.statuses.copy().items():
                requests.add_metric((name, str(status)), count)
            operation.seconds.add_to(seconds, (name,))
        yield requests
        yield seconds

    def _task_family(self) -> Metric:
        tasks = GaugeMetricFamily(
            "orchestrion_tasks", "Tasks by state, as last counted.", labels=("state",)
        )
        for state, count in self._tasks.items():
            tasks.add_metric((state,), count)
        return tasks

    def _admit(self, name: str) -> "_Operation":
        name = name if len(self._operations) < LABEL_VALUES_MAX else OTHER
        return self._operations.setdefault(name, _Operation())


class _Operation:
    """What is counted for one operation."""

    __slots__ = ("seconds", "statuses")

    def __init__(self) -> None:
        self.seconds = Histogram(REQUEST_SECONDS)
        self.statuses: dict[int, int] = {}


def _empty() -> int:
    return 0
