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
    from orchestrion.client.sync import Orchestrion
    from orchestrion.client.task import NewTask, Task
    from orchestrion.worker import Backoff, Context, OutputRef, Retry, Worker

__version__ = "0.1.0"

__all__ = [
    "APIError",
    "Action",
    "AgentContract",
    "AsyncOrchestrion",
    "Backoff",
    "ConfigurationError",
    "ConnectionFailed",
    "Context",
    "IdempotencyConflict",
    "IdempotencyInFlight",
    "InvalidApiKey",
    "InvalidRequest",
    "InvalidTransition",
    "LeaseExpired",
    "MaxWorkersReached",
    "MissingApiKey",
    "NewTask",
    "NotYetClaimable",
    "Orchestrion",
    "OrchestrionError",
    "OutputRef",
    "PaymentFailed",
    "PlanExpired",
    "QuotaExceeded",
    "RateLimited",
    "RequestTimeout",
    "Retry",
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
    "NewTask": "orchestrion.client.task",
    "Orchestrion": "orchestrion.client.sync",
    "Task": "orchestrion.client.task",
    "Backoff": "orchestrion.worker",
    "Context": "orchestrion.worker",
    "OutputRef": "orchestrion.worker",
    "Retry": "orchestrion.worker",
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
