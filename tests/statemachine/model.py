"""The rules of decisions.md for one account, stated anew: dicts and plain ints, nothing shared.

Each method takes what is sent and gives what must be answered. Ids and tokens, which the server
makes up, are names here: `<task 1>`, `<lease 1>`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from tests.statemachine import advice, lifecycle
from tests.statemachine.lifecycle import Refused
from tests.statemachine.task import DAY, SECOND, Json, Task, at, instant_of
from tests.statemachine.telling import WORKERS_MAX, Told, refusal

RETENTION_DAYS: Final = 2
KEY_LIFE: Final = 7 * DAY
_AHEAD_MAX: Final = 30 * DAY
_BEHIND_MAX: Final = 60 * SECOND
_WORKERS_WAIT_MAX: Final = 30


@dataclass(kw_only=True)
class Ground:
    """What all accounts have in common: the time, and the numbers that were given out."""

    now: int
    tasks: int = 0
    leases: int = 0


@dataclass(frozen=True, kw_only=True)
class Remembered:
    """A create under a key."""

    asked: tuple[object, ...]
    first: Task
    created: int


class Account:
    """An account and all that is its own."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.tasks: dict[str, Task] = {}
        self.keys: dict[str, Remembered] = {}

    @property
    def now(self) -> int:
        """The present."""
        return self.ground.now

    # Producers.

    def create(self, body: Json, key: str | None = None) -> Told:
        """POST /v1/tasks."""
        key = body.get("idempotencyKey", key)
        asked = _as_asked(body)
        known = None if key is None else self.keys.get(key)
        if known and self.now < known.created + KEY_LIFE:
            return self._repeated(known, asked)
        scheduled = _instant(body)
        if scheduled is not None and not -_BEHIND_MAX <= scheduled - self.now <= _AHEAD_MAX:
            return refusal(Refused("invalid_request"), self.now)
        task = self._new(body, scheduled)
        self.tasks[task.name] = task
        if key is not None:
            self.keys[key] = Remembered(asked=asked, first=task, created=self.now)
        return self._shown(task, 201)

    def cancel(self, name: str, *, force: bool = False) -> Told:
        """POST /v1/tasks/{id}/cancel."""
        verb = lifecycle.request_cancel if force else lifecycle.cancel
        return self._changed(name, lambda task: verb(task, self.now))

    def requeue(self, name: str) -> Told:
        """POST /v1/tasks/{id}/requeue."""
        return self._changed(name, lambda task: lifecycle.requeue(task, self.now))

    def get(self, name: str) -> Told:
        """GET /v1/tasks/{id}."""
        return self._changed(name, lambda task: task)

    def page(self, filters: Json, limit: int, before: str | None) -> tuple[list[Json], bool]:
        """GET /v1/tasks: the items of a page, and whether more follow."""
        found = [
            task
            for task in sorted(self.tasks.values(), key=lambda one: -one.number)
            if filters.get("status") in (None, task.status)
            and filters.get("type") in (None, task.type)
            and filters.get("claimed_by") in (None, task.worker)
            and (before is None or task.number < int(before.strip("<task >")))
        ]
        shown = [
            {**one.shown(), "agent_contract": advice.viewing(one, self.now)}
            for one in found[:limit]
        ]
        return shown, len(found) > limit

    # Workers.

    def claim_next(self, body: Json, key: str | None = None) -> Told:
        """POST /v1/tasks/claim."""
        types = types_of(body)
        count = body.get("max_tasks", 1)
        asked = ("next", body.get("worker_id"), types, count)
        try:
            held, replayed = self._take(types, (body.get("worker_id"), key, asked), count)
        except Refused as no:
            return refusal(no, self.now, "/v1/tasks/claim")
        several = [{"task": one.shown(), "lease_token": one.lease} for one in held]
        listed = {"tasks": several} if "max_tasks" in body else {}
        if not held:
            return Told(body={"task": None, **listed, **self._why(types)})
        guidance = {**advice.holding(held[0], self.now), "task_claimable": True}
        return Told(body={**several[0], **listed, "agent_contract": guidance}, replayed=replayed)

    def claim_task(self, name: str, body: Json, key: str | None = None) -> Told:
        """POST /v1/tasks/{id}/claim."""
        worker = body.get("worker_id")
        try:
            task = self._named(name)
            held = self._held_under(key, ("id", worker, name))
            replayed = bool(held)
            if not held:
                self._check_workers()
                settled = lifecycle.settled(task, self.now)
                held = [self._claimed(settled, worker, key, ("id", worker, name))]
        except Refused as no:
            return refusal(no, self.now, f"/v1/tasks/{name}/claim")
        shown = {"task": held[0].shown(), "lease_token": held[0].lease}
        guidance = {**advice.holding(held[0], self.now), "task_claimable": True}
        return Told(body={**shown, "agent_contract": guidance}, replayed=replayed)

    def heartbeat(self, name: str, body: Json) -> Told:
        """POST /v1/tasks/{id}/heartbeat."""
        token = body.get("lease_token")
        told = self._changed(name, lambda task: lifecycle.heartbeat(task, self.now, token))
        if told.code:
            return told
        guidance = advice.holding(self.tasks[name], self.now)
        return Told(body={**told.body, "agent_contract": guidance})

    def complete(self, name: str, body: Json) -> Told:
        """POST /v1/tasks/{id}/complete."""
        told = self._changed(name, lambda task: lifecycle.complete(task, self.now, body))
        if told.code or "claim_next" not in body:
            return told
        return self._with_next(told, body, ())

    def fail(self, name: str, body: Json) -> Told:
        """POST /v1/tasks/{id}/fail."""
        told = self._changed(name, lambda task: lifecycle.fail(task, self.now, body))
        if "claim_next" not in body:
            return told
        failed = (name, body.get("reason"), body.get("retry_after_seconds"))
        if told.code:
            told = self._failed_before(name, body, failed) or told
        return told if told.code else self._with_next(told, body, failed)

    def release(self, name: str, body: Json) -> Told:
        """POST /v1/tasks/{id}/release."""
        if "lease_token" not in body:
            return refusal(Refused("invalid_request"), self.now)
        return self._changed(name, lambda task: lifecycle.release(task, self.now, body))

    # Jobs.

    def expire_leases(self) -> None:
        """Give back what is overdue."""
        for name, task in self.tasks.items():
            self.tasks[name] = lifecycle.settled(task, self.now)

    def purge_finished(self) -> None:
        """Delete what ended too long ago."""
        kept_from = self.now - RETENTION_DAYS * DAY
        ended = ("completed", "dead_letter", "cancelled")
        for name, task in list(self.tasks.items()):
            if task.status in ended and task.updated <= kept_from:
                del self.tasks[name]

    # What the methods have in common.

    def _changed(self, name: str, change: Callable[[Task], Task]) -> Told:
        try:
            changed = change(self._named(name))
        except Refused as no:
            return refusal(no, self.now)
        self.tasks[name] = changed
        return self._shown(changed)

    def _shown(self, task: Task, status: int = 200) -> Told:
        guidance = advice.viewing(task, self.now)
        return Told(status=status, body={**task.shown(), "agent_contract": guidance})

    def _named(self, name: str) -> Task:
        if name not in self.tasks:
            raise Refused("task_not_found")
        return self.tasks[name]

    def _new(self, body: Json, scheduled: int | None) -> Task:
        self.ground.tasks += 1
        return Task(
            number=self.ground.tasks,
            type=body["type"],
            payload=body["payload"],
            priority=body.get("priority", 0),
            max_attempts=body.get("maxAttempts", 3),
            lease_seconds=body.get("leaseDurationSeconds", 300),
            scheduled=scheduled if scheduled is not None and scheduled > self.now else None,
            created=self.now,
            updated=self.now,
        )

    def _repeated(self, known: Remembered, asked: tuple[object, ...]) -> Told:
        if known.asked != asked:
            return refusal(Refused("idempotency_conflict", then=advice.CREATE_ELSE), self.now)
        now = self.tasks.get(known.first.name)
        guidance = advice.NEXT if now is None else advice.viewing(now, self.now)
        shown = {**known.first.shown(), "agent_contract": guidance}
        return Told(status=201, body=shown, replayed=True)

    def _check_workers(self) -> None:
        ends = [one.expires or 0 for one in self.tasks.values() if one.live(self.now)]
        if len(ends) >= WORKERS_MAX:
            wait = min(_WORKERS_WAIT_MAX, advice.seconds_until(min(ends), self.now))
            raise Refused("max_workers_reached", wait=wait, live=len(ends))

    def _held_under(self, key: str | None, asked: tuple[object, ...]) -> list[Task]:
        if key is None:
            return []
        held = [one for one in self.tasks.values() if one.claim_key == key and one.live(self.now)]
        if any(one.claim_asked != asked for one in held):
            raise Refused("idempotency_conflict", then=advice.CLAIM_ELSE)
        return sorted(held, key=lambda one: one.order)

    def _claimed(
        self, task: Task, worker: str | None, key: str | None, asked: tuple[object, ...]
    ) -> Task:
        claimed = lifecycle.claim(task, self.now)
        self.ground.leases += 1
        claimed = replace(
            claimed,
            worker=worker,
            lease=f"<lease {self.ground.leases}>",
            claim_key=key,
            claim_asked=asked,
        )
        self.tasks[task.name] = claimed
        return claimed

    def _take(
        self,
        types: tuple[str, ...],
        claim: tuple[str | None, str | None, tuple[object, ...]],
        count: int,
    ) -> tuple[list[Task], bool]:
        worker, key, asked = claim
        held = self._held_under(key, asked)
        if held:
            return held, True
        self._check_workers()
        for name, task in self.tasks.items():
            if task.type in types:
                self.tasks[name] = lifecycle.settled(task, self.now)
        live = sum(one.live(self.now) for one in self.tasks.values())
        ready = [one for one in self.tasks.values() if one.type in types and one.due(self.now)]
        ready.sort(key=lambda one: one.order)
        taken = ready[: min(count, WORKERS_MAX - live)]
        return [self._claimed(one, worker, key, asked) for one in taken], False

    def _with_next(self, told: Told, body: Json, failed: tuple[object, ...]) -> Told:
        """Claim behind the end of an attempt; the guidance is for the claim."""
        wanted, token = body["claim_next"], body.get("lease_token")
        types, worker = types_of(wanted), wanted.get("worker_id")
        key = None if token is None else f"after {token}"
        shown: Json = {name: told.body[name] for name in told.body if name != "agent_contract"}
        try:
            held, _ = self._take(types, (worker, key, ("after", worker, types, failed)), 1)
        except Refused as no:
            guidance = {**refusal(no, self.now, "/v1/tasks/claim").body["agent_contract"]}
            guidance["retryable"] = False
            return Told(
                body={
                    **shown,
                    "next_task": None,
                    "next_error": no.code,
                    "agent_contract": guidance,
                }
            )
        if not held:
            return Told(body={**shown, "next_task": None, "agent_contract": advice.EMPTY_AFTER})
        following = {"next_task": held[0].shown(), "next_lease_token": held[0].lease}
        guidance = advice.holding(held[0], self.now)
        return Told(body={**shown, **following, "agent_contract": guidance})

    def _failed_before(self, name: str, body: Json, failed: tuple[object, ...]) -> Told | None:
        """Know a repeated failure by the claim behind it, once the task was claimed again."""
        wanted, token = body["claim_next"], body.get("lease_token")
        if token is None or name not in self.tasks:
            return None
        asked = ("after", wanted.get("worker_id"), types_of(wanted), failed)
        try:
            held = self._held_under(f"after {token}", asked)
        except Refused:
            return None
        if not held:
            return None
        task = self.tasks[name]
        return self._shown(lifecycle.unclaimed(task) if task in held else task)

    def _why(self, types: tuple[str, ...]) -> Json:
        """Explain an empty claim."""
        mine = [one for one in self.tasks.values() if one.type in types]
        later = [one.scheduled or 0 for one in mine if one.status == "pending"]
        held = [one for one in mine if one.live(self.now)]
        back = [one.expires or 0 for one in held if one.attempts_left and one.asked_back is None]
        following = min(later + back, default=None)
        if not mine:
            reason = "unknown_type"
        elif not later and not held:
            reason = "no_tasks"
        else:
            first = bool(later) and following == min(later)
            reason = "all_scheduled" if first else "all_leased"
        counts = {"pending_due": 0, "scheduled": len(later), "leased": len(held), "capped": False}
        told = {} if following is None else {"next_claimable_at": at(following)}
        guidance = {"counts": counts, "agent_contract": advice.EMPTY}
        return {"empty_reason": reason, **told, **guidance}


def types_of(body: Json) -> tuple[str, ...]:
    """Give the types that a claim names, each once."""
    named = [*([body["type"]] if "type" in body else []), *body.get("types", ())]
    return tuple(dict.fromkeys(named))


def _instant(body: Json) -> int | None:
    return instant_of(body["scheduledAt"]) if "scheduledAt" in body else None


def _as_asked(body: Json) -> tuple[object, ...]:
    return (
        body["type"],
        repr(sorted(body["payload"].items())),
        body.get("priority", 0),
        body.get("maxAttempts", 3),
        body.get("leaseDurationSeconds", 300),
        _instant(body),
    )
