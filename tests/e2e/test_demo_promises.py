"""The demonstration must not call kept what was not."""

from datetime import UTC, datetime, timedelta
from io import StringIO
from signal import SIGKILL

import pytest
from msgspec.structs import replace
from rich.console import Console

from orchestrion.demo.events import Event, Kind
from orchestrion.demo.markdown import Counts
from orchestrion.demo.promises import promises
from orchestrion.demo.report import report
from orchestrion.demo.scene import Figure, Lease, Scene
from orchestrion.demo.screen import Screen
from orchestrion.demo.story import Ending
from orchestrion.demo.tasks import Cast
from orchestrion.demo.wire import Contract, Task, Work

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
LEASE = timedelta(seconds=30)
LATER = NOON + LEASE + timedelta(seconds=1)
KILLED = "killed with SIGKILL after 1 heartbeat; the lease ran out"
COUNTS = Counts(words=1, heading_count=0, link_count=0, headings=[], links=[])

LONG = Task(
    id="tsk_long",
    payload=Work(path="long.md", text="file:///long.md", seconds=1),
    status="pending",
    attempt_count=0,
    max_attempts=3,
    claimed_by=None,
    claimed_at=None,
    lease_expires_at=None,
    last_heartbeat_at=None,
    lease_duration_seconds=30,
    last_failure_reason=None,
    result=None,
)
ABSENT = replace(
    LONG,
    id="tsk_absent",
    payload=Work(path="absent.md", text="file:///absent.md", seconds=1),
    max_attempts=2,
)
ORPHANED = replace(
    LONG,
    status="claimed",
    attempt_count=1,
    claimed_by="worker-1",
    claimed_at=NOON,
    lease_expires_at=NOON + LEASE,
    last_heartbeat_at=NOON,
    agent_contract=Contract(lease_valid=True, lease_expires_in_seconds=29),
)
FINISHED = replace(
    LONG,
    status="completed",
    attempt_count=2,
    claimed_by="worker-2",
    claimed_at=LATER,
    result=COUNTS,
)
DEAD = replace(ABSENT, status="dead_letter", attempt_count=2, last_failure_reason="gone")
MENDED = replace(ABSENT, status="completed", attempt_count=1, result=COUNTS)


def event(kind: Kind, task: Task, claimed_at: datetime) -> Event:
    return Event(
        kind=kind,
        worker=task.claimed_by or "worker-3",
        task_id=task.id,
        path=task.payload.path,
        attempt=task.attempt_count,
        status=task.status,
        claimed_at=claimed_at,
        lease_ends_at=claimed_at + LEASE if kind is Kind.CLAIMED else None,
    )


GOOD = Ending(
    cast=Cast(tasks=[LONG, ABSENT], long=LONG, absent=ABSENT, repeated=LONG),
    victim=event(Kind.HEARTBEAT, ORPHANED, NOON),
    exit_status=-SIGKILL,
    orphaned=ORPHANED,
    dead=DEAD,
    requeued=ABSENT,
    final=[MENDED, FINISHED],
    events=[
        # Workers are heard one after the other, so events of different workers may be swapped.
        event(Kind.CLAIMED, FINISHED, LATER),
        event(Kind.COMPLETED, FINISHED, LATER),
        event(Kind.CLAIMED, ORPHANED, NOON),
        event(Kind.HEARTBEAT, ORPHANED, NOON),
        event(Kind.CLAIMED, MENDED, NOON),
        event(Kind.COMPLETED, MENDED, NOON),
    ],
    seconds=45,
)


def broken(ending: Ending) -> list[str]:
    return [promise.text for promise in promises(ending) if promise.against]


def test_a_story_as_it_should_be_keeps_every_promise() -> None:
    assert broken(GOOD) == []


@pytest.mark.parametrize(
    ("ending", "promise"),
    [
        (replace(GOOD, final=[MENDED]), "each exactly once"),
        (replace(GOOD, final=[*GOOD.final, FINISHED]), "each exactly once"),
        (replace(GOOD, final=[MENDED, replace(FINISHED, result=None)]), "each exactly once"),
        (replace(GOOD, events=GOOD.events[2:]), "each exactly once"),
        (replace(GOOD, events=GOOD.events * 2), "each exactly once"),
        (replace(GOOD, cast=replace(GOOD.cast, repeated=ABSENT)), "made one task"),
        (replace(GOOD, exit_status=1), "was killed"),
        (replace(GOOD, orphaned=replace(ORPHANED, status="completed")), "was killed"),
        (replace(GOOD, orphaned=replace(ORPHANED, claimed_by="worker-2")), "was killed"),
        (replace(GOOD, orphaned=replace(ORPHANED, agent_contract=Contract())), "was killed"),
        (replace(GOOD, final=[MENDED, replace(FINISHED, claimed_by="worker-1")]), "after the"),
        (replace(GOOD, final=[MENDED, replace(FINISHED, claimed_at=NOON)]), "after the"),
        (replace(GOOD, final=[MENDED, replace(FINISHED, attempt_count=3)]), "after the"),
        (replace(GOOD, dead=replace(DEAD, status="pending")), "was requeued"),
        (replace(GOOD, dead=replace(DEAD, attempt_count=1)), "was requeued"),
        (replace(GOOD, requeued=DEAD), "was requeued"),
        (replace(GOOD, final=[DEAD, FINISHED]), "was requeued"),
    ],
)
def test_each_promise_is_broken_by_what_speaks_against_it(ending: Ending, promise: str) -> None:
    texts = broken(ending)

    assert any(promise in text for text in texts), texts
    assert any(line.startswith("  broken: ") for line in report(ending, promises(ending)))


def test_attempts_are_reported_in_the_order_of_their_claims() -> None:
    lines = report(GOOD, promises(GOOD))

    start = lines.index("Attempts of long.md (tsk_long)")
    assert lines[start + 1 : start + 3] == [
        f"  1  worker-1  lease 12:00:00 to 12:00:30  {KILLED}",
        "  2  worker-2  lease 12:00:31 to 12:01:01  completed: ",
    ]


def test_a_terminal_shows_states_workers_and_the_lease_running_out() -> None:
    console = Console(file=StringIO(), force_terminal=True, width=80, no_color=True)
    figures = [
        Figure(name="worker-1", pid=1, doing="killed with SIGKILL", completed=0, alive=False),
        Figure(name="worker-2", pid=2, doing="reads \x1b[2Ja.md", completed=3, alive=True),
    ]

    with console.capture() as capture, Screen(console) as screen:
        screen.note(1.0, "a step")
        screen.scene(
            Scene(
                elapsed_seconds=9,
                states={"claimed": 2, "completed": 3},
                workers=figures,
                lease=Lease(worker="worker-1", path="long.md", left_seconds=7, whole_seconds=30),
            )
        )
        screen.result(["Results", "  1 file"])

    shown = capture.get()
    assert "a step" in shown
    assert "3 of 5 completed" in shown
    assert "pending 0   claimed 2   completed 3   dead_letter 0" in shown
    assert "reads \ufffd[2Ja.md" in shown
    assert "7 s left of the lease of worker-1" in shown
    assert shown.index("Results") < shown.index("  1 file")
