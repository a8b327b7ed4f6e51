"""Examples of successes, written by the code that answers."""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec
from msgspec import UNSET, UnsetType

from orchestrion.api import explaining
from orchestrion.api.awaiting import WaitAnswer
from orchestrion.api.buying import checkout_answer, verify_answer
from orchestrion.api.emptying import told
from orchestrion.api.explaining import BlockAnswer, Explanation
from orchestrion.api.http import Request, Response
from orchestrion.api.respond import Responder, encode, number, with_contract
from orchestrion.api.schema import scenes
from orchestrion.api.schema.batch_examples import batch_examples
from orchestrion.api.schema.document_examples import DOCUMENT_EXAMPLES
from orchestrion.api.schema.refusal_examples import refusal_examples
from orchestrion.api.schema.shapes import Schema
from orchestrion.api.schema.stats_examples import stats_examples
from orchestrion.api.shaping import compact
from orchestrion.core import contract, limits
from orchestrion.core.bodies import (
    BillingStatusAnswer,
    KeyAnswer,
    ListAnswer,
    PageInfo,
    PlanAnswer,
    PlansAnswer,
)
from orchestrion.core.contract import Guide
from orchestrion.core.explaining import Place, blocks
from orchestrion.core.ids import RequestId, TaskId
from orchestrion.core.instants import Instant, format_instant
from orchestrion.core.listing import PageQuery, cursor_after
from orchestrion.core.operations import BY_NAME
from orchestrion.core.outcomes import Held, PurchaseOutcome
from orchestrion.core.plans import HOSTED
from orchestrion.core.task import Task
from orchestrion.core.watching import Seen

_GUIDE = Guide()
_RESPONDER = Responder(_GUIDE)
_REQUEST = Request(
    operation=BY_NAME["start_checkout"],
    request_id=RequestId("req_01M814R1QWD3M9S346Q3D25VT4"),
    headers={},
)
_PAID = PurchaseOutcome(purchase=scenes.PURCHASE, activated=True)


class Shown(msgspec.Struct, frozen=True):
    """What a success means, and the examples that show it."""

    summary: str
    names: tuple[str, ...]


ANSWER_EXAMPLES: Mapping[str, Shown] = MappingProxyType(
    {
        "create_task": Shown(
            "Stored as pending, or stored before under the same idempotency key.",
            ("task_pending",),
        ),
        "list_tasks": Shown("A page of tasks.", ("page_with_more", "page_empty")),
        "check_task_status": Shown(
            "The task as it is now.",
            ("task_claimed", "task_overdue", "task_completed", "task_with_artifact"),
        ),
        "wait_for_tasks": Shown("What has come of the tasks.", ("wait_over", "wait_timed_out")),
        "explain_task": Shown(
            "What the task waits for.", ("explanation_in_line", "explanation_scheduled")
        ),
        "get_stats": Shown("The numbers of the account's tasks.", ("stats", "stats_of_nothing")),
        "claim_next_task": Shown(
            "A task with its lease; or, with `task: null`, nothing to do for now.",
            ("claim_found", "claim_several", "claim_empty"),
        ),
        "claim_task": Shown("The task is yours until its lease ends.", ("claim_found",)),
        "release_task": Shown(
            "The claim is undone: the task is pending, with as many attempts as before it.",
            ("task_released",),
        ),
        "heartbeat": Shown("The lease runs anew.", ("task_renewed", "task_asked_back")),
        "complete_task": Shown(
            "The task is completed.",
            ("task_completed", "task_with_artifact", "completed_and_claimed"),
        ),
        "create_tasks": Shown("What each create came to.", ("items_created",)),
        "complete_tasks": Shown("What each completion came to.", ("items_completed",)),
        "fail_tasks": Shown("What each failure came to.", ("items_failed",)),
        "heartbeat_tasks": Shown("What each renewal came to.", ("items_renewed",)),
        "fail_task": Shown(
            "The attempt is over: the task is pending again, or in dead_letter.",
            ("task_delayed", "task_dead"),
        ),
        "cancel_task": Shown(
            "The task is cancelled for good; or, with force, its worker is asked to give it back.",
            ("task_cancelled", "task_cancel_requested"),
        ),
        "requeue_task": Shown("The task is pending with all its attempts.", ("task_requeued",)),
        "list_plans": Shown("Every plan of this server.", ("plans",)),
        "check_billing_status": Shown("Plan and usage of the account.", ("billing_status",)),
        "start_checkout": Shown("A human can pay now, at checkoutUrl.", ("checkout",)),
        "verify_payment": Shown("Paid, and the plan is in force.", ("verified",)),
        "register_key": Shown("The only answer that shows the key.", ("key",)),
        "check_health": Shown("The process serves.", ("health",)),
        "get_agent_manifest": Shown("Where everything is.", ("agent_manifest",)),
        "get_capabilities": Shown("States, limits and codes.", ("capabilities",)),
        "get_tool_manifest": Shown("The tools.", ("tool_manifest",)),
        "get_schema": Shown("This document.", ("schema",)),
    }
)


def examples() -> Schema:
    """Give every example under its name."""
    found: dict[str, object] = {
        **_task_examples(),
        **_claim_examples(),
        **_page_examples(),
        **_explanation_examples(),
        **_wait_examples(),
        **stats_examples(),
        **_billing_examples(),
        **_batch_examples(),
        **DOCUMENT_EXAMPLES,
        **refusal_examples(_RESPONDER),
    }
    return {
        name: {"summary": name.replace("_", " "), "value": value} for name, value in found.items()
    }


