"""The metrics page, read back by Prometheus' own parsers."""

from threading import Thread

import pytest
from prometheus_client import REGISTRY, generate_latest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families as parse_text

from orchestrion.core.database_state import DatabaseState
from orchestrion.core.instants import Instant
from orchestrion.engine.ports import BatchRecord, Observer, RequestRecord
from orchestrion.observe.jobs import JobHistory
from orchestrion.observe.logs import LogOptions
from orchestrion.observe.metrics import Metrics
from orchestrion.observe.observer import ProcessObserver
from orchestrion.observe.tally import LABEL_VALUES_MAX
from orchestrion.payments.calls import CallRecord
from tests.observe.conftest import KEY, OpenLogs, Pipe, SettableClock, a_request

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def scraped(metrics: Metrics) -> Samples:
    page, _ = metrics.page("")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in parse_text(page.decode())
        for sample in family.samples
    }


def value(metrics: Metrics, name: str, **labels: str) -> float:
    return scraped(metrics)[name, tuple(sorted(labels.items()))]


def label_values(metrics: Metrics, name: str) -> set[str]:
    return {labels[0][1] for sample, labels in scraped(metrics) if sample == name}


@pytest.fixture
def jobs(clock: SettableClock) -> JobHistory:
    return JobHistory(clock)


@pytest.fixture
def metrics(jobs: JobHistory) -> Metrics:
    return Metrics(jobs, lambda: 7)


def answered(operation: str, status: int, seconds: float) -> RequestRecord:
    return RequestRecord(
        request_id="req_1",
        operation=operation,
        method="POST",
        account_id="acct_1",
        status=status,
        seconds=seconds,
    )


def test_requests_are_counted_by_operation_and_status(metrics: Metrics) -> None:
    for status in (200, 200, 404):
        metrics.request(answered("claim_task", status, 0.001))
    metrics.request(answered("unknown", 404, 0.001))

    name = "orchestrion_requests_total"
    assert value(metrics, name, operation="claim_task", status="200") == 2
    assert value(metrics, name, operation="claim_task", status="404") == 1
    assert value(metrics, name, operation="unknown", status="404") == 1


def test_latencies_fall_into_cumulative_buckets(metrics: Metrics) -> None:
    for seconds in (0.0004, 0.001, 0.0011, 99.0):
        metrics.request(answered("claim_task", 200, seconds))

    def bucket(bound: str) -> float:
        return value(
            metrics, "orchestrion_request_seconds_bucket", operation="claim_task", le=bound
        )

    assert [bucket(bound) for bound in ("0.0005", "0.001", "0.0025", "30.0", "+Inf")] == [
        1,
        2,
        3,
        3,
        4,
    ]
    assert value(metrics, "orchestrion_request_seconds_count", operation="claim_task") == 4
    assert value(
        metrics, "orchestrion_request_seconds_sum", operation="claim_task"
    ) == pytest.approx(99.0025)


def test_batches_show_their_size_and_their_commit(metrics: Metrics) -> None:
    metrics.batch(BatchRecord(commands=1, seconds=0.002))
    metrics.batch(BatchRecord(commands=40, seconds=0.2))

    assert value(metrics, "orchestrion_batch_commands_count") == 2
    assert value(metrics, "orchestrion_batch_commands_sum") == 41
    assert value(metrics, "orchestrion_batch_commands_bucket", le="32.0") == 1
    assert value(metrics, "orchestrion_commit_seconds_bucket", le="0.0025") == 1
    assert value(metrics, "orchestrion_commit_seconds_sum") == pytest.approx(0.202)


def test_faults_and_refusals_are_counted(metrics: Metrics) -> None:
    metrics.fault("commit failed")
    metrics.refused("queue_full")
    metrics.refused("queue_full")

    assert value(metrics, "orchestrion_faults_total", event="commit failed") == 1
    assert value(metrics, "orchestrion_requests_refused_total", reason="queue_full") == 2


