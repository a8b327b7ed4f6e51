"""Tasks to show as examples, brought into their states by the real verbs."""

from msgspec.structs import replace

from orchestrion.core import lifecycle
from orchestrion.core.account import new_account
from orchestrion.core.emptiness import Counts, Emptiness, Reason
from orchestrion.core.ids import AccountId, LeaseToken, PurchaseId, TaskId, api_key
from orchestrion.core.instants import HOUR, SECOND, Instant
from orchestrion.core.lease import Completion, Failure, Lease
from orchestrion.core.limits import CHECKOUT_SECONDS
from orchestrion.core.outcomes import Rejection
from orchestrion.core.plans import HOSTED
from orchestrion.core.purchase import Purchase, Stage
from orchestrion.core.task import Status, Task

NOW = Instant(1_795_334_785_123)
LATER = Instant(NOW + 100 * SECOND)
TOO_LATE = Instant(NOW + HOUR)

ACCOUNT = new_account(AccountId("acct_01M814NVVKV37E3S3E28JT97KB"), None, NOW)
TOKEN = LeaseToken("lse_0f1e2d3c4b5a69788796a5b4c3d2e1f00f")
# Of the right form, and so plainly nobody's that no scanner need report it.
API_KEY = api_key(bytes(28))
WORKER = "worker-1"
LEASE = Lease(worker_id=WORKER, token=TOKEN)

PENDING = Task(
    account_id=ACCOUNT.id,
    id=TaskId("tsk_01M814NJ33M9S346Q3D25VT4F5"),
    type="summarize",
    payload='{"url":"https://example.com/report"}',
    status=Status.PENDING,
    priority=50,
    scheduled_at=None,
    attempt_count=0,
    max_attempts=3,
    lease_seconds=300,
    claimed_by=None,
    claimed_at=None,
    lease_expires_at=None,
    last_heartbeat_at=None,
    created_at=NOW,
    updated_at=NOW,
    completed_at=None,
    last_failed_at=None,
    last_failure_reason=None,
    result=None,
    output_id=None,
    lease_token=None,
    traceparent=None,
)


def _done(outcome: Task | Rejection) -> Task:
    assert isinstance(outcome, Task), outcome
    return outcome


def _exhausted() -> Task:
    task = PENDING
    for _ in range(task.max_attempts):
        claimed = _done(lifecycle.claim(task, NOW, LEASE))
        task = _done(lifecycle.fail(claimed, LATER, TOKEN, Failure(reason="no such page")))
    return task


CLAIMED = _done(lifecycle.claim(PENDING, NOW, LEASE))
NEXT = _done(
    lifecycle.claim(
        replace(PENDING, id=TaskId("tsk_01M814NJ33M9S346Q3D25VT4F6")),
        LATER,
        Lease(worker_id=WORKER, token=LeaseToken("lse_1f2e3d4c5b6a79808796a5b4c3d2e1f01f")),
    )
)
RENEWED = _done(lifecycle.heartbeat(CLAIMED, LATER, TOKEN))
COMPLETED = _done(
    lifecycle.complete(CLAIMED, LATER, TOKEN, Completion(result='{"summary":"All is well."}'))
)
STORED = _done(lifecycle.complete(CLAIMED, LATER, TOKEN, Completion(output_id="report-17")))
DELAYED = _done(
    lifecycle.fail(CLAIMED, LATER, TOKEN, Failure(reason="page is down", retry_after_seconds=60))
)
DEAD = _exhausted()
RELEASED = _done(lifecycle.release(CLAIMED, LATER, TOKEN, Failure(reason="shutting down")))
ASKED = _done(lifecycle.request_cancel(CLAIMED, LATER))
REQUEUED = _done(lifecycle.requeue(DEAD, LATER))
CANCELLED = _done(lifecycle.cancel(PENDING, LATER))

OTHER_ID = TaskId("tsk_01M814NJ33M9S346Q3D25VT4F6")
EMPTINESS = Emptiness(
    reason=Reason.UNKNOWN_TYPE,
    next_claimable_at=None,
    counts=Counts(pending_due=0, scheduled=0, leased=0, capped=False),
    similar_types=("summarize",),
)

PURCHASE = Purchase(
    account_id=ACCOUNT.id,
    id=PurchaseId("pur_01M814R073SS6YS3C4DWA7N360"),
    plan_id="basic",
    price_usd=HOSTED.plans["basic"].price_usd,
    stage=Stage.OPEN,
    order_id="5O190127TN364715T",
    checkout_url="https://www.paypal.com/checkoutnow?token=5O190127TN364715T",
    created_at=NOW,
    expires_at=Instant(NOW + CHECKOUT_SECONDS * SECOND),
    captures=1,
    capture_begun_at=None,
    capture_id=None,
    confirmed_at=None,
    updated_at=NOW,
)
