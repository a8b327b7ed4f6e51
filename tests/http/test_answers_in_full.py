"""Each kind of answer once, whole: every field, in its place."""

from collections.abc import Awaitable, Callable

import pytest

from tests.http.batching import item_of, together
from tests.http.callers import Caller, Response
from tests.http.goldens import check_golden

Scene = Callable[[Caller], Awaitable[Response]]


async def created(caller: Caller) -> Response:
    return await caller.create()


async def created_for_later(caller: Caller) -> Response:
    return await caller.create(
        priority=7,
        maxAttempts=5,
        leaseDurationSeconds=60,
        scheduledAt="2027-01-15T10:30:00.5+01:00",
        payload={"deep": {"list": [1, 2.50, None, True]}},
    )


async def claimed_next(caller: Caller) -> Response:
    await caller.task()
    return await caller.claim_next(worker_id="worker-7")


async def claimed_several(caller: Caller) -> Response:
    await caller.task()
    await caller.task(priority=1)
    return await caller.claim_next(max_tasks=2)


async def created_several(caller: Caller) -> Response:
    item = {"type": "report", "payload": {}, "idempotencyKey": "k"}
    return await together(caller, "create", [item, item, {"type": "a b"}])


async def completed_several(caller: Caller) -> Response:
    held, lost = await caller.held(), await caller.held()
    return await together(
        caller,
        "complete",
        [item_of(held, output_id="out_1"), item_of({**lost, "lease_token": "lse_old"})],
    )


async def renewed_several(caller: Caller) -> Response:
    return await together(caller, "heartbeat", [item_of(await caller.held())])


async def failed_several(caller: Caller) -> Response:
    return await together(caller, "fail", [item_of(await caller.held(), reason="no paper")])


async def completed_and_took_the_next(caller: Caller) -> Response:
    claim = await caller.held()
    await caller.task()
    return await caller.do(
        "complete",
        claim["task"]["id"],
        lease_token=claim["lease_token"],
        claim_next={"type": "report"},
    )


async def failed_and_found_no_other(caller: Caller) -> Response:
    claim = await caller.held()
    return await caller.do("fail", claim["task"]["id"], claim_next={"type": "other"})


async def claimed_nothing(caller: Caller) -> Response:
    return await caller.claim_next()


async def claimed_by_id(caller: Caller) -> Response:
    task = await caller.task(maxAttempts=1, leaseDurationSeconds=31)
    return await caller.do("claim", task["id"])


async def shown_pending(caller: Caller) -> Response:
    return await caller.show((await caller.task())["id"])


async def shown_claimed(caller: Caller) -> Response:
    claim = await caller.held()
    caller.service.clock.advance(100.5)
    return await caller.show(claim["task"]["id"])


async def shown_overdue(caller: Caller) -> Response:
    claim = await caller.held()
    caller.service.clock.advance(300)
    return await caller.show(claim["task"]["id"])


async def shown_overdue_for_good(caller: Caller) -> Response:
    claim = await caller.held(maxAttempts=1)
    caller.service.clock.advance(300)
    return await caller.show(claim["task"]["id"])


async def heartbeat(caller: Caller) -> Response:
    claim = await caller.held()
    caller.service.clock.advance(100)
    return await caller.do("heartbeat", claim["task"]["id"], lease_token=claim["lease_token"])


async def completed(caller: Caller) -> Response:
    claim = await caller.held()
    caller.service.clock.advance(5)
    return await caller.do("complete", claim["task"]["id"])


async def completed_with_artifact(caller: Caller) -> Response:
    claim = await caller.held()
    return await caller.do(
        "complete", claim["task"]["id"], result={"words": 3}, output_id="out/1 ü"
    )


async def failed(caller: Caller) -> Response:
    claim = await caller.held()
    caller.service.clock.advance(5)
    return await caller.do("fail", claim["task"]["id"], reason="no paper")


async def failed_for_a_while(caller: Caller) -> Response:
    claim = await caller.held()
    return await caller.do("fail", claim["task"]["id"], retry_after_seconds=90)


async def dead(caller: Caller) -> Response:
    claim = await caller.held(maxAttempts=1)
    return await caller.do("fail", claim["task"]["id"], reason="no paper", retry_after_seconds=9)


async def released(caller: Caller) -> Response:
    claim = await caller.held()
    caller.service.clock.advance(5)
    return await caller.do(
        "release", claim["task"]["id"], lease_token=claim["lease_token"], reason="stopping"
    )


