"""An observer that keeps what it is told, for tests to read."""

from orchestrion.engine.ports import BatchRecord, RequestRecord


class KeepingObserver:
    """Fits `engine.ports.Observer`."""

    def __init__(self) -> None:
        self.requests: list[RequestRecord] = []
        self.batches: list[BatchRecord] = []
        self.faults: list[tuple[str, str, BaseException]] = []
        self.refusals: list[str] = []

    def request(self, record: RequestRecord) -> None:
        """Keep an answer."""
        self.requests.append(record)

    def batch(self, record: BatchRecord) -> None:
        """Keep a commit."""
        self.batches.append(record)

    def fault(self, event: str, request_id: str, error: BaseException) -> None:
        """Keep a fault."""
        self.faults.append((event, request_id, error))

    def refused(self, reason: str) -> None:
        """Keep a refusal."""
        self.refusals.append(reason)