def _task_examples() -> dict[str, object]:
    later, too_late = scenes.LATER, scenes.TOO_LATE
    return {
        "task_pending": _task(scenes.PENDING, scenes.NOW),
        "task_claimed": _task(scenes.CLAIMED, later),
        "task_overdue": _task(scenes.CLAIMED, too_late),
        "task_renewed": _held(scenes.RENEWED, later),
        "task_completed": _task(scenes.COMPLETED, later),
        "task_with_artifact": _task(scenes.STORED, later),
        "task_delayed": _task(scenes.DELAYED, later),
        "task_dead": _task(scenes.DEAD, later),
        "task_released": _task(scenes.RELEASED, later),
        "task_cancel_requested": _task(scenes.ASKED, later),
        "task_asked_back": _held(scenes.ASKED, later),
        "task_requeued": _task(scenes.REQUEUED, later),
        "task_cancelled": _task(scenes.CANCELLED, later),
    }


def _claim_examples() -> dict[str, object]:
    found = Held(task=scenes.CLAIMED, now=scenes.NOW)
    return {
        "claim_found": _answered(_RESPONDER.claimed(found)),
        "claim_empty": _plain(told(scenes.EMPTINESS, contract.EMPTY_CLAIM)),
    }


def _batch_examples() -> dict[str, object]:
    return {name: msgspec.json.decode(body) for name, body in batch_examples(_RESPONDER).items()}


def _page_examples() -> dict[str, object]:
    query = PageQuery(account_id=scenes.ACCOUNT.id, limit=limits.PAGE_SIZE_MIN)
    cursor = cursor_after(query, scenes.DEAD)
    more = ListAnswer(
        items=[with_contract(scenes.DEAD, _GUIDE.viewing(scenes.DEAD, scenes.LATER))],
        page_info=PageInfo(next_cursor=cursor, has_more=True),
        agent_contract=contract.listed(f"/v1/tasks?limit=1&cursor={cursor}"),
    )
    empty = ListAnswer(
        items=[],
        page_info=PageInfo(next_cursor=None, has_more=False),
        agent_contract=contract.listed(None),
    )
    return {"page_with_more": _plain(more), "page_empty": _plain(empty)}


def _explanation_examples() -> dict[str, object]:
    def explained(task: Task, blocks: list[BlockAnswer], line: Place | UnsetType) -> object:
        answer = Explanation(
            task_id=task.id,
            type=task.type,
            status=task.status,
            claimable=not blocks,
            blocked_by=blocks,
            place_in_line=line,
            last_asked_at=format_instant(scenes.NOW),
            agent_contract=_GUIDE.viewing(task, scenes.LATER),
        )
        return _plain(answer)

    scheduled = [explaining.written(one) for one in blocks(scenes.DELAYED, scenes.LATER)]
    return {
        "explanation_in_line": explained(scenes.PENDING, [], Place(ahead=17, capped=False)),
        "explanation_scheduled": explained(scenes.DELAYED, scheduled, UNSET),
    }


def _wait_examples() -> dict[str, object]:
    def waited(met: list[Task], remaining: list[TaskId]) -> object:
        seen = Seen(
            met=[task.id for task in met],
            remaining=remaining,
            missing=[],
            timed_out=bool(remaining),
        )
        answer = WaitAnswer(
            items=[compact(task, _GUIDE.viewing(task, scenes.LATER)) for task in met],
            remaining=remaining,
            timed_out=seen.timed_out,
            agent_contract=contract.awaited(seen, limits.WAITED_CLAIM_WAIT_SECONDS),
        )
        return _plain(answer)

    return {
        "wait_over": waited([scenes.COMPLETED], []),
        "wait_timed_out": waited([], [scenes.CLAIMED.id, scenes.OTHER_ID]),
    }


def _billing_examples() -> dict[str, object]:
    plans = [_plan(plan_id) for plan_id in HOSTED.plans]
    status = BillingStatusAnswer(
        plan=plans[0],
        plan_expires_at=None,
        tasks_created_this_cycle=17,
        cycle_started_at=format_instant(scenes.NOW),
        request_id="req_01M814QPEKE0ZBGJ09TQM83XSS",
        agent_contract=contract.billing_status(guide=_GUIDE, quota_left=183, lapsed=""),
    )
    key = KeyAnswer(
        api_key=scenes.API_KEY, account_id=scenes.ACCOUNT.id, agent_contract=contract.REGISTERED
    )
    return {
        "plans": _plain(PlansAnswer(plans=plans, agent_contract=contract.PLANS)),
        "billing_status": _plain(status),
        "key": _plain(key),
        "checkout": _plain(checkout_answer(scenes.PURCHASE, plans[1].name, _REQUEST)),
        "verified": _plain(verify_answer(_PAID, _REQUEST)),
    }


def _plan(plan_id: str) -> PlanAnswer:
    plan = HOSTED.plans[plan_id]
    return PlanAnswer(
        id=plan_id,
        name=plan.name,
        price_usd=number(plan.price_usd),
        max_workers=plan.max_workers,
        max_tasks_per_month=plan.tasks_per_cycle,
        max_claims_per_hour=plan.claims_per_hour,
        max_creates_per_hour=plan.creates_per_hour,
        retention_days=plan.retention_days,
        purchasable=False,
    )


def _task(task: Task, now: Instant) -> object:
    return _plain(with_contract(task, _GUIDE.viewing(task, now)))


def _held(task: Task, now: Instant) -> object:
    return _plain(with_contract(task, _GUIDE.holding(task, now)))


def _plain(answer: msgspec.Struct) -> object:
    return msgspec.json.decode(encode(answer))


def _answered(response: Response) -> object:
    return msgspec.json.decode(response.body)
