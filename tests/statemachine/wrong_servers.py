"""Servers that break one promise each: the machine must find every one of them."""

import json
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, Final

import pytest
from msgspec.structs import replace
from starlette.types import ASGIApp, Receive, Scope, Send

from orchestrion.core import claim_keys, contract, idempotency, lifecycle, quota, repeats
from orchestrion.core.plans import Catalogue
from orchestrion.core.task import CANCELLED, CLAIMED, COMPLETED, PENDING, Task
from orchestrion.core.view import Needs, View

Break = Callable[[pytest.MonkeyPatch], None]


def _altered(verb: str, alter: Callable[[Task, Task], Task]) -> Break:
    """Break what a verb makes of a task: `alter` is given the task before and after."""

    def apply(patch: pytest.MonkeyPatch) -> None:
        real = getattr(lifecycle, verb)

        def broken(task: Task, *more: Any) -> Any:  # noqa: ANN401 - any verb
            after = real(task, *more)
            return alter(task, after) if isinstance(after, Task) else after

        patch.setattr(lifecycle, verb, broken)

    return apply


def ended_leases_are_accepted(patch: pytest.MonkeyPatch) -> None:
    real = lifecycle.refusal
    of_holder = (lifecycle.COMPLETE, lifecycle.FAIL, lifecycle.HEARTBEAT)

    def refusal(task: Task, verb: Any, now: Any) -> Any:  # noqa: ANN401
        held = task.status is CLAIMED and verb in of_holder
        return None if held else real(task, verb, now)

    patch.setattr(lifecycle, "refusal", refusal)


def old_tokens_are_accepted(patch: pytest.MonkeyPatch) -> None:
    def not_held(task: Task, verb: Any, now: Any, _: object) -> Any:  # noqa: ANN401
        return lifecycle.refusal(task, verb, now)

    patch.setattr(lifecycle, "_not_held", not_held)


def priorities_are_ignored(patch: pytest.MonkeyPatch) -> None:
    real = View.load_claimable

    def load(view: View, key: Any, pending: list[Task], overdue: list[Task]) -> None:  # noqa: ANN401
        real(view, key, sorted(pending, key=lambda task: task.claim_order), overdue)

    patch.setattr(Task, "claim_order", property(lambda task: (0, task.due_at, task.id)))
    patch.setattr(Needs, "candidates", lambda *_: 50)
    patch.setattr(View, "load_claimable", load)


