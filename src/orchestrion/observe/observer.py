"""What the engine and the API report, passed on to the log and the metrics."""

from typing import Final

from orchestrion.engine.ports import BatchRecord, RequestRecord
from orchestrion.observe.logs import Logs
from orchestrion.observe.metrics import Metrics
from orchestrion.payments.calls import CallRecord

FIRST_ERROR: Final = 400


class ProcessObserver:
    """The observer of a running server."""

    def __init__(self, logs: Logs, metrics: Metrics) -> None:
        self._logs = logs
        self._metrics = metrics

    def request(self, record: RequestRecord) -> None:
        """Log and count one HTTP answer."""
        self._logs.request(record)
        self._metrics.request(record)

    def batch(self, record: BatchRecord) -> None:
        """Count one commit."""
        self._metrics.batch(record)

    def fault(self, event: str, request_id: str, error: BaseException) -> None:
        """Log what broke and count it."""
        self._metrics.fault(event)
        self._logs.fault(event, request_id, error)

    def refused(self, reason: str) -> None:
        """Count a request shed by overload; its own line in the log carries the error code."""
        self._metrics.refused(reason)

    def payment_call(self, record: CallRecord) -> None:
        """Log and count one call to PayPal: how it ended, in codes, and PayPal's name for it."""
        self._metrics.payment_call(record)
        failed = record.status == 0 or record.status >= FIRST_ERROR
        tell = self._logs.warning if failed else self._logs.info
        tell(
            "paypal_call",
            call=record.call,
            status=record.status,
            issue=record.issue,
            debug_id=record.debug_id,
            seconds=round(record.seconds, 3),
        )
