"""Orchestrion: a task service that agents drive over HTTP."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrion.client.aio import AsyncOrchestrion
    from orchestrion.client.contract import Action, AgentContract
    from orchestrion.client.errors import (
        APIError,
        ConfigurationError,
        ConnectionFailed,
        IdempotencyConflict,
        IdempotencyInFlight,
        InvalidApiKey,
        InvalidRequest,
        InvalidTransition,
        LeaseExpired,
        MaxWorkersReached,
        MissingApiKey,
        NotYetClaimable,
        OrchestrionError,
        PaymentFailed,
        PlanExpired,
        QuotaExceeded,
        RateLimited,
        RequestTimeout,
        ServerError,
        TaskCurrentlyClaimed,
        TaskNotFound,
        Timeout,
        UnreadableAnswer,
    )
    from orchestrion.client.leases import Lease
    from orchestrion.client.retrying import RetryNote
    from orchestrion.client.sync import Orchestrion
    from orchestrion.client.task import (
        Beat,
        Claimed,
        Completion,
        Failure,
        Held,
        NewTask,
        Page,
        Task,
    )
    from orchestrion.worker import Backoff, Context, OutputRef, Retry, Worker

__version__ = "0.1.0"

__all__ = [
    "APIError",
    "Action",
    "AgentContract",
    "AsyncOrchestrion",
    "Backoff",
    "Beat",
    "Claimed",
    "Completion",
    "ConfigurationError",
    "ConnectionFailed",
    "Context",
    "Failure",
    "Held",
    "IdempotencyConflict",
    "IdempotencyInFlight",
    "InvalidApiKey",
    "InvalidRequest",
    "InvalidTransition",
    "Lease",
    "LeaseExpired",
    "MaxWorkersReached",
    "MissingApiKey",
    "NewTask",
    "NotYetClaimable",
    "Orchestrion",
    "OrchestrionError",
    "OutputRef",
    "Page",
    "PaymentFailed",
    "PlanExpired",
    "QuotaExceeded",
    "RateLimited",
    "RequestTimeout",
    "Retry",
    "RetryNote",
    "ServerError",
    "Task",
    "TaskCurrentlyClaimed",
    "TaskNotFound",
    "Timeout",
    "UnreadableAnswer",
    "Worker",
]

_ELSEWHERE = {
    "Action": "orchestrion.client.contract",
    "AgentContract": "orchestrion.client.contract",
    "AsyncOrchestrion": "orchestrion.client.aio",
    "Backoff": "orchestrion.worker",
    "Beat": "orchestrion.client.task",
    "Claimed": "orchestrion.client.task",
    "Completion": "orchestrion.client.task",
    "Context": "orchestrion.worker",
    "Failure": "orchestrion.client.task",
    "Held": "orchestrion.client.task",
    "Lease": "orchestrion.client.leases",
    "NewTask": "orchestrion.client.task",
    "Orchestrion": "orchestrion.client.sync",
    "OutputRef": "orchestrion.worker",
    "Page": "orchestrion.client.task",
    "Retry": "orchestrion.worker",
    "RetryNote": "orchestrion.client.retrying",
    "Task": "orchestrion.client.task",
    "Worker": "orchestrion.worker",
}


def __getattr__(name: str) -> object:
    """Load what is asked for: the version alone pulls in nothing."""
    if name not in __all__:
        raise AttributeError(f"module 'orchestrion' has no attribute {name!r}")
    module = importlib.import_module(_ELSEWHERE.get(name, "orchestrion.client.errors"))
    return getattr(module, name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