def test_calls_to_paypal_are_counted_by_kind_and_status(metrics: Metrics) -> None:
    for status, seconds in ((200, 0.2), (200, 0.4), (0, 25.0)):
        metrics.payment_call(paypal_call(status, seconds))

    assert value(metrics, "orchestrion_payment_calls_total", call="capture", status="200") == 2
    assert value(metrics, "orchestrion_payment_calls_total", call="capture", status="0") == 1
    assert value(metrics, "orchestrion_payment_call_seconds_count", call="capture") == 3
    bucket = "orchestrion_payment_call_seconds_bucket"
    assert value(metrics, bucket, call="capture", le="0.25") == 1


@pytest.mark.parametrize(("status", "level"), [(201, "info"), (422, "warning"), (0, "warning")])
def test_a_call_to_paypal_is_logged_with_its_codes_and_no_text(
    status: int, level: str, metrics: Metrics, open_logs: OpenLogs, pipe: Pipe
) -> None:
    observer = ProcessObserver(open_logs(LogOptions(format="json")), metrics)

    observer.payment_call(paypal_call(status, 0.25))

    pipe.text_with("paypal_call")
    (line,) = pipe.lines()
    del line["timestamp"]
    assert line == {
        "level": level,
        "event": "paypal_call",
        "call": "capture",
        "status": status,
        "issue": "INSTRUMENT_DECLINED",
        "debug_id": "f1234",
        "seconds": 0.25,
    }
    assert (
        value(metrics, "orchestrion_payment_calls_total", call="capture", status=str(status)) == 1
    )


def paypal_call(status: int, seconds: float) -> CallRecord:
    return CallRecord(
        call="capture",
        status=status,
        issue="INSTRUMENT_DECLINED",
        debug_id="f1234",
        seconds=seconds,
    )


def test_who_waits_is_counted_at_every_scrape(metrics: Metrics) -> None:
    assert value(metrics, "orchestrion_waiting") == 0

    metrics.watch_waiting(lambda: 7)

    assert value(metrics, "orchestrion_waiting") == 7


def test_queue_depth_is_asked_for_at_every_scrape(metrics: Metrics) -> None:
    assert value(metrics, "orchestrion_queue_depth") == 0

    depths = iter([3, 5])
    metrics.watch_queue(lambda: next(depths))

    assert value(metrics, "orchestrion_queue_depth") == 3
    assert value(metrics, "orchestrion_queue_depth") == 5


def test_tasks_are_shown_as_last_counted(metrics: Metrics) -> None:
    metrics.set_task_counts({"pending": 5, "claimed": 2})
    metrics.set_task_counts({"pending": 4})

    assert value(metrics, "orchestrion_tasks", state="pending") == 4
    assert label_values(metrics, "orchestrion_tasks") == {"pending"}


def test_of_the_database_is_shown_what_its_kind_has(metrics: Metrics) -> None:
    metrics.set_database(DatabaseState(size_bytes=4_096))

    assert value(metrics, "orchestrion_database_size_bytes") == 4_096
    assert not label_values(metrics, "orchestrion_database_dead_rows")
    assert ("orchestrion_database_connections", ()) not in scraped(metrics)

    metrics.set_database(
        DatabaseState(
            size_bytes=8_192,
            connections=3,
            connections_max=100,
            oldest_snapshot_transactions=0,
            oldest_snapshot_seconds=1.5,
            dead_rows={"tasks": 7, "accounts": 0},
        )
    )

    assert value(metrics, "orchestrion_database_size_bytes") == 8_192
    assert value(metrics, "orchestrion_database_connections") == 3
    assert value(metrics, "orchestrion_database_connections_max") == 100
    assert value(metrics, "orchestrion_database_oldest_snapshot_transactions") == 0
    assert value(metrics, "orchestrion_database_oldest_snapshot_seconds") == 1.5
    assert value(metrics, "orchestrion_database_dead_rows", table="tasks") == 7
    assert label_values(metrics, "orchestrion_database_dead_rows") == {"tasks", "accounts"}


def test_jobs_show_their_last_run_and_their_failures(
    metrics: Metrics, jobs: JobHistory, clock: SettableClock
) -> None:
    clock.instant = Instant(12_500)
    jobs.started("expire_leases")
    jobs.finished("expire_leases")
    jobs.started("purge_finished")
    jobs.failed("purge_finished", OSError())

    finished = "orchestrion_job_last_finished_timestamp_seconds"
    failed = "orchestrion_job_last_failed_timestamp_seconds"
    assert value(metrics, finished, job="expire_leases") == 12.5
    assert label_values(metrics, finished) == {"expire_leases"}
    assert value(metrics, failed, job="purge_finished") == 12.5
    assert value(metrics, "orchestrion_job_failures_total", job="purge_finished") == 1


