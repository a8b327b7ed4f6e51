"""What the operations that read and wait answer, where it is no task and no list of tasks."""

from collections.abc import Mapping

from orchestrion.api.schema.shapes import (
    Schema,
    choice,
    component,
    flag,
    instant,
    struct,
    text,
    whole,
)
from orchestrion.api.schema.stats import STATS
from orchestrion.core.explaining import Block
from orchestrion.core.task import Status

_CONTRACT: Schema = {"agent_contract": component("AgentContract")}

_COMPACT_LIST = struct(
    "A page of tasks, newest first, each as short as it can be.",
    {
        "items": {
            "type": "array",
            "description": "The tasks, each with the one step that is recommended.",
            "items": component("CompactTask"),
        },
        "pageInfo": component("PageInfo"),
        **_CONTRACT,
    },
)

_EXPLANATION = struct(
    "Whether a task can be claimed, and if not, why not. What does not apply is left out.",
    {
        "task_id": text("Names the task."),
        "type": text("The kind of work."),
        "status": choice("Where the task stands.", Status),
        "claimable": flag("Whether a claim of it would succeed now."),
        "blocked_by": {
            "type": "array",
            "description": "What is in the way; empty if it is claimable.",
            "items": struct(
                "One reason.",
                {
                    "reason": choice(
                        "scheduled: its time has not come. leased: a worker holds it. "
                        "last_lease_ended: its last attempt is over, and it goes to dead_letter. "
                        "cancel_requested: its worker was asked to give it back, and then it is "
                        "cancelled. completed, dead_letter, cancelled: it has ended. "
                        "max_workers_reached, rate_limited, plan_expired: the account can claim "
                        "no task.",
                        Block,
                    ),
                    "since": instant("Since when."),
                    "clears_at": instant(
                        "When it clears if nobody does anything. Absent: not by itself."
                    ),
                },
                ("reason",),
            ),
        },
        "place_in_line": struct(
            "Where a claimable task stands among those of its type. A task whose lease has just "
            "ended is counted some seconds later.",
            {
                "ahead": whole("Tasks that claims would hand out before it.", minimum=0),
                "capped": flag("Whether there are more ahead than are counted."),
            },
        ),
        "last_asked_at": instant(
            "When a worker last asked for a task of this type: now, while one waits here; what "
            "it asked another server is known here some seconds later. Absent: nobody did, as far "
            "as is remembered."
        ),
        **_CONTRACT,
    },
    ("task_id", "type", "status", "claimable", "blocked_by", "agent_contract"),
)

_WAIT = struct(
    "What has come of the tasks.",
    {
        "items": {
            "type": "array",
            "description": "The tasks that have ended or changed, in the order of the ids.",
            "items": component("CompactTask"),
        },
        "remaining": {
            "type": "array",
            "items": {"type": "string"},
            "description": "The ids of those that have not; send these to wait on.",
        },
        "not_found": {
            "type": "array",
            "items": {"type": "string"},
            "description": "Ids of no task of this account, or of one that is gone. Absent if "
            "there are none. They are not waited for.",
        },
        "timed_out": flag("Whether time was up before what was asked for had come."),
        **_CONTRACT,
    },
    ("items", "remaining", "timed_out", "agent_contract"),
)

READ_ANSWERS: Mapping[str, Schema] = {
    "Stats": STATS,
    "TaskExplanation": _EXPLANATION,
    "WaitResponse": _WAIT,
}


# By operation: the answer to `view=compact`. The schema of an answer is that of the view nobody
# asked for; the others stand beside it.
COMPACT_ANSWERS: Mapping[str, Schema] = {
    "check_task_status": component("CompactTask"),
    "list_tasks": _COMPACT_LIST,
}
