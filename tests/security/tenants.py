"""Accounts that do everything one can do with tasks, and pry into each other's while they do it."""

import json
import re
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any, Final
from urllib.parse import quote

from tests.security.wire import Sent

REMEMBERED: Final = 200
BATCH: Final = 3
_TASK: Final = re.compile(r"tsk_[0-9A-Z]{26}")
Json = dict[str, Any]


class Tenant:
    """One account: its key, its canary, and what it knows of its own tasks."""

    def __init__(self, registered: Mapping[str, str], canary: str) -> None:
        self.id = registered["accountId"]
        self.key = registered["apiKey"]
        self.canary = canary
        self.tasks: deque[str] = deque(maxlen=REMEMBERED)
        self.leases: deque[tuple[str, str]] = deque(maxlen=REMEMBERED)
        self.keys: deque[str] = deque(maxlen=REMEMBERED)
        self._number = 0

    def learn(self, body: bytes) -> None:
        """Remember the tasks and leases that an answer names."""
        answer = json.loads(body)
        held = [answer, *(answer.get("tasks") or ())]
        for one in held:
            if isinstance(one.get("task"), dict) and "lease_token" in one:
                self.leases.append((one["task"]["id"], one["lease_token"]))
        if isinstance(answer.get("next_task"), dict):
            self.leases.append((answer["next_task"]["id"], answer["next_lease_token"]))
        if "payload" in answer:
            self.tasks.append(answer["id"])
        self.tasks.extend(_TASK.findall(json.dumps(answer.get("items", [])))[:BATCH])

    def draft(self, draw: Random) -> Json:
        """Write a task whose every text carries the canary."""
        self._number += 1
        mark = self.canary
        return {
            "type": f"{draw.choice(('report', 'mail'))}-{mark}",
            "payload": {mark: [mark, {"number": self._number, "note": f"for {mark} alone"}]},
            "priority": draw.randint(0, 3),
            "maxAttempts": draw.randint(1, 3),
        }

    def idempotency_key(self, draw: Random) -> str:
        """Give a key of its own, sometimes one that was used before."""
        if self.keys and draw.random() < 0.2:
            return draw.choice(self.keys)
        self.keys.append(f"key {self.canary} {self._number}")
        return self.keys[-1]

    def task(self, draw: Random) -> str:
        """Choose one of its tasks."""
        return draw.choice(self.tasks) if self.tasks else "tsk_none"

    def lease(self, draw: Random) -> tuple[str, str]:
        """Choose a lease, most often the newest and only once."""
        if not self.leases:
            return self.task(draw), "lse_none"
        return self.leases.pop() if draw.random() < 0.8 else draw.choice(self.leases)


Way = Callable[[Tenant, Tenant, Random], Sent]


def next_request(tenant: Tenant, other: Tenant, draw: Random) -> Sent:
    """Choose what an account asks next; `other` is whose tasks it may pry into."""
    (way,) = draw.choices(WAYS, WEIGHTS)
    return way(tenant, other, draw)


def _create(one: Tenant, _: Tenant, draw: Random) -> Sent:
    headers = {"traceparent": f"00-{one.canary}-{draw.getrandbits(64) | 1:016x}-01"}
    if draw.random() < 0.5:
        headers["Idempotency-Key"] = one.idempotency_key(draw)
    return _post("create_task", "/v1/tasks", one.draft(draw), headers)


def _create_many(one: Tenant, _: Tenant, draw: Random) -> Sent:
    items = [{**one.draft(draw), "idempotencyKey": one.idempotency_key(draw)} for _ in range(BATCH)]
    return _post("create_tasks", "/v1/tasks/batch", {"items": items})


def _claim(one: Tenant, _: Tenant, draw: Random) -> Sent:
    body: Json = {"types": [f"report-{one.canary}", f"mail-{one.canary}"]}
    body["worker_id"] = f"worker {one.canary}"
    if draw.random() < 0.3:
        body["max_tasks"] = BATCH
    return _post("claim_next_task", "/v1/tasks/claim", body)


def _claim_by_id(one: Tenant, _: Tenant, draw: Random) -> Sent:
    body = {"worker_id": f"worker {one.canary}"}
    headers = {"Idempotency-Key": one.idempotency_key(draw)}
    return _post("claim_task", f"/v1/tasks/{one.task(draw)}/claim", body, headers)


def _end(name: str, verb: str, fields: Callable[[str], Json]) -> Way:
    def end(one: Tenant, _: Tenant, draw: Random) -> Sent:
        task, token = one.lease(draw)
        body = {"lease_token": token, **fields(one.canary)}
        if verb in {"complete", "fail"} and draw.random() < 0.3:
            body["claim_next"] = {"type": f"report-{one.canary}", "worker_id": one.canary}
        return _post(name, f"/v1/tasks/{task}/{verb}", body)

    return end


