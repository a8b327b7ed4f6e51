"""One case per row of the table of guidance: actions in order, and what stands beside them."""

import msgspec
import pytest

from orchestrion.core import contract, lifecycle
from orchestrion.core.actions import Action
from orchestrion.core.contract import AgentContract, Attempt, Guide
from orchestrion.core.errors import ErrorCode
from orchestrion.core.lease import Completion, Lease
from orchestrion.core.outcomes import Rejection, Situation
from orchestrion.core.task import Status, Task
from tests.factories import NOW, OTHER_TOKEN, TOKEN, a_task, ago, expect, later

GUIDE = Guide()
SELLER = Guide(sells_plans=True)
PENDING = a_task()
LATER = a_task(scheduled_at=later(89.5))
LIVE = a_task(Status.CLAIMED, lease_expires_at=later(100.9), lease_seconds=100)
OVER = a_task(Status.CLAIMED, lease_expires_at=NOW)
ASKED = a_task(
    Status.CLAIMED, lease_expires_at=later(100.9), lease_seconds=100, cancel_requested_at=ago(1)
)
ASKED_OVER = a_task(Status.CLAIMED, lease_expires_at=ago(1), cancel_requested_at=ago(9))
OVER_LAST = a_task(Status.CLAIMED, lease_expires_at=ago(1), attempt_count=3)
DONE = a_task(Status.COMPLETED)
DEAD = a_task(Status.DEAD_LETTER)
CANCELLED = a_task(Status.CANCELLED)
CLAIM = Attempt(method="POST", endpoint="/v1/tasks/claim")
TASK = PENDING.id


def refusal(outcome: Task | Rejection, guide: Guide = GUIDE) -> AgentContract:
    attempt = Attempt(method="POST", endpoint=f"/v1/tasks/{TASK}/x", task_id=TASK)
    return guide.refused(expect(Rejection, outcome), attempt)


def plain(code: ErrorCode, guide: Guide = GUIDE, wait: int = 0) -> AgentContract:
    return guide.refused(Rejection(code=code, wait_seconds=wait), CLAIM)


def special(
    code: ErrorCode, situation: Situation, attempt: Attempt = CLAIM, guide: Guide = GUIDE
) -> AgentContract:
    return guide.refused(Rejection(code=code, situation=situation), attempt)


def line(action: Action) -> str:
    """Write an action as `mark code METHOD endpoint`: * recommended, + available, - not."""
    mark = "*" if action.recommended else "+" if action.available else "-"
    shown = msgspec.to_builtins(action)
    words = [mark, shown["action"], shown["method"], shown["endpoint"].replace(TASK, "ID")]
    if "retry_after_seconds" in shown:
        words.append(f"after {shown['retry_after_seconds']} s")
    return " ".join(words)


def beside(given: AgentContract) -> dict[str, object]:
    shown = expect(dict, msgspec.to_builtins(given))
    return {
        name: value
        for name, value in shown.items()
        if name not in ("version", "retryable", "next_actions")
    }


READS_LIVE = {
    "lease_valid": True,
    "lease_expires_in_seconds": 100,
    "recommended_heartbeat_interval_seconds": 33,
}
READS_OVER = {"lease_valid": False, "lease_expires_in_seconds": 0}

