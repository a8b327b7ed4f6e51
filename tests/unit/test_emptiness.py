"""Why a claim found nothing, from what is stored of its types."""

from msgspec.structs import replace

from orchestrion.core.emptiness import Counts, Leased, Reason, TypeState, emptiness
from orchestrion.core.limits import COUNTED_MAX
from tests.factories import NOW, ago, later

UNKNOWN = TypeState(
    type="report",
    now=NOW,
    known=False,
    due=0,
    scheduled=0,
    next_due_at=None,
    leased=(),
    leases_read=0,
)
KNOWN = replace(UNKNOWN, known=True)
SCHEDULED = replace(KNOWN, scheduled=2, next_due_at=later(60))


def a_lease(seconds: float, attempts: int = 1) -> Leased:
    return Leased(later(seconds), attempts, 3, None)


def leased(*leases: Leased, **changes: object) -> TypeState:
    return replace(KNOWN, leased=leases, leases_read=len(leases), **changes)


def test_a_type_nobody_used_is_unknown() -> None:
    found = emptiness([UNKNOWN], ["reports"])

    assert (found.reason, found.next_claimable_at) == (Reason.UNKNOWN_TYPE, None)
    assert found.counts == Counts(pending_due=0, scheduled=0, leased=0, capped=False)
    assert found.similar_types == ("reports",)


def test_a_type_whose_tasks_have_all_ended_has_no_tasks() -> None:
    assert emptiness([KNOWN]).reason is Reason.NO_TASKS
    assert emptiness([UNKNOWN, KNOWN]).reason is Reason.NO_TASKS


def test_what_is_scheduled_is_claimable_when_it_is_due() -> None:
    found = emptiness([SCHEDULED])

    assert (found.reason, found.next_claimable_at) == (Reason.ALL_SCHEDULED, later(60))


def test_what_is_leased_is_claimable_when_the_first_lease_ends() -> None:
    found = emptiness([leased(a_lease(30), a_lease(90))])

    assert (found.reason, found.next_claimable_at) == (Reason.ALL_LEASED, later(30))
    assert found.counts.leased == 2


def test_a_lease_that_ends_in_the_grave_brings_nothing_back() -> None:
    last = a_lease(30, attempts=3)
    withdrawn = Leased(later(10), 1, 3, NOW)

    assert emptiness([leased(last)]).next_claimable_at is None
    assert emptiness([leased(last)]).reason is Reason.ALL_LEASED
    assert emptiness([leased(withdrawn, a_lease(40))]).next_claimable_at == later(40)


def test_the_reason_is_what_ends_first() -> None:
    def of(lease_seconds: float) -> Reason | None:
        state = leased(a_lease(lease_seconds), scheduled=1, next_due_at=later(60))
        return emptiness([state]).reason

    assert of(59) is Reason.ALL_LEASED
    assert of(61) is Reason.ALL_SCHEDULED


def test_a_lease_that_is_over_brings_its_task_back_now() -> None:
    state = leased(Leased(ago(3), 1, 3, None))

    assert emptiness([state]).next_claimable_at == NOW


def test_what_became_claimable_meanwhile_is_no_reason() -> None:
    found = emptiness([replace(SCHEDULED, due=1)])

    assert (found.reason, found.next_claimable_at) == (None, NOW)
    assert found.counts.pending_due == 1


def test_several_types_are_counted_together() -> None:
    found = emptiness([SCHEDULED, leased(a_lease(10)), UNKNOWN])

    assert found.counts == Counts(pending_due=0, scheduled=2, leased=1, capped=False)
    assert (found.reason, found.next_claimable_at) == (Reason.ALL_LEASED, later(10))


def test_counts_stop_where_counting_stopped() -> None:
    many = replace(SCHEDULED, scheduled=COUNTED_MAX + 1)
    unread = replace(SCHEDULED, leases_read=COUNTED_MAX + 1)

    assert emptiness([many]).counts == Counts(
        pending_due=0, scheduled=COUNTED_MAX, leased=0, capped=True
    )
    assert emptiness([unread]).counts.capped
    assert not emptiness([replace(SCHEDULED, scheduled=COUNTED_MAX)]).counts.capped
