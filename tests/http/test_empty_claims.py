"""An empty claim says why it is empty, and when to come back."""

from typing import Any

from orchestrion.core.ids import AccountId
from orchestrion.core.instants import SECOND, Instant
from orchestrion.core.limits import COUNTED_MAX
from orchestrion.core.task import Status
from tests.databases import add_tasks
from tests.factories import a_task, a_task_id
from tests.http.callers import Caller, ok, stranger


def why(claim: dict[str, Any]) -> dict[str, Any]:
    assert claim["task"] is None
    return {name: value for name, value in claim.items() if name not in ("task", "agent_contract")}


def counts(**some: int) -> dict[str, object]:
    return {"pending_due": 0, "scheduled": 0, "leased": 0, "capped": False, **some}


async def test_a_type_that_was_never_used_is_unknown(caller: Caller) -> None:
    claim = ok(await caller.claim_next())

    assert why(claim) == {"empty_reason": "unknown_type", "counts": counts()}


async def test_a_misspelt_type_is_told_what_was_meant(caller: Caller) -> None:
    await caller.task(type="send_email")
    await caller.task(type="crawl")

    claim = ok(await caller.claim_next("sendEmail"))

    assert why(claim) == {
        "empty_reason": "unknown_type",
        "counts": counts(),
        "similar_types": ["send_email"],
    }


async def test_types_of_another_account_are_never_named(caller: Caller) -> None:
    other = await stranger(caller.service)
    await other.task(type="reports")

    assert "similar_types" not in ok(await caller.claim_next("report"))


async def test_when_all_have_ended_there_are_no_tasks(caller: Caller) -> None:
    claim = await caller.held()
    ok(await caller.do("complete", claim["task"]["id"]))

    assert why(ok(await caller.claim_next())) == {"empty_reason": "no_tasks", "counts": counts()}


async def test_what_is_scheduled_says_when_it_is_due(caller: Caller) -> None:
    await caller.task(scheduledAt="2027-01-15T08:10:00Z")
    await caller.task(scheduledAt="2027-01-15T08:05:00.250Z", priority=3)

    claim = ok(await caller.claim_next())

    assert why(claim) == {
        "empty_reason": "all_scheduled",
        "next_claimable_at": "2027-01-15T08:05:00.250Z",
        "counts": counts(scheduled=2),
    }


async def test_what_is_leased_says_when_the_lease_ends(caller: Caller) -> None:
    await caller.held(leaseDurationSeconds=60)
    await caller.held(leaseDurationSeconds=90)

    claim = ok(await caller.claim_next())

    assert why(claim) == {
        "empty_reason": "all_leased",
        "next_claimable_at": "2027-01-15T08:01:00.000Z",
        "counts": counts(leased=2),
    }
    caller.service.clock.advance(60)
    assert ok(await caller.claim_next())["task"] is not None


async def test_a_last_attempt_brings_nothing_back(caller: Caller) -> None:
    await caller.held(maxAttempts=1)

    claim = ok(await caller.claim_next())

    assert why(claim) == {"empty_reason": "all_leased", "counts": counts(leased=1)}


async def test_where_too_much_is_leased_to_tell_no_reason_is_made_up(caller: Caller) -> None:
    """The account's first leases to end are of another type, and more than are looked at."""
    await caller.held(leaseDurationSeconds=90)
    now = caller.service.clock.now()
    add_tasks(
        caller.service.database,
        [
            a_task(
                Status.CLAIMED,
                id=a_task_id(n),
                account_id=AccountId(caller.account.id),
                type="mail",
                lease_expires_at=Instant(now + 30 * SECOND),
            )
            for n in range(COUNTED_MAX + 1)
        ],
    )

    assert why(ok(await caller.claim_next())) == {"counts": counts(capped=True)}
    assert why(ok(await caller.claim_next(types=["mail"]))) == {
        "empty_reason": "all_leased",
        "next_claimable_at": "2027-01-15T08:00:30.000Z",
        "counts": counts(leased=COUNTED_MAX, capped=True),
    }


async def test_a_claim_that_finds_a_task_explains_nothing(caller: Caller) -> None:
    await caller.task()

    assert ok(await caller.claim_next()).keys() == {"task", "lease_token", "agent_contract"}


async def test_the_moment_named_is_the_moment_a_claim_succeeds(caller: Caller) -> None:
    await caller.task(scheduledAt="2027-01-15T08:00:20Z")
    await caller.held(leaseDurationSeconds=30)

    ok(await caller.claim_next())
    caller.service.clock.advance(19.999)
    assert ok(await caller.claim_next())["empty_reason"] == "all_scheduled"
    caller.service.clock.advance(0.001)
    assert ok(await caller.claim_next())["task"]["scheduledAt"] is not None

    assert ok(await caller.claim_next())["next_claimable_at"] == "2027-01-15T08:00:30.000Z"