def repeated_creates_make_another_task(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(idempotency, "replay", lambda *_: None)


def repeated_claims_take_another_task(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(claim_keys, "held", lambda *_: ())


def delays_are_ignored(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(lifecycle, "_after", lambda *_: None)


def cancelled_tasks_can_be_claimed(patch: pytest.MonkeyPatch) -> None:
    real = lifecycle.claim

    def claim(task: Task, *more: Any) -> Any:  # noqa: ANN401
        revived = task.status is CANCELLED
        return real(replace(task, status=PENDING) if revived else task, *more)

    patch.setattr(lifecycle, "claim", claim)


def last_attempts_are_not_the_last(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Task, "attempts_left", property(lambda _: True))


def other_results_pass_for_repeats(patch: pytest.MonkeyPatch) -> None:
    def completed_so(task: Task, token: str | None, _: object) -> bool:
        return task.status is COMPLETED and token is not None and token == task.lease_token

    patch.setattr(repeats, "completed_so", completed_so)


def one_worker_too_many_is_allowed(patch: pytest.MonkeyPatch) -> None:
    real = quota.may_claim

    def may_claim(account: Any, catalogue: Any, leases: Any, now: Any) -> Any:  # noqa: ANN401
        return real(account, catalogue, replace(leases, live=leases.live - 1), now)

    patch.setattr(quota, "may_claim", may_claim)


def finished_tasks_are_purged_at_once(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Catalogue, "retention_cutoff", lambda _self, _account, now: now)


def what_cannot_be_done_is_called_available(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(contract, "unavailable", lambda action: action)


def leases_live_a_moment_longer(patch: pytest.MonkeyPatch) -> None:
    def alive(task: Task, now: int) -> bool:
        ends = task.lease_expires_at
        return task.status is CLAIMED and ends is not None and ends >= now

    patch.setattr(Task, "lease_alive", alive)


def schedules_come_a_moment_late(patch: pytest.MonkeyPatch) -> None:
    def due(task: Task, now: int) -> bool:
        return task.scheduled_at is None or task.scheduled_at < now

    patch.setattr(Task, "due", due)


def waits_are_rounded_down(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(contract, "seconds_until", lambda instant, now: max(1, (instant - now) // 1_000))


def repeated_failures_are_refused(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(repeats, "given_back_so", lambda *_: False)


def ended_leases_are_not_handed_out(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(View, "take_overdue", lambda *_: ())


def what_follows_a_repeated_failure_is_refused(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(repeats, "failed_before", lambda *_: None)


# Each alters the task that a verb gives.
_TASKS: Final[Mapping[str, Break]] = {
    "attempts_are_counted_twice": _altered(
        "claim", lambda _, after: replace(after, attempt_count=after.attempt_count + 1)
    ),
    "heartbeats_add_up": _altered(
        "heartbeat",
        lambda before, after: replace(
            after,
            lease_expires_at=(before.lease_expires_at or 0) + 1_000 * before.lease_seconds,
        ),
    ),
    "requeued_tasks_keep_their_attempts": _altered(
        "requeue", lambda before, after: replace(after, attempt_count=before.attempt_count)
    ),
    "releases_are_charged": _altered(
        "release", lambda before, after: replace(after, attempt_count=before.attempt_count)
    ),
    "forced_cancels_are_forgotten": _altered(
        "request_cancel", lambda before, after: before if after.status is CLAIMED else after
    ),
}
BREAKS: Final[Mapping[str, Break]] = {
    **_TASKS,
    **{
        one.__name__: one
        for one in (
            ended_leases_are_accepted,
            old_tokens_are_accepted,
            priorities_are_ignored,
            repeated_creates_make_another_task,
            repeated_claims_take_another_task,
            delays_are_ignored,
            cancelled_tasks_can_be_claimed,
            last_attempts_are_not_the_last,
            other_results_pass_for_repeats,
            one_worker_too_many_is_allowed,
            finished_tasks_are_purged_at_once,
            what_cannot_be_done_is_called_available,
            leases_live_a_moment_longer,
            schedules_come_a_moment_late,
            waits_are_rounded_down,
            repeated_failures_are_refused,
            ended_leases_are_not_handed_out,
            what_follows_a_repeated_failure_is_refused,
        )
    },
}

Message = MutableMapping[str, Any]


class _Wrapped:
    """An application whose answers pass through other hands."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def answer(self, scope: Scope, receive: Receive) -> list[Message]:
        """Collect an answer."""
        sent: list[Message] = []

        async def keep(message: Message) -> None:
            sent.append(message)

        await self.app(scope, receive, keep)
        return sent


class TasksOfOthersAreShown(_Wrapped):
    """Asks again with every other key it has seen."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(app)
        self._keys: set[tuple[bytes, bytes]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        own = {one for one in scope["headers"] if one[0] == b"authorization"}
        self._keys |= own
        sent = await self.answer(scope, receive)
        for key in sorted(self._keys - own) if scope["method"] == "GET" else ():
            if sent[0]["status"] == 404:
                sent = await self.answer({**scope, "headers": [key]}, receive)
        for message in sent:
            await send(message)


class PagesLackATask(_Wrapped):
    """Drops the last of several tasks of a page."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        for message in await self.answer(scope, receive):
            if message.get("body", b"").startswith(b'{"items":[{"id"'):
                page = json.loads(message["body"])
                page["items"] = page["items"][:2]
                message["body"] = json.dumps(page, separators=(",", ":")).encode()
            await send(message)


WRAPS: Final[Mapping[str, Callable[[ASGIApp], ASGIApp]]] = {
    "tasks_of_others_are_shown": TasksOfOthersAreShown,
    "pages_lack_a_task": PagesLackATask,
}