async def asked_back(caller: Caller) -> Response:
    claim = await caller.held()
    caller.service.clock.advance(5)
    return await caller.do("cancel", claim["task"]["id"], force=True)


async def heartbeat_when_asked_back(caller: Caller) -> Response:
    claim = await caller.held()
    await caller.do("cancel", claim["task"]["id"], force=True)
    caller.service.clock.advance(5)
    return await caller.do("heartbeat", claim["task"]["id"], lease_token=claim["lease_token"])


async def cancelled(caller: Caller) -> Response:
    return await caller.do("cancel", (await caller.task())["id"])


async def requeued(caller: Caller) -> Response:
    task = await caller.dead()
    caller.service.clock.advance(5)
    return await caller.do("requeue", task["id"])


async def first_page(caller: Caller) -> Response:
    for _ in range(3):
        await caller.task()
    await caller.claim_next()
    return await caller.read("/v1/tasks?limit=2&type=report")


async def last_page(caller: Caller) -> Response:
    await caller.dead()
    return await caller.read("/v1/tasks")


async def empty_page(caller: Caller) -> Response:
    return await caller.read("/v1/tasks?status=cancelled")


async def registered(caller: Caller) -> Response:
    return await caller.send("POST", "/v1/keys/register", {"email": "ada@example.org"})


async def plans(caller: Caller) -> Response:
    return await caller.read("/v1/billing/plans")


async def status(caller: Caller) -> Response:
    await caller.task()
    return await caller.read("/v1/billing/status")


async def healthy(caller: Caller) -> Response:
    await caller.service.run_job("expire_leases")
    caller.service.clock.advance(4)
    return await caller.read("/health")


async def not_swept_yet(caller: Caller) -> Response:
    return await caller.read("/health")


async def refused_by_state(caller: Caller) -> Response:
    task = await caller.dead()
    return await caller.do("complete", task["id"])


async def refused_by_lease(caller: Caller) -> Response:
    claim = await caller.held()
    caller.service.clock.advance(300)
    return await caller.do("complete", claim["task"]["id"])


async def refused_by_schedule(caller: Caller) -> Response:
    task = await caller.task(scheduledAt="2027-01-15T08:01:00.001Z")
    return await caller.do("claim", task["id"])


async def refused_by_worker(caller: Caller) -> Response:
    claim = await caller.held()
    caller.service.clock.advance(0.001)
    return await caller.do("cancel", claim["task"]["id"])


async def unknown_task(caller: Caller) -> Response:
    return await caller.show("tsk_unknown")


async def unknown_route(caller: Caller) -> Response:
    return await caller.read("/v1/nothing")


async def unknown_purchase(caller: Caller) -> Response:
    return await caller.send("POST", "/v1/billing/verify", {"purchaseId": "pur_unknown"})


async def checkout_without_payments(caller: Caller) -> Response:
    return await caller.send("POST", "/v1/billing/checkout", {"planId": "pro"})


SCENES: tuple[Scene, ...] = (
    created,
    created_for_later,
    claimed_next,
    claimed_nothing,
    claimed_several,
    created_several,
    completed_several,
    renewed_several,
    failed_several,
    completed_and_took_the_next,
    failed_and_found_no_other,
    claimed_by_id,
    shown_pending,
    shown_claimed,
    shown_overdue,
    shown_overdue_for_good,
    heartbeat,
    completed,
    completed_with_artifact,
    failed,
    failed_for_a_while,
    dead,
    released,
    asked_back,
    heartbeat_when_asked_back,
    cancelled,
    requeued,
    first_page,
    last_page,
    empty_page,
    registered,
    status,
    healthy,
    not_swept_yet,
    refused_by_state,
    refused_by_lease,
    refused_by_schedule,
    refused_by_worker,
    unknown_task,
    unknown_route,
    unknown_purchase,
    checkout_without_payments,
)


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
async def test_the_answer_is_as_kept(scene: Scene, caller: Caller) -> None:
    check_golden(scene.__name__, await scene(caller))


async def test_the_plans_of_the_small_catalogue_are_as_kept(caller: Caller) -> None:
    check_golden("plans_self_hosted", await plans(caller))


async def test_the_plans_for_sale_are_as_kept(customer: Caller) -> None:
    check_golden("plans_hosted", await plans(customer))
