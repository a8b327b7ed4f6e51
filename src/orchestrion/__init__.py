"""Orchestrion: a task service that agents drive over HTTP."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrion.client.account import (
        Checkout,
        Plan,
        PlanStatus,
        RegisteredKey,
        Verification,
    )
    from orchestrion.client.aio import AsyncOrchestrion
    from orchestrion.client.batches import Outcome
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
    from orchestrion.client.insight import Explanation, Health, Stats
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
    from orchestrion.worker import Backoff, Context, LeaseLost, OutputRef, Retry, Worker

__version__ = "0.1.0"

__all__ = [
    "APIError",
    "Action",
    "AgentContract",
    "AsyncOrchestrion",
    "Backoff",
    "Beat",
    "Checkout",
    "Claimed",
    "Completion",
    "ConfigurationError",
    "ConnectionFailed",
    "Context",
    "Explanation",
    "Failure",
    "Health",
    "Held",
    "IdempotencyConflict",
    "IdempotencyInFlight",
    "InvalidApiKey",
    "InvalidRequest",
    "InvalidTransition",
    "Lease",
    "LeaseExpired",
    "LeaseLost",
    "MaxWorkersReached",
    "MissingApiKey",
    "NewTask",
    "NotYetClaimable",
    "Orchestrion",
    "OrchestrionError",
    "Outcome",
    "OutputRef",
    "Page",
    "PaymentFailed",
    "Plan",
    "PlanExpired",
    "PlanStatus",
    "QuotaExceeded",
    "RateLimited",
    "RegisteredKey",
    "RequestTimeout",
    "Retry",
    "RetryNote",
    "ServerError",
    "Stats",
    "Task",
    "TaskCurrentlyClaimed",
    "TaskNotFound",
    "Timeout",
    "UnreadableAnswer",
    "Verification",
    "Worker",
]

_ELSEWHERE = {
    "Action": "orchestrion.client.contract",
    "AgentContract": "orchestrion.client.contract",
    "AsyncOrchestrion": "orchestrion.client.aio",
    "Backoff": "orchestrion.worker",
    "Beat": "orchestrion.client.task",
    "Checkout": "orchestrion.client.account",
    "Claimed": "orchestrion.client.task",
    "Completion": "orchestrion.client.task",
    "Context": "orchestrion.worker",
    "Explanation": "orchestrion.client.insight",
    "Failure": "orchestrion.client.task",
    "Health": "orchestrion.client.insight",
    "Held": "orchestrion.client.task",
    "Lease": "orchestrion.client.leases",
    "LeaseLost": "orchestrion.worker",
    "NewTask": "orchestrion.client.task",
    "Orchestrion": "orchestrion.client.sync",
    "Outcome": "orchestrion.client.batches",
    "OutputRef": "orchestrion.worker",
    "Page": "orchestrion.client.task",
    "Plan": "orchestrion.client.account",
    "PlanStatus": "orchestrion.client.account",
    "RegisteredKey": "orchestrion.client.account",
    "Retry": "orchestrion.worker",
    "RetryNote": "orchestrion.client.retrying",
    "Stats": "orchestrion.client.insight",
    "Task": "orchestrion.client.task",
    "Verification": "orchestrion.client.account",
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