# What is answered, the actions, and the other fields.
ANSWERS = [
    pytest.param(
        GUIDE.viewing(PENDING, NOW),
        """
        * claim_task POST /v1/tasks/ID/claim
        + check_task_status GET /v1/tasks/ID
        """,
        {},
        id="pending, claimable",
    ),
    pytest.param(
        GUIDE.viewing(LATER, NOW),
        """
        * retry_after_wait POST /v1/tasks/ID/claim after 90 s
        - claim_task POST /v1/tasks/ID/claim
        + check_task_status GET /v1/tasks/ID
        """,
        {},
        id="pending, scheduled later",
    ),
    pytest.param(
        GUIDE.claimed(LIVE, NOW),
        """
        * complete_task POST /v1/tasks/ID/complete
        + fail_task POST /v1/tasks/ID/fail
        + heartbeat POST /v1/tasks/ID/heartbeat
        + check_task_status GET /v1/tasks/ID
        """,
        READS_LIVE | {"task_claimable": True},
        id="claim found",
    ),
    pytest.param(
        GUIDE.holding(LIVE, NOW),
        """
        * complete_task POST /v1/tasks/ID/complete
        + fail_task POST /v1/tasks/ID/fail
        + heartbeat POST /v1/tasks/ID/heartbeat
        + check_task_status GET /v1/tasks/ID
        """,
        READS_LIVE,
        id="heartbeat answered",
    ),
    pytest.param(
        GUIDE.viewing(LIVE, NOW),
        """
        * check_task_status GET /v1/tasks/ID after 30 s
        + complete_task POST /v1/tasks/ID/complete
        + fail_task POST /v1/tasks/ID/fail
        + heartbeat POST /v1/tasks/ID/heartbeat
        """,
        READS_LIVE,
        id="claimed, lease live, read by anybody",
    ),
    pytest.param(
        GUIDE.holding(ASKED, NOW),
        """
        * fail_task POST /v1/tasks/ID/fail
        + complete_task POST /v1/tasks/ID/complete
        + heartbeat POST /v1/tasks/ID/heartbeat
        + check_task_status GET /v1/tasks/ID
        """,
        READS_LIVE | {"cancel_requested": True},
        id="heartbeat answered, asked back",
    ),
    pytest.param(
        GUIDE.viewing(ASKED, NOW),
        """
        * check_task_status GET /v1/tasks/ID after 30 s
        + complete_task POST /v1/tasks/ID/complete
        + fail_task POST /v1/tasks/ID/fail
        + heartbeat POST /v1/tasks/ID/heartbeat
        """,
        READS_LIVE | {"cancel_requested": True},
        id="asked back, read by anybody",
    ),
    pytest.param(
        GUIDE.viewing(ASKED_OVER, NOW),
        """
        * create_task POST /v1/tasks
        + claim_task POST /v1/tasks/claim
        """,
        READS_OVER,
        id="asked back, lease over",
    ),
    pytest.param(
        GUIDE.viewing(OVER, NOW),
        """
        * claim_task POST /v1/tasks/ID/claim
        + check_task_status GET /v1/tasks/ID
        """,
        READS_OVER,
        id="claimed, lease over, attempts left",
    ),
    pytest.param(
        GUIDE.viewing(OVER_LAST, NOW),
        """
        * requeue_task POST /v1/tasks/ID/requeue
        + check_task_status GET /v1/tasks/ID
        - claim_task POST /v1/tasks/ID/claim
        """,
        READS_OVER,
        id="claimed, lease over, none left",
    ),
    pytest.param(
        GUIDE.viewing(a_task(Status.COMPLETED, output_id="out_1"), NOW),
        """
        * download_artifact GET https://api.outputlayer.dev/v1/outputs/out_1/content
        + claim_task POST /v1/tasks/claim
        + create_task POST /v1/tasks
        """,
        {},
        id="completed with an artifact",
    ),
    pytest.param(
        GUIDE.viewing(DONE, NOW),
        """
        * create_task POST /v1/tasks
        + claim_task POST /v1/tasks/claim
        """,
        {},
        id="completed",
    ),
    pytest.param(
        GUIDE.viewing(DEAD, NOW),
        """
        * requeue_task POST /v1/tasks/ID/requeue
        + create_task POST /v1/tasks
        + check_task_status GET /v1/tasks/ID
        """,
        {},
        id="dead letter",
    ),
    pytest.param(
        GUIDE.viewing(CANCELLED, NOW),
        """
        * create_task POST /v1/tasks
        + claim_task POST /v1/tasks/claim
        """,
        {},
        id="cancelled",
    ),
    pytest.param(
        contract.REGISTERED,
        """
        * create_task POST /v1/tasks
        + claim_task POST /v1/tasks/claim
        """,
        {},
        id="key registered",
    ),
    pytest.param(
        contract.listed("/v1/tasks?limit=2&cursor=abc"),
        """
        * list_tasks GET /v1/tasks?limit=2&cursor=abc
        + create_task POST /v1/tasks
        """,
        {},
        id="list, more pages",
    ),
    pytest.param(
        contract.listed(None),
        """
        * claim_task POST /v1/tasks/claim
        + create_task POST /v1/tasks
        """,
        {},
        id="list, last page",
    ),
    pytest.param(
        contract.PLANS,
        "* check_billing_status GET /v1/billing/status",
        {},
        id="plans",
    ),
    pytest.param(
        contract.billing_status(guide=GUIDE, quota_left=1, lapsed=""),
        """
        * create_task POST /v1/tasks
        + check_billing_status GET /v1/billing/status
        + claim_task POST /v1/tasks/claim
        """,
        {},
        id="billing, quota left",
    ),
    pytest.param(
        contract.billing_status(guide=SELLER, quota_left=0, lapsed=""),
        """
        * upgrade_plan POST /v1/billing/checkout
        + check_billing_status GET /v1/billing/status
        + claim_task POST /v1/tasks/claim
        """,
        {},
        id="billing, used up, plans for sale",
    ),
    pytest.param(
        contract.billing_status(guide=GUIDE, quota_left=0, lapsed="pro"),
        """
        * claim_task POST /v1/tasks/claim
        + check_billing_status GET /v1/billing/status
        """,
        {},
        id="billing, used up, nothing for sale",
    ),
    pytest.param(
        contract.billing_status(guide=SELLER, quota_left=1, lapsed="pro"),
        """
        * renew_plan POST /v1/billing/checkout
        + check_billing_status GET /v1/billing/status
        + claim_task POST /v1/tasks/claim
        """,
        {},
        id="billing, plan ran out, plans for sale",
    ),
    pytest.param(
        contract.billing_status(guide=GUIDE, quota_left=1, lapsed="pro"),
        """
        * create_task POST /v1/tasks
        + check_billing_status GET /v1/billing/status
        + claim_task POST /v1/tasks/claim
        """,
        {},
        id="billing, plan ran out, nothing for sale",
    ),
    pytest.param(
        contract.REPLAYED_PURGED,
        """
        * create_task POST /v1/tasks
        + claim_task POST /v1/tasks/claim
        """,
        {},
        id="create repeated, its task purged",
    ),
    pytest.param(
        contract.CHECKOUT_STARTED,
        """
        * verify_payment POST /v1/billing/verify
        + check_billing_status GET /v1/billing/status
        """,
        {},
        id="checkout started",
    ),
    pytest.param(
        contract.PAID,
        """
        * check_billing_status GET /v1/billing/status
        + create_task POST /v1/tasks
        """,
        {},
        id="payment verified",
    ),
]