def _end_many(name: str, verb: str, fields: Callable[[str], Json]) -> Way:
    def end(one: Tenant, other: Tenant, draw: Random) -> Sent:
        # Among its own stand a lease and a task of somebody else.
        held = [one.lease(draw), (other.task(draw), "lse_none")]
        if other.leases:
            held.append(other.leases[0])
        items = [{"id": task, "lease_token": token, **fields(one.canary)} for task, token in held]
        return _post(name, f"/v1/tasks/{verb}", {"items": items})

    return end


def _verb(name: str, verb: str) -> Way:
    return lambda one, _, draw: _post(name, f"/v1/tasks/{one.task(draw)}/{verb}", {})


def _read(name: str, path: str) -> Way:
    return lambda one, _, draw: _get(name, path.replace("{id}", one.task(draw)))


def _list(one: Tenant, _: Tenant, draw: Random) -> Sent:
    asked = draw.choice(
        (
            "limit=5",
            f"type=report-{one.canary}&limit=3",
            f"claimed_by={quote(f'worker {one.canary}')}&limit=3",
            "status=dead_letter&limit=5",
            "view=compact&limit=20",
        )
    )
    return _get("list_tasks", f"/v1/tasks?{asked}")


def _wait(one: Tenant, other: Tenant, draw: Random) -> Sent:
    ids = sorted({one.task(draw), other.task(draw)})
    return _post("wait_for_tasks", "/v1/tasks/wait", {"ids": ids, "wait_seconds": 0})


def _verify(one: Tenant, _: Tenant, _draw: Random) -> Sent:
    return _post("verify_payment", "/v1/billing/verify", {"purchaseId": f"pur_{one.canary}"})


def _checkout(one: Tenant, _: Tenant, _draw: Random) -> Sent:
    return _post("start_checkout", "/v1/billing/checkout", {"planId": one.canary})


def _pry(_: Tenant, other: Tenant, draw: Random) -> Sent:
    """Ask for what is another account's, with all that could be known of it."""
    task, token = other.leases[0] if other.leases else (other.task(draw), "lse_none")
    verb = draw.choice(("complete", "fail", "heartbeat", "release", "cancel", "requeue", "claim"))
    choices = (
        _get("pry_read", f"/v1/tasks/{other.task(draw)}"),
        _get("pry_explain", f"/v1/tasks/{other.task(draw)}/explain"),
        _get("pry_list", f"/v1/tasks?type=report-{other.canary}"),
        _post("pry_verb", f"/v1/tasks/{task}/{verb}", {"lease_token": token}),
        _post("pry_claim", "/v1/tasks/claim", {"type": f"report-{other.canary}"}),
    )
    return draw.choice(choices)


def _borrow(one: Tenant, other: Tenant, draw: Random) -> Sent:
    """Create under an idempotency key that another account used."""
    key = draw.choice(other.keys) if other.keys else "none"
    return _post("pry_key", "/v1/tasks", one.draft(draw), {"Idempotency-Key": key})


def _get(name: str, path: str) -> Sent:
    return Sent(name=name, method="GET", path=path)


def _post(name: str, path: str, body: Json, headers: Mapping[str, str] | None = None) -> Sent:
    return Sent(name=name, method="POST", path=path, body=body, headers=headers or {})


def _result(mark: str) -> Json:
    return {"result": {"message": mark, mark: [mark]}, "output_id": f"out {mark}"}


def _reason(mark: str) -> Json:
    return {"reason": f"no paper, said {mark}"}


def _nothing(_: str) -> Json:
    return {}


_MIX: Sequence[tuple[int, Way]] = (
    (16, _create),
    (2, _create_many),
    (18, _claim),
    (3, _claim_by_id),
    (12, _end("complete_task", "complete", _result)),
    (6, _end("fail_task", "fail", _reason)),
    (5, _end("heartbeat", "heartbeat", _nothing)),
    (3, _end("release_task", "release", _reason)),
    (2, _end_many("complete_tasks", "complete", _result)),
    (1, _end_many("fail_tasks", "fail", _reason)),
    (1, _end_many("heartbeat_tasks", "heartbeat", _nothing)),
    (2, _verb("cancel_task", "cancel")),
    (2, _verb("requeue_task", "requeue")),
    (5, _read("check_task_status", "/v1/tasks/{id}")),
    (1, _read("explain_task", "/v1/tasks/{id}/explain")),
    (1, _read("get_stats", "/v1/stats")),
    (1, _read("check_billing_status", "/v1/billing/status")),
    (4, _list),
    (2, _wait),
    (1, _verify),
    (1, _checkout),
    (9, _pry),
    (2, _borrow),
)
WEIGHTS: Final = [weight for weight, _ in _MIX]
WAYS: Final = [way for _, way in _MIX]
