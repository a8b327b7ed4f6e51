"""What GET /v1/stats answers."""

from collections.abc import Mapping

from orchestrion.api.schema.shapes import (
    Schema,
    component,
    flag,
    instant,
    instant_or_null,
    struct,
    text,
    whole,
)
from orchestrion.core.limits import RATE_SECONDS, STATS_SECONDS, STATS_TYPES_MAX
from orchestrion.core.task import Status

_HAPPENED: Mapping[str, str] = {
    "createdPerMinute": "Tasks created.",
    "claimedPerMinute": "Attempts begun: tasks handed out, each time one is.",
    "completedPerMinute": "Tasks completed.",
    "failedPerMinute": "Attempts that failed, or whose lease ended.",
    "deadLetteredPerMinute": "Tasks that came to dead_letter.",
    "cancelledPerMinute": "Tasks cancelled.",
}

_COUNTS = struct(
    "How many tasks there are in each state. What retention has deleted is not among them.",
    {status.value: whole(f"In {status.value}.", minimum=0) for status in Status},
)

_RATES = struct(
    f"How often something happened in the last {RATE_SECONDS} seconds, per minute. What happened "
    "is counted by the minute of the clock: of the minute before this one counts the part that "
    "lies in the window, taken as if all in it had been spread evenly.",
    {
        "windowSeconds": whole("How many seconds are looked at.", minimum=1),
        **{
            name: {"type": "number", "minimum": 0, "description": meaning}
            for name, meaning in _HAPPENED.items()
        },
    },
)

_OLDEST_DUE = (
    "Since when a worker could have had the task that has waited longest for one: since it was "
    "due, or its lease ended. null: none waits for a worker now."
)

_TYPE = struct(
    "The numbers of one type.",
    {
        "type": text("The kind of work."),
        "counts": component("StatsCounts"),
        "oldestDueAt": instant_or_null(_OLDEST_DUE),
        "rates": component("StatsRates"),
    },
)

STATS = struct(
    "The numbers of the account's tasks.",
    {
        "asOf": instant(
            f"When they were read: they are kept for {STATS_SECONDS} seconds, so that a change "
            "may not show yet."
        ),
        "counts": component("StatsCounts"),
        "oldestPendingAt": instant_or_null(
            "When the oldest pending task was created, scheduled ones included. null: none is "
            "pending."
        ),
        "oldestDueAt": instant_or_null(_OLDEST_DUE + " Of the types shown."),
        "nextLeaseExpiresAt": instant_or_null(
            "When the first of the live leases ends. null: there is none."
        ),
        "rates": component("StatsRates"),
        "types": {
            "type": "array",
            "description": f"The {STATS_TYPES_MAX} busiest types there are tasks of: first those "
            "with the most tasks pending or claimed, among equals those with the most completed.",
            "items": component("TypeStats"),
        },
        "typesTruncated": flag("Whether there are types that are not shown."),
        "request_id": text("Names this request; X-Request-Id says the same."),
        "agent_contract": component("AgentContract"),
    },
)

STATS_COMPONENTS: Mapping[str, Schema] = {
    "StatsCounts": _COUNTS,
    "StatsRates": _RATES,
    "TypeStats": _TYPE,
}
