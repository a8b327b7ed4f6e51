"""Why a claim found nothing, from what is stored of its types."""

from collections.abc import Sequence

from msgspec.structs import replace

from orchestrion.core.emptiness import (
    Counts,
    Emptiness,
    Leased,
    Reason,
    TypeLeases,
    TypeState,
)
from orchestrion.core.emptiness import emptiness as emptiness_of
from orchestrion.core.limits import COUNTED_MAX
from tests.factories import NOW, ago, later

UNKNOWN = TypeState(
    type="report",
    now=NOW,
    known=False,
    due=0,
    scheduled=0,
    next_due_at=None,
)
KNOWN = replace(UNKNOWN, known=True)
SCHEDULED = replace(KNOWN, scheduled=2, next_due_at=later(60))


def a_lease(seconds: float, attempts: int = 1) -> Leased:
    return Leased(later(seconds), attempts, 3, None)


def held(*leases: Leased) -> TypeLeases:
    ends = [one.lease_expires_at for one in leases]
    return TypeLeases(leased=leases, read=len(leases), last_end=max(ends, default=None))


def crowded(last_seconds: float, *leases: Leased) -> TypeLeases:
    """More leases of the account than are read; those that are end up to an instant."""
    return TypeLeases(leased=leases, read=COUNTED_MAX + 1, last_end=later(last_seconds))


def emptiness(
    states: Sequence[TypeState], leases: TypeLeases | None = None, similar: Sequence[str] = ()
) -> Emptiness:
    return emptiness_of(states, leases or held(), similar)


def test_a_type_nobody_used_is_unknown() -> None:
    found = emptiness([UNKNOWN], similar=["reports"])

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
    found = emptiness([KNOWN], held(a_lease(30), a_lease(90)))

    assert (found.reason, found.next_claimable_at) == (Reason.ALL_LEASED, later(30))
    assert found.counts.leased == 2


def test_a_lease_that_ends_in_the_grave_brings_nothing_back() -> None:
    last = a_lease(30, attempts=3)
    withdrawn = Leased(later(10), 1, 3, NOW)

    assert emptiness([KNOWN], held(last)).next_claimable_at is None
    assert emptiness([KNOWN], held(last)).reason is Reason.ALL_LEASED
    assert emptiness([KNOWN], held(withdrawn, a_lease(40))).next_claimable_at == later(40)


def test_the_reason_is_what_ends_first() -> None:
    def of(lease_seconds: float) -> Reason | None:
        return emptiness([SCHEDULED], held(a_lease(lease_seconds))).reason

    assert of(59) is Reason.ALL_LEASED
    assert of(61) is Reason.ALL_SCHEDULED


def test_a_lease_that_is_over_brings_its_task_back_now() -> None:
    assert emptiness([KNOWN], held(Leased(ago(3), 1, 3, None))).next_claimable_at == NOW


def test_what_became_claimable_meanwhile_is_no_reason() -> None:
    found = emptiness([replace(SCHEDULED, due=1)])

    assert (found.reason, found.next_claimable_at) == (None, NOW)
    assert found.counts.pending_due == 1


def test_several_types_are_counted_together() -> None:
    found = emptiness([SCHEDULED, KNOWN, UNKNOWN], held(a_lease(10)))

    assert found.counts == Counts(pending_due=0, scheduled=2, leased=1, capped=False)
    assert (found.reason, found.next_claimable_at) == (Reason.ALL_LEASED, later(10))


def test_counts_stop_where_counting_stopped() -> None:
    many = replace(SCHEDULED, scheduled=COUNTED_MAX + 1)

    assert emptiness([many]).counts == Counts(
        pending_due=0, scheduled=COUNTED_MAX, leased=0, capped=True
    )
    assert emptiness([SCHEDULED], crowded(90)).counts.capped
    assert not emptiness([replace(SCHEDULED, scheduled=COUNTED_MAX)]).counts.capped


# --- what is told where not every lease was read


def test_where_leases_were_not_read_nothing_is_told_that_they_may_belie() -> None:
    """A task of the type may be held by one that ends later than those."""
    found = emptiness([KNOWN], crowded(30))
    scheduled = emptiness([SCHEDULED], crowded(30))

    assert (found.reason, found.next_claimable_at, found.counts.capped) == (None, None, True)
    assert (scheduled.reason, scheduled.next_claimable_at) == (None, None)


def test_what_comes_before_the_leases_that_were_not_read_is_told() -> None:
    lease = emptiness([SCHEDULED], crowded(30, a_lease(20)))
    scheduled = emptiness([SCHEDULED], crowded(90, a_lease(20, attempts=3)))

    assert (lease.reason, lease.next_claimable_at) == (Reason.ALL_LEASED, later(20))
    assert (scheduled.reason, scheduled.next_claimable_at) == (Reason.ALL_SCHEDULED, later(60))


def test_leases_that_were_not_read_make_no_difference_to_what_is_known_without() -> None:
    last = emptiness([KNOWN], crowded(30, a_lease(20, attempts=3)))

    assert emptiness([UNKNOWN], crowded(30)).reason is Reason.UNKNOWN_TYPE
    assert (last.reason, last.next_claimable_at) == (Reason.ALL_LEASED, None)
