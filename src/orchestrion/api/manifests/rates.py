"""What is counted, per whom, in which window."""

from collections.abc import Callable

from orchestrion.api.manifests.site import Json
from orchestrion.core import limits
from orchestrion.core.operations import OPERATIONS, Allowance
from orchestrion.core.plans import (
    Catalogue,
    Plan,
    heartbeats_per_hour,
    mutations_per_hour,
    reads_per_hour,
)


def rate_limits(catalogue: Catalogue) -> list[Json]:
    """List the limits of a catalogue."""
    found = [
        _by_plan(catalogue, Allowance.CREATES, "account", lambda plan: plan.creates_per_hour),
        {
            **_by_plan(catalogue, Allowance.CLAIMS, "account", lambda plan: plan.claims_per_hour),
            "note": "Counts tasks handed out; a claim that finds nothing counts as a read.",
        },
        _by_address(Allowance.REGISTRATION, limits.WINDOW_SECONDS, limits.REGISTRATIONS_PER_HOUR),
    ]
    return found + _more(catalogue)


def _more(catalogue: Catalogue) -> list[Json]:
    bounds = catalogue.limits
    if bounds is None:
        return []
    reads = {name: reads_per_hour(bounds, name) for name in catalogue.plans}
    return [
        {**_row(Allowance.READS, "key", limits.WINDOW_SECONDS), "limit_by_plan": reads},
        _by_plan(catalogue, Allowance.MUTATIONS, "key", mutations_per_hour),
        _by_plan(catalogue, Allowance.HEARTBEATS, "key", heartbeats_per_hour),
        _by_address(
            Allowance.DISCOVERY, limits.DISCOVERY_WINDOW_SECONDS, bounds.discovery_per_minute
        ),
    ]


def _by_plan(
    catalogue: Catalogue, allowance: Allowance, per: str, limit: Callable[[Plan], int]
) -> Json:
    by_plan = {name: limit(plan) for name, plan in catalogue.plans.items()}
    return {**_row(allowance, per, limits.WINDOW_SECONDS), "limit_by_plan": by_plan}


def _by_address(allowance: Allowance, seconds: int, limit: int) -> Json:
    return {**_row(allowance, "address", seconds), "limit": limit}


def _row(allowance: Allowance, per: str, seconds: int) -> Json:
    return {
        "name": allowance,
        "per": per,
        "window_seconds": seconds,
        "operations": [row.name for row in OPERATIONS if row.allowance is allowance],
    }
