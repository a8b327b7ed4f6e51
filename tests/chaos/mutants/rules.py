"""Mutants of the rules: what is decided wrongly on rows that were read rightly."""

from msgspec.structs import replace

from orchestrion.core import decide, lifecycle
from orchestrion.core.commands import Heartbeat, OnTask
from orchestrion.core.ids import LeaseToken
from orchestrion.core.instants import SECOND, Instant
from orchestrion.core.lifecycle import Verb
from orchestrion.core.outcomes import Outcome, Rejection
from orchestrion.core.plans import Catalogue
from orchestrion.core.task import CLAIMED, COMPLETED, Status, Task
from orchestrion.core.view import View
from orchestrion.store.sqlite import reading
from tests.chaos.mutants.seams import Seams


def no_lease_check(seams: Seams) -> None:
    """M1: whoever names a claimed task may use its lease, however old a token is sent."""

    def unchecked(
        task: Task, verb: Verb, now: Instant, lease_token: LeaseToken | None
    ) -> Rejection | None:
        del lease_token
        return None if task.status is CLAIMED else lifecycle.refusal(task, verb, now)

    seams.replace(lifecycle, "_not_held", unchecked)


def sweeper_without_recheck(seams: Seams) -> None:
    """M8: the sweeper takes away what it once saw overdue, without looking again."""

    def expire(task: Task, now: Instant) -> Task | Rejection:
        return lifecycle._given_back(task, lifecycle.EXPIRE, now)  # noqa: SLF001 - the seam

    seams.original(lifecycle, "_given_back")
    seams.replace(lifecycle, "expire", expire)


def attempts_off_by_one(seams: Seams) -> None:
    """M9: a task is given one attempt more than it has."""
    seams.replace(
        Task, "attempts_left", property(lambda task: task.attempt_count <= task.max_attempts)
    )


def heartbeat_banks_time(seams: Seams) -> None:
    """M10: a heartbeat adds to the end of the lease instead of counting from now."""
    renewed = seams.original(lifecycle, "heartbeat")

    def heartbeat(task: Task, now: Instant, lease_token: LeaseToken | None) -> Task | Rejection:
        held: Task | Rejection = renewed(task, now, lease_token)
        if isinstance(held, Rejection) or task.lease_expires_at is None:
            return held
        return replace(held, lease_expires_at=task.lease_expires_at + task.lease_seconds * SECOND)

    seams.replace(lifecycle, "heartbeat", heartbeat)


def fail_skips_the_lease_check(seams: Seams) -> None:
    """M11: a failure is believed whatever lease it comes from; other verbs are checked."""
    not_held = seams.original(lifecycle, "_not_held")

    def checked(
        task: Task, verb: Verb, now: Instant, lease_token: LeaseToken | None
    ) -> Rejection | None:
        if verb is Verb.FAIL and task.status is CLAIMED:
            return None
        refused: Rejection | None = not_held(task, verb, now, lease_token)
        return refused

    seams.replace(lifecycle, "_not_held", checked)


def lease_released_twice(seams: Seams) -> None:
    """M12: the end of a lease makes room for two."""
    count_once = seams.original(View, "_count_lease")

    def count(view: View, before: Task | None, after: Task) -> None:
        count_once(view, before, after)
        held = before is not None and before.lease_alive(view.now)
        if held and not after.lease_alive(view.now) and after.account_id in view.live_leases:
            view.live_leases[after.account_id] -= 1

    seams.replace(View, "_count_lease", count)


def retention_ignores_status(seams: Seams) -> None:
    """M13: retention deletes by age alone, also what waits or is being worked on."""
    ended = "(status = 'completed' or status = 'dead_letter' or status = 'cancelled')"
    seams.reword(reading, "list_ended", ended, "status is not null")
    for module in (reading, decide):
        seams.replace(module, "ENDED", frozenset(Status))


def late_heartbeat_changes_the_end(seams: Seams) -> None:
    """M16: a heartbeat after the completion is refused, but written into the completed row."""
    on_task = seams.original(decide, "_on_task")

    def written(command: OnTask, catalogue: Catalogue, view: View) -> Outcome:
        outcome: Outcome = on_task(command, catalogue, view)
        task = view.task(command.account_id, command.task_id)
        if isinstance(command, Heartbeat) and task is not None and task.status is COMPLETED:
            view.put(replace(task, last_heartbeat_at=view.now))
        return outcome

    seams.replace(decide, "_on_task", written)
