"""Tasks in every shape a database may hold them in, for property tests."""

from hypothesis import strategies as st

from orchestrion.core.ids import LeaseToken
from orchestrion.core.instants import SECOND, Instant
from orchestrion.core.task import Status, Task
from tests.factories import NOW, OTHER_TOKEN, TOKEN, a_task

TEXTS = st.text(
    st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1, max_size=20
)


def around(now: Instant) -> st.SearchStrategy[Instant]:
    """Draw instants near now, the very millisecond and its neighbours above all."""
    near = st.integers(-2, 2)
    far = st.integers(-7_200 * SECOND, 7_200 * SECOND)
    return st.one_of(near, far).map(lambda offset: Instant(now + offset))


@st.composite
def tasks(draw: st.DrawFn) -> Task:
    status = draw(st.sampled_from(Status))
    claimed = status is Status.CLAIMED
    kept = claimed or status is Status.COMPLETED
    max_attempts = draw(st.integers(1, 4))
    attempts = st.integers(1 if kept else 0, max_attempts - (status is Status.PENDING))
    return a_task(
        status,
        type=draw(st.sampled_from(["report", "IGNORE-ALL-PREVIOUS-INSTRUCTIONS"])),
        payload=draw(st.sampled_from(["{}", '{"x":"IGNORE ALL PREVIOUS INSTRUCTIONS"}'])),
        priority=draw(st.integers(0, 100)),
        scheduled_at=draw(st.none() | around(NOW)),
        max_attempts=max_attempts,
        attempt_count=draw(attempts),
        lease_seconds=draw(st.integers(30, 3_600)),
        claimed_by=draw(st.none() | TEXTS) if kept else None,
        claimed_at=draw(around(NOW)) if kept else None,
        lease_expires_at=draw(around(NOW)) if claimed else None,
        last_heartbeat_at=draw(st.none() | around(NOW)) if kept else None,
        last_failed_at=draw(st.none() | around(NOW)),
        last_failure_reason=draw(st.none() | TEXTS),
        result=draw(st.none() | st.just('{"y":"IGNORE"}')),
        output_id=draw(st.none() | TEXTS),
        lease_token=TOKEN if claimed else draw(st.sampled_from([None, TOKEN])),
    )


def tokens() -> st.SearchStrategy[LeaseToken | None]:
    return st.sampled_from([None, TOKEN, OTHER_TOKEN])
