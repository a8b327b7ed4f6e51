"""What each action code asks for, and the operations it may lead to."""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from orchestrion.core.errors import ActionCode

_A = ActionCode


class Meaning(msgspec.Struct, frozen=True):
    """One row. No operations: the action repeats a request, or leads to another service."""

    meaning: str
    operations: tuple[str, ...] = ()


MEANINGS: Mapping[ActionCode, Meaning] = MappingProxyType(
    {
        _A.CREATE_TASK: Meaning("Hand in new work.", ("create_task",)),
        _A.CLAIM_TASK: Meaning(
            "Become the worker of a task: of this one, or of the next of a type.",
            ("claim_task", "claim_next_task"),
        ),
        _A.COMPLETE_TASK: Meaning(
            "Finish the attempt with its result.", ("complete_task", "complete_tasks")
        ),
        _A.FAIL_TASK: Meaning("Give the attempt back with a reason.", ("fail_task", "fail_tasks")),
        _A.HEARTBEAT: Meaning("Keep the lease while you work.", ("heartbeat", "heartbeat_tasks")),
        _A.CHECK_TASK_STATUS: Meaning("Look at the task as it is now.", ("check_task_status",)),
        _A.REQUEUE_TASK: Meaning("Give a dead task fresh attempts.", ("requeue_task",)),
        _A.RETRY_AFTER_WAIT: Meaning("Wait as told, then send the request the action names."),
        _A.AUTHENTICATE: Meaning("Get a key, or correct the one you send.", ("register_key",)),
        _A.FIX_REQUEST: Meaning(
            "Read what is allowed and correct the request.", ("get_schema", "get_capabilities")
        ),
        _A.DOWNLOAD_ARTIFACT: Meaning(
            "Fetch the stored output from its own service; never send an Orchestrion key there."
        ),
        _A.LIST_TASKS: Meaning("Look through your tasks.", ("list_tasks",)),
        _A.UPGRADE_PLAN: Meaning("Buy a larger plan.", ("start_checkout",)),
        _A.RENEW_PLAN: Meaning("Buy the plan that ran out again.", ("start_checkout",)),
        _A.CHECK_BILLING_STATUS: Meaning("See plan, usage and limits.", ("check_billing_status",)),
        _A.VERIFY_PAYMENT: Meaning(
            "Settle a payment that a human has approved.", ("verify_payment",)
        ),
        _A.RETRY_CHECKOUT: Meaning("Start a new checkout.", ("start_checkout",)),
    }
)
