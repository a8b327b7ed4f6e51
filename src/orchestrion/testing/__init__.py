"""What users import in their tests: the real application in process, with a clock to move."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrion.testing.clock import LocalClock
    from orchestrion.testing.local import LocalOrchestrion
    from orchestrion.testing.trying import Outcome, TrialLease, run_task

__all__ = ["LocalClock", "LocalOrchestrion", "Outcome", "TrialLease", "run_task"]


def __getattr__(name: str) -> object:
    # pytest imports the package for its plugin, whether or not a test uses the server.
    match name:
        case "LocalOrchestrion":
            module = "local"
        case "LocalClock":
            module = "clock"
        case "Outcome" | "TrialLease" | "run_task":
            module = "trying"
        case _:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{module}"), name)