@pytest.mark.parametrize(("given", "actions", "others"), ANSWERS)
def test_a_success_guides_by_the_table(
    given: AgentContract, actions: str, others: dict[str, object]
) -> None:
    assert [line(action) for action in given.next_actions] == [
        text.strip() for text in actions.strip().splitlines()
    ]
    assert beside(given) == others
    assert given.retryable is False
    assert given.version == "1"


def test_an_empty_claim_says_wait_and_is_retryable() -> None:
    given = contract.EMPTY_CLAIM

    assert [line(action) for action in given.next_actions] == [
        "* retry_after_wait POST /v1/tasks/claim after 5 s"
    ]
    assert beside(given) == {"task_claimable": False}
    assert given.retryable is True


UNKNOWN = Situation.COMMIT_UNKNOWN
CHECK = "* check_task_status GET /v1/tasks/ID"
FIX = "* fix_request GET /v1/schema"
BILLING = "check_billing_status GET /v1/billing/status"
AGAIN = "retry_after_wait POST /v1/tasks/claim after"
HELD_ACTIONS = """
    + complete_task POST /v1/tasks/ID/complete
    + fail_task POST /v1/tasks/ID/fail
    + heartbeat POST /v1/tasks/ID/heartbeat
"""

# What is refused, whether a retry can help, and the actions.
REFUSALS = [
    pytest.param(
        plain(ErrorCode.MISSING_API_KEY),
        False,
        "* authenticate POST /v1/keys/register",
        id="no key",
    ),
    pytest.param(
        plain(ErrorCode.INVALID_API_KEY),
        False,
        "* authenticate POST /v1/keys/register",
        id="bad key",
    ),
    pytest.param(plain(ErrorCode.INVALID_REQUEST), False, FIX, id="bad request"),
    pytest.param(
        special(ErrorCode.INVALID_REQUEST, Situation.UNKNOWN_ROUTE),
        False,
        "* fix_request GET /v1/capabilities",
        id="unknown route",
    ),
    pytest.param(
        special(ErrorCode.INVALID_REQUEST, Situation.UNKNOWN_PURCHASE),
        False,
        f"{FIX}\n+ {BILLING}",
        id="verify, unknown purchase",
    ),
    pytest.param(
        special(ErrorCode.INVALID_REQUEST, Situation.UNKNOWN_PLAN),
        False,
        f"{FIX}\n+ {BILLING}",
        id="checkout, bad plan",
    ),
    pytest.param(
        special(ErrorCode.SERVER_ERROR, Situation.PAYMENTS_OFF),
        False,
        f"* {BILLING}",
        id="checkout, payments not configured",
    ),
    pytest.param(
        special(ErrorCode.INVALID_REQUEST, Situation.CHECKOUT_PENDING),
        False,
        f"* verify_payment POST /v1/billing/verify\n+ {BILLING}",
        id="checkout, already pending",
    ),
    pytest.param(
        special(ErrorCode.PAYMENT_FAILED, Situation.PAYMENT_DECLINED),
        False,
        f"* retry_checkout POST /v1/billing/checkout\n+ {BILLING}",
        id="verify, declined",
    ),
    pytest.param(
        special(ErrorCode.PAYMENT_FAILED, Situation.PAYMENT_UNCOUNTED),
        False,
        f"* {BILLING}",
        id="verify, money that does not count",
    ),
    pytest.param(
        special(ErrorCode.PAYMENT_FAILED, Situation.PLAN_WITHDRAWN),
        False,
        f"* retry_checkout POST /v1/billing/checkout\n+ {BILLING}",
        id="verify, plan no longer for sale",
    ),
    pytest.param(
        special(ErrorCode.PAYMENT_FAILED, Situation.CHECKOUT_EXPIRED),
        False,
        f"* retry_checkout POST /v1/billing/checkout\n+ {BILLING}",
        id="verify, ran out",
    ),
    pytest.param(
        plain(ErrorCode.PAYMENT_FAILED),
        False,
        f"* retry_checkout POST /v1/billing/checkout\n+ {BILLING}",
        id="a payment that failed",
    ),
    pytest.param(
        plain(ErrorCode.TASK_NOT_FOUND), False, "* list_tasks GET /v1/tasks", id="no such task"
    ),
    pytest.param(
        refusal(lifecycle.complete(PENDING, NOW, None, Completion())),
        False,
        f"{CHECK}\n+ claim_task POST /v1/tasks/ID/claim",
        id="invalid transition, pending",
    ),
    pytest.param(
        refusal(lifecycle.requeue(LATER, NOW)),
        False,
        f"""{CHECK}
        + retry_after_wait POST /v1/tasks/ID/claim after 90 s
        - claim_task POST /v1/tasks/ID/claim""",
        id="invalid transition, scheduled later",
    ),
    pytest.param(
        refusal(lifecycle.claim(LIVE, NOW, Lease(worker_id=None, token=OTHER_TOKEN))),
        False,
        f"{CHECK} after 30 s" + HELD_ACTIONS,
        id="invalid transition, lease live",
    ),
    pytest.param(
        refusal(lifecycle.requeue(OVER, NOW)),
        False,
        f"{CHECK}\n+ claim_task POST /v1/tasks/ID/claim",
        id="invalid transition, lease over, attempts left",
    ),
    pytest.param(
        refusal(lifecycle.claim(OVER_LAST, NOW, Lease(worker_id=None, token=OTHER_TOKEN))),
        False,
        f"{CHECK}\n+ requeue_task POST /v1/tasks/ID/requeue\n+ create_task POST /v1/tasks",
        id="invalid transition, lease over, none left",
    ),
    pytest.param(
        refusal(lifecycle.cancel(DONE, NOW)),
        False,
        f"{CHECK}\n+ create_task POST /v1/tasks\n+ claim_task POST /v1/tasks/claim",
        id="invalid transition, completed",
    ),
    pytest.param(
        refusal(lifecycle.cancel(DEAD, NOW)),
        False,
        f"{CHECK}\n+ requeue_task POST /v1/tasks/ID/requeue\n+ create_task POST /v1/tasks",
        id="invalid transition, dead letter",
    ),
    pytest.param(
        refusal(lifecycle.complete(OVER, NOW, TOKEN, Completion())),
        False,
        f"{CHECK}\n+ claim_task POST /v1/tasks/claim",
        id="lease expired",
    ),
    pytest.param(
        refusal(lifecycle.complete(LIVE, NOW, OTHER_TOKEN, Completion())),
        False,
        f"{CHECK}\n+ claim_task POST /v1/tasks/claim",
        id="lease superseded",
    ),
    pytest.param(
        refusal(lifecycle.cancel(LIVE, NOW)),
        True,
        f"{CHECK} after 30 s\n+ retry_after_wait POST /v1/tasks/ID/cancel after 101 s",
        id="cancel of a held task",
    ),
    pytest.param(
        refusal(lifecycle.claim(LATER, NOW, Lease(worker_id=None, token=OTHER_TOKEN))),
        True,
        """* retry_after_wait POST /v1/tasks/ID/claim after 90 s
        + check_task_status GET /v1/tasks/ID""",
        id="not yet claimable",
    ),
    pytest.param(
        plain(ErrorCode.IDEMPOTENCY_CONFLICT),
        False,
        "* create_task POST /v1/tasks",
        id="idempotency conflict",
    ),
    pytest.param(
        special(ErrorCode.IDEMPOTENCY_CONFLICT, Situation.CLAIM_KEY_IN_USE),
        False,
        "* claim_task POST /v1/tasks/claim",
        id="idempotency conflict of a claim",
    ),
    pytest.param(
        plain(ErrorCode.IDEMPOTENCY_IN_FLIGHT, wait=2),
        True,
        f"* {AGAIN} 2 s",
        id="idempotency in flight",
    ),
    pytest.param(
        plain(ErrorCode.QUOTA_EXCEEDED, SELLER),
        False,
        f"* upgrade_plan POST /v1/billing/checkout\n+ {BILLING}",
        id="quota exceeded, plans for sale",
    ),
    pytest.param(
        plain(ErrorCode.QUOTA_EXCEEDED),
        False,
        f"* {BILLING}",
        id="quota exceeded, nothing for sale",
    ),
    pytest.param(
        plain(ErrorCode.PLAN_EXPIRED, SELLER),
        False,
        f"* renew_plan POST /v1/billing/checkout\n+ {BILLING}",
        id="plan expired, plans for sale",
    ),
    pytest.param(
        plain(ErrorCode.PLAN_EXPIRED), False, f"* {BILLING}", id="plan expired, nothing for sale"
    ),
    pytest.param(
        plain(ErrorCode.MAX_WORKERS_REACHED, SELLER, wait=12),
        True,
        f"* {AGAIN} 12 s\n+ upgrade_plan POST /v1/billing/checkout",
        id="max workers, plans for sale",
    ),
    pytest.param(
        plain(ErrorCode.MAX_WORKERS_REACHED, wait=12),
        True,
        f"* {AGAIN} 12 s",
        id="max workers, nothing for sale",
    ),
    pytest.param(
        plain(ErrorCode.RATE_LIMITED, wait=3_000), True, f"* {AGAIN} 3000 s", id="rate limited"
    ),
    pytest.param(plain(ErrorCode.SERVER_ERROR, wait=5), True, f"* {AGAIN} 5 s", id="server error"),
    pytest.param(
        special(ErrorCode.SERVER_ERROR, UNKNOWN),
        False,
        "* list_tasks GET /v1/tasks",
        id="commit unknown, no id",
    ),
    pytest.param(
        special(
            ErrorCode.SERVER_ERROR,
            UNKNOWN,
            Attempt(method="POST", endpoint="/v1/tasks", repeatable=True),
        ),
        True,
        "* list_tasks GET /v1/tasks\n+ retry_after_wait POST /v1/tasks after 5 s",
        id="commit unknown, create under a key",
    ),
    pytest.param(
        special(
            ErrorCode.SERVER_ERROR,
            UNKNOWN,
            Attempt(method="POST", endpoint=f"/v1/tasks/{TASK}/claim", task_id=TASK),
        ),
        False,
        CHECK,
        id="commit unknown, claim by id",
    ),
    pytest.param(
        special(
            ErrorCode.SERVER_ERROR,
            UNKNOWN,
            Attempt(
                method="POST",
                endpoint=f"/v1/tasks/{TASK}/complete",
                task_id=TASK,
                repeatable=True,
            ),
        ),
        True,
        f"{CHECK}\n+ retry_after_wait POST /v1/tasks/ID/complete after 5 s",
        id="commit unknown, complete under a token",
    ),
]


