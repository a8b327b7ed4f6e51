"""A tiny service in memory that keeps the published rules, or breaks one of them on request.

The tests of the checker make histories with it. It shares no code with what it pretends to be,
nor with the model that judges it.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

Json = dict[str, Any]
Answer = tuple[int, Json]
SWEEP_MS: Final = 5_000
_EMPTY: Final = {"claimedBy": None, "claimedAt": None, "leaseExpiresAt": None}


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """One request."""

    account: str
    name: str
    task: str | None = None
    lease_token: str | None = None
    key: str | None = None
    sent: Json = {}


class RefusedError(Exception):
    """A refusal: status and code."""


class Kept(msgspec.Struct, kw_only=True):
    """A task as the service keeps it: what it shows, and what it does not."""

    account: str
    shown: Json
    token: str | None = None
    given: object = None
    releases: int = 0
    claim_key: str | None = None
    due: int = 0
    ends: int = 0


class Pretend:
    """The service. `broken` names what it does wrong."""

    def __init__(self, now: int, broken: str = "") -> None:
        self.now = now
        self.broken = broken
        self.tasks: dict[str, Kept] = {}
        self._keys: dict[tuple[str, str], tuple[str, Json, Json]] = {}
        self._count = 0

    def answer(self, ask: Ask) -> Answer:
        """Do what is asked, now."""
        act: Callable[[Ask], Json] = getattr(self, f"_{ask.name}")
        try:
            return (201 if ask.name == "create" else 200), act(ask)
        except RefusedError as refused:
            status, code = refused.args
            return status, {"error": code, "agent_contract": self._contract(None)}

    def sweep(self) -> None:
        """Give back what is overdue, as the background job does."""
        for kept in self.tasks.values():
            self._expire(kept)

    def _create(self, ask: Ask) -> Json:
        key = None if ask.key is None else (ask.account, ask.key)
        if key is not None and key in self._keys and self.broken != "double key":
            task, sent, first = self._keys[key]
            if sent != ask.sent:
                raise RefusedError(409, "idempotency_conflict")
            return {**first, "agent_contract": self._contract(self.tasks.get(task))}
        kept = self._made(ask)
        task = kept.shown["id"]
        if self.broken != "loses creates" or self._count % 5:
            self.tasks[task] = kept
        if key is not None:
            self._keys[key] = (task, ask.sent, dict(kept.shown))
        return self._show(kept)

    def _made(self, ask: Ask) -> Kept:
        sent = ask.sent
        shown = {
            "id": f"tsk_{self._next():026d}",
            "type": sent["type"],
            "payload": sent["payload"],
            "status": "pending",
            "priority": sent.get("priority", 0),
            "scheduledAt": sent.get("scheduledAt"),
            "attemptCount": 0,
            "maxAttempts": sent.get("maxAttempts", 3),
            "leaseDurationSeconds": sent.get("leaseDurationSeconds", 300),
            **_EMPTY,
            "lastHeartbeatAt": None,
            "createdAt": stamp(self.now),
            "updatedAt": stamp(self.now),
            **dict.fromkeys(("completedAt", "lastFailedAt", "lastFailureReason")),
            **dict.fromkeys(("result", "outputId")),
        }
        due = sent.get("scheduledAt")
        return Kept(account=ask.account, shown=shown, due=0 if due is None else unstamp(due))

    def _claim(self, ask: Ask) -> Json:
        held = self._held_under(ask)
        if held is not None:
            return self._claimed(held)
        waiting = list(self._claimable(ask))
        if not waiting or (self.broken == "false empty" and not self._next() % 3):
            return {"task": None, "agent_contract": self._contract(None)}
        best = max if self.broken == "no priority" else min
        kept = best(waiting, key=lambda one: (-one.shown["priority"], one.shown["createdAt"]))
        return self._take(kept, ask)

    def _claimable(self, ask: Ask) -> Iterator[Kept]:
        for kept in self.tasks.values():
            if kept.shown["type"] != ask.sent["type"]:
                continue
            if kept.account != ask.account and self.broken != "no account":
                continue
            doubly = self.broken == "double claim" and kept.shown["attemptCount"] == 1
            if doubly and kept.shown["status"] == "claimed" and not self._next() % 4:
                kept.shown["attemptCount"] = 0
                yield kept
            self._expire(kept)
            early = self.broken == "early" and self._next() % 2
            if kept.shown["status"] == "pending" and (kept.due <= self.now or early):
                yield kept

    def _claim_task(self, ask: Ask) -> Json:
        kept = self._mine(ask)
        if self._held_under(ask) is kept:
            return self._claimed(kept)
        self._expire(kept)
        if kept.shown["status"] != "pending":
            raise RefusedError(409, "invalid_transition")
        if kept.due > self.now:
            raise RefusedError(409, "not_yet_claimable")
        return self._take(kept, ask)

    def _held_under(self, ask: Ask) -> Kept | None:
        for kept in self.tasks.values():
            live = kept.shown["status"] == "claimed" and kept.ends > self.now
            if ask.key is not None and kept.claim_key == ask.key and live:
                return kept
        return None

    def _take(self, kept: Kept, ask: Ask) -> Json:
        if self.broken != "same token" or kept.token is None:
            kept.token = f"lse_{self._next():034d}"
        kept.given, kept.claim_key = None, ask.key
        step = 2 if self.broken == "attempts" and not self._next() % 5 else 1
        kept.ends = self.now + kept.shown["leaseDurationSeconds"] * 1_000
        kept.shown |= {
            "status": "claimed",
            "attemptCount": kept.shown["attemptCount"] + step,
            "claimedBy": ask.sent.get("worker_id"),
            "claimedAt": stamp(self.now),
            "leaseExpiresAt": stamp(kept.ends),
            "lastHeartbeatAt": None,
            "updatedAt": stamp(self.now),
        }
        return self._claimed(kept)

    def _claimed(self, kept: Kept) -> Json:
        contract = self._contract(kept)
        return {"task": dict(kept.shown), "lease_token": kept.token, "agent_contract": contract}

    def _heartbeat(self, ask: Ask) -> Json:
        kept = self._mine(ask)
        late = self.broken == "late heartbeat" and kept.shown["status"] == "completed"
        if not late:
            self._hold(kept, ask)
        span = kept.shown["leaseDurationSeconds"] * 1_000
        begins = kept.ends if self.broken == "banks" else self.now
        kept.ends = max(kept.ends, begins + span)
        kept.shown |= {"leaseExpiresAt": stamp(kept.ends), "lastHeartbeatAt": stamp(self.now)}
        return self._show(kept)

    def _complete(self, ask: Ask) -> Json:
        kept = self._mine(ask)
        done = {"result": ask.sent.get("result"), "outputId": ask.sent.get("output_id")}
        repeated = kept.shown["status"] == "completed" and kept.token == ask.lease_token
        if repeated and {name: kept.shown[name] for name in done} == done:
            return self._show(kept)
        if not (self.broken == "completes twice" and kept.shown["status"] == "completed"):
            self._hold(kept, ask)
        now = stamp(self.now)
        kept.shown |= done | {"status": "completed", "completedAt": now}
        kept.shown |= {"leaseExpiresAt": None, "updatedAt": now}
        return self._show(kept)

    def _fail(self, ask: Ask) -> Json:
        kept = self._mine(ask)
        if self._given_so(kept, ask):
            return self._show(kept)
        self._hold(kept, ask)
        kept.given = (ask.name, ask.lease_token, ask.sent)
        self._back(kept)
        delay = ask.sent.get("retry_after_seconds")
        if kept.shown["status"] == "pending":
            kept.due = 0 if delay is None else self.now + delay * 1_000
            kept.shown["scheduledAt"] = stamp(kept.due) if kept.due else None
        reason = ask.sent.get("reason")
        kept.shown |= {"lastFailedAt": stamp(self.now), "lastFailureReason": reason}
        return self._show(kept)

    def _release(self, ask: Ask) -> Json:
        kept = self._mine(ask)
        if self._given_so(kept, ask):
            return self._show(kept)
        self._hold(kept, ask)
        kept.given = (ask.name, ask.lease_token, ask.sent)
        kept.shown["attemptCount"] -= 1
        self._back(kept)
        return self._show(kept)

    def _cancel(self, ask: Ask) -> Json:
        kept = self._mine(ask)
        self._expire(kept)
        if kept.shown["status"] == "claimed":
            if not ask.sent.get("force"):
                raise RefusedError(409, "task_currently_claimed")
            kept.shown.setdefault("cancelRequestedAt", stamp(self.now))
        elif kept.shown["status"] != "pending":
            raise RefusedError(409, "invalid_transition")
        else:
            kept.shown |= {"status": "cancelled", "updatedAt": stamp(self.now)}
        return self._show(kept)

    def _requeue(self, ask: Ask) -> Json:
        kept = self._mine(ask)
        self._expire(kept)
        if kept.shown["status"] != "dead_letter":
            raise RefusedError(409, "invalid_transition")
        kept.due = 0
        kept.shown |= {"status": "pending", "attemptCount": 0, "scheduledAt": None}
        kept.shown["updatedAt"] = stamp(self.now)
        return self._show(kept)

    def _get(self, ask: Ask) -> Json:
        return self._show(self._mine(ask))

    def _list(self, ask: Ask) -> Json:
        after = ask.sent.get("cursor", "")
        mine = [kept for kept in self.tasks.values() if kept.account == ask.account]
        ordered = sorted(mine, key=lambda kept: kept.shown["id"], reverse=True)
        rest = [kept for kept in ordered if not after or kept.shown["id"] < after]
        page = rest[: ask.sent.get("limit", 20)]
        more = len(rest) > len(page)
        if self.broken == "skips":
            page = [kept for kept in page if self._next() % 7]
        info = {"hasMore": more, "nextCursor": page[-1].shown["id"] if more and page else None}
        items = [self._show(kept) for kept in page]
        return {"items": items, "pageInfo": info, "agent_contract": self._contract(None)}

    def _given_so(self, kept: Kept, ask: Ask) -> bool:
        return kept.given is not None and kept.given == (ask.name, ask.lease_token, ask.sent)

    def _mine(self, ask: Ask) -> Kept:
        kept = self.tasks.get(ask.task or "")
        if kept is None or (kept.account != ask.account and self.broken != "no account"):
            raise RefusedError(404, "task_not_found")
        return kept

    def _hold(self, kept: Kept, ask: Ask) -> None:
        if self.broken not in ("no fencing", "no lease check") and ask.lease_token != kept.token:
            raise RefusedError(409, "lease_expired")
        if kept.shown["status"] != "claimed":
            raise RefusedError(409, "invalid_transition")
        if kept.ends <= self.now and self.broken != "no lease check":
            raise RefusedError(409, "lease_expired")

    def _expire(self, kept: Kept) -> None:
        if kept.shown["status"] == "claimed" and kept.ends <= self.now:
            self._back(kept)

    def _back(self, kept: Kept) -> None:
        left = kept.shown["attemptCount"] < kept.shown["maxAttempts"]
        status = "pending" if left or self.broken == "never dead" else "dead_letter"
        if "cancelRequestedAt" in kept.shown:
            status = "cancelled"
        kept.shown |= {**_EMPTY, "status": status, "lastHeartbeatAt": None}
        kept.shown["updatedAt"] = stamp(self.now)

    def _show(self, kept: Kept) -> Json:
        return {**kept.shown, "agent_contract": self._contract(kept)}

    def _contract(self, kept: Kept | None) -> Json:
        """Advise to look, and name what is possible."""
        first = {"action": "look", "available": True, "recommended": True, "method": "GET"}
        contract: Json = {"version": "1", "next_actions": [first]}
        if kept is None:
            return contract
        status = kept.shown["status"]
        live = status == "claimed" and kept.ends > self.now
        if status == "claimed":
            left = max(0, kept.ends - self.now) // 1_000
            contract |= {"lease_valid": live, "lease_expires_in_seconds": left}
        verbs: tuple[str, ...] = ("claim",) if status == "pending" and kept.due <= self.now else ()
        verbs = ("complete", "fail", "heartbeat") if live else verbs
        verbs = ("requeue",) if status == "dead_letter" else verbs
        for verb in verbs:
            endpoint = f"/v1/tasks/{kept.shown['id']}/{verb}"
            action = {"action": verb, "available": True, "recommended": False}
            contract["next_actions"].append(action | {"method": "POST", "endpoint": endpoint})
        return contract

    def _next(self) -> int:
        self._count += 1
        return self._count


def stamp(milliseconds: int) -> str:
    """Write an instant."""
    moment = datetime.fromtimestamp(milliseconds / 1_000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def unstamp(text: str) -> int:
    """Read an instant."""
    return round(datetime.fromisoformat(text).timestamp() * 1_000)