def test_lines_the_log_lost_are_shown(metrics: Metrics) -> None:
    assert value(metrics, "orchestrion_log_lines_dropped_total") == 7


def test_no_label_grows_without_bound(metrics: Metrics) -> None:
    for number in range(LABEL_VALUES_MAX + 50):
        metrics.request(answered(f"operation_{number}", 200, 0.001))
        metrics.refused(f"reason_{number}")
        metrics.fault(f"event_{number}")
    metrics.set_task_counts({f"state_{number}": 1 for number in range(LABEL_VALUES_MAX + 50)})

    operations = label_values(metrics, "orchestrion_requests_total")
    assert len(operations) == LABEL_VALUES_MAX + 1
    assert value(metrics, "orchestrion_requests_total", operation="other", status="200") == 50
    assert len(label_values(metrics, "orchestrion_requests_refused_total")) == LABEL_VALUES_MAX + 1
    assert value(metrics, "orchestrion_faults_total", event="other") == 50
    assert len(label_values(metrics, "orchestrion_tasks")) == LABEL_VALUES_MAX


def test_page_is_prometheus_text_or_openmetrics_as_the_reader_asks(metrics: Metrics) -> None:
    metrics.request(a_request())
    metrics.batch(BatchRecord(commands=1, seconds=0.002))

    page, content_type = metrics.page("application/openmetrics-text; version=1.0.0")

    assert content_type.startswith("application/openmetrics-text")
    families = parse_openmetrics(page.decode())  # type: ignore[no-untyped-call]
    names = {family.name for family in families}
    assert {"orchestrion_requests", "orchestrion_request_seconds"} <= names
    assert metrics.page("")[1].startswith("text/plain")


def test_own_registry_shows_the_process_and_the_global_one_nothing_of_ours(
    metrics: Metrics,
) -> None:
    metrics.request(a_request())

    assert value(metrics, "process_resident_memory_bytes") > 0
    assert b"orchestrion" not in generate_latest(REGISTRY)


def test_two_processes_worth_of_metrics_live_side_by_side(jobs: JobHistory) -> None:
    one, other = Metrics(jobs, lambda: 0), Metrics(jobs, lambda: 0)

    one.refused("queue_full")

    assert label_values(other, "orchestrion_requests_refused_total") == set()


def test_counting_goes_on_while_a_page_is_written(metrics: Metrics) -> None:
    failures: list[Exception] = []

    def scrape() -> None:
        try:
            for _ in range(10):
                metrics.page("")
        except RuntimeError as error:
            failures.append(error)

    thread = Thread(target=scrape)
    thread.start()
    count = 0
    while thread.is_alive():
        metrics.request(answered(f"operation_{count % 50}", 200 + count % 7, 0.001))
        count += 1
    thread.join()

    requests = {key: v for key, v in scraped(metrics).items() if key[0].endswith("requests_total")}
    assert failures == []
    assert sum(requests.values()) == count


def test_observer_feeds_log_and_metrics(open_logs: OpenLogs, pipe: Pipe, metrics: Metrics) -> None:
    logs = open_logs(LogOptions())
    observer: Observer = ProcessObserver(logs, metrics)

    observer.request(a_request())
    observer.batch(BatchRecord(commands=3, seconds=0.002))
    observer.refused("queue_full")
    observer.fault("commit failed", "req_1", RuntimeError(KEY))
    logs.close()

    assert [line["event"] for line in pipe.lines()] == ["request", "commit failed"]
    assert value(metrics, "orchestrion_requests_total", operation="claim_task", status="200") == 1
    assert value(metrics, "orchestrion_batch_commands_sum") == 3
    assert value(metrics, "orchestrion_requests_refused_total", reason="queue_full") == 1
    assert value(metrics, "orchestrion_faults_total", event="commit failed") == 1
    page, _ = metrics.page("")
    assert b"orch_live_" not in page
    assert b"acct_" not in page