@pytest.mark.parametrize(("given", "retryable", "actions"), REFUSALS)
def test_a_refusal_guides_by_the_table(
    given: AgentContract,
    retryable: bool,  # noqa: FBT001 - a column of the table
    actions: str,
) -> None:
    assert [line(action) for action in given.next_actions] == [
        text.strip() for text in actions.strip().splitlines()
    ]
    assert given.retryable is retryable
    assert beside(given) == {}


def test_an_artifact_is_named_percent_encoded_under_the_base_that_was_set() -> None:
    guide = Guide(artifact_base_url="https://files.example")
    task = a_task(Status.COMPLETED, output_id="a/b ?#é%..")

    action = guide.viewing(task, NOW).next_actions[0]

    assert action.endpoint == "https://files.example/v1/outputs/a%2Fb%20%3F%23%C3%A9%25../content"
    assert "Never send your Orchestrion key there" in str(action.description)


def test_on_the_wire_absent_fields_are_absent_and_present_ones_in_order() -> None:
    wire = msgspec.json.encode(GUIDE.viewing(DEAD, NOW))

    assert wire.startswith(
        b'{"version":"1","retryable":false,"next_actions":[{"action":"requeue_task",'
        b'"available":true,"recommended":true,"description":"'
    )
    assert b"lease_" not in wire.replace(b"lease_token", b"")
    assert b"retry_after_seconds" not in wire


