"""The worker runtime: functions that take tasks, whose leases are kept while they run."""

from orchestrion.worker.context import Context, State
from orchestrion.worker.outcomes import Backoff, LeaseLost, OutputRef, Retry
from orchestrion.worker.worker import Worker

__all__ = ["Backoff", "Context", "LeaseLost", "OutputRef", "Retry", "State", "Worker"]