@pytest.mark.parametrize(
    ("lease_seconds", "interval"), [(30, 10), (31, 10), (100, 33), (3_600, 1_200)]
)
def test_heartbeats_are_advised_three_times_a_lease(lease_seconds: int, interval: int) -> None:
    task = a_task(Status.CLAIMED, lease_seconds=lease_seconds)

    given = GUIDE.holding(task, NOW)

    assert given.recommended_heartbeat_interval_seconds == interval


def test_seconds_of_a_lease_are_floored_and_never_negative() -> None:
    for seconds, shown in ((0.001, 0), (0.999, 0), (1, 1), (1.999, 1)):
        live = a_task(Status.CLAIMED, lease_expires_at=later(seconds))

        assert GUIDE.viewing(live, NOW).lease_expires_in_seconds == shown

    assert GUIDE.viewing(OVER_LAST, NOW).lease_expires_in_seconds == 0


A_VERIFY = Attempt(method="POST", endpoint="/v1/billing/verify", repeatable=True)


@pytest.mark.parametrize("seconds", [30, 60])
def test_who_is_not_paid_yet_waits_and_verifies_again(seconds: int) -> None:
    rejection = Rejection(
        code=ErrorCode.PAYMENT_FAILED,
        situation=Situation.PAYMENT_PENDING,
        wait_seconds=seconds,
    )

    given = SELLER.refused(rejection, A_VERIFY)

    assert given.retryable is True
    assert [line(action) for action in given.next_actions] == [
        f"* retry_after_wait POST /v1/billing/verify after {seconds} s",
        "+ verify_payment POST /v1/billing/verify",
    ]


@pytest.mark.parametrize("path", ["/v1/billing/verify", "/v1/billing/checkout"])
def test_a_payment_of_unknown_fate_is_looked_at_and_may_be_repeated(path: str) -> None:
    attempt = Attempt(method="POST", endpoint=path, repeatable=True)

    given = SELLER.refused(Rejection(code=ErrorCode.SERVER_ERROR, situation=UNKNOWN), attempt)

    assert given.retryable is True
    assert [line(action) for action in given.next_actions] == [
        f"* {BILLING}",
        f"+ retry_after_wait POST {path} after 5 s",
    ]
