"""One account's walk over every operation of a keyed caller, with one text in every free field."""

from collections.abc import Awaitable, Callable, Generator
from typing import Any, Final
from urllib.parse import quote

from tests.security.wire import Sent

Json = dict[str, Any]
# Requests go out of it, and each is sent back its answer.
Walk = Generator[Sent, Json, None]
# What a walk leaves out, for one reason each.
LEFT_OUT: Final = {
    "receive_payment_event": "PayPal's, not a caller's",
    "check_liveness": "takes nothing",
    "check_readiness": "takes nothing",
    "check_health": "takes nothing",
    "list_plans": "takes nothing",
    "read_approved_page": "takes nothing",
    "read_cancelled_page": "takes nothing",
    "get_agent_manifest": "takes nothing",
    "get_capabilities": "takes nothing",
    "get_tool_manifest": "takes nothing",
    "get_schema": "takes nothing",
    "read_llms_txt": "takes nothing",
    "read_agents_guide": "takes nothing",
    "read_contract_guide": "takes nothing",
}


def walk(text: str, type_name: str) -> Walk:
    """Meet every state and as many refusals as there are."""
    yield _post("register_key", "/v1/keys/register", {"email": f"{_word(text)}@example.com"})
    yield from _finish(text, type_name)
    yield from _give_back(text, type_name)
    yield from _in_batches(text, type_name)
    yield from _look(text, type_name)
    yield from _fail_to_ask(text)


def _finish(text: str, type_name: str) -> Walk:
    one = yield _create(text, type_name, idempotencyKey=_ascii(text))
    yield _create(text, type_name, idempotencyKey=_ascii(text))
    yield _create(text, type_name, idempotencyKey=_ascii(text), priority=7)
    claim = yield _claim(text, type_name)
    lease = {"lease_token": claim["lease_token"]}
    path = f"/v1/tasks/{one['id']}"
    yield _post("heartbeat", f"{path}/heartbeat", lease)
    yield _post("heartbeat", f"{path}/heartbeat", {"lease_token": text[:100]})
    yield _post("cancel_task", f"{path}/cancel", {})
    yield _post("cancel_task", f"{path}/cancel", {"force": True})
    yield _post("heartbeat", f"{path}/heartbeat", lease)
    done = {"result": {text: [text, {"message": text}]}, "output_id": text[:200], **lease}
    following = {"type": type_name, "worker_id": text[:200]}
    yield _post("complete_task", f"{path}/complete", {**done, "claim_next": following})
    for verb in ("complete", "fail", "heartbeat", "cancel", "requeue", "claim"):
        yield _post(f"{verb}_task", f"{path}/{verb}", {})
    yield _get("check_task_status", path)


def _give_back(text: str, type_name: str) -> Walk:
    one = yield _create(text, type_name, maxAttempts=1)
    path = f"/v1/tasks/{one['id']}"
    claim = yield _post("claim_task", f"{path}/claim", {"worker_id": text[:200]})
    lease = {"lease_token": claim["lease_token"]}
    yield _post("release_task", f"{path}/release", {**lease, "reason": text})
    claim = yield _post("claim_task", f"{path}/claim", {"worker_id": text[:200]})
    lease = {"lease_token": claim["lease_token"]}
    yield _post("fail_task", f"{path}/fail", {**lease, "reason": text})
    for verb in ("complete", "fail", "claim"):
        yield _post(f"{verb}_task", f"{path}/{verb}", {"reason": text})
    yield _get("check_task_status", path)
    yield _post("requeue_task", f"{path}/requeue", {})
    yield _get("explain_task", f"{path}/explain")
    yield _post("cancel_task", f"{path}/cancel", {})


def _in_batches(text: str, type_name: str) -> Walk:
    draft = {"type": type_name, "payload": {text: text}}
    items = [draft, {**draft, "idempotencyKey": f"{_ascii(text)} 2"}, {**draft, "priority": text}]
    made = yield _post("create_tasks", "/v1/tasks/batch", {"items": items[:2]})
    yield _post("create_tasks", "/v1/tasks/batch", {"items": items})
    ids = [item["body"]["id"] for item in made["items"]]
    tokens = []
    for task in ids:
        body = {"worker_id": text[:200]}
        claim = yield _post("claim_task", f"/v1/tasks/{task}/claim", body)
        tokens.append(claim["lease_token"])
    held = [{"id": one, "lease_token": token} for one, token in zip(ids, tokens, strict=True)]
    strange = {"id": text[:100], "lease_token": text[:100]}
    yield _post("heartbeat_tasks", "/v1/tasks/heartbeat", {"items": [*held, strange]})
    done = [{**held[0], "result": {"message": text}, "output_id": text[:200]}, strange]
    yield _post("complete_tasks", "/v1/tasks/complete", {"items": done})
    failed = [{**held[1], "reason": text}, {**strange, "reason": text}]
    yield _post("fail_tasks", "/v1/tasks/fail", {"items": failed})


def _look(text: str, type_name: str) -> Walk:
    yield _create(text, type_name, scheduledAt="2027-01-17T08:00:00Z")
    asked = quote(text, safe="")
    yield _get("list_tasks", f"/v1/tasks?type={type_name}&limit=1")
    yield _get("list_tasks", f"/v1/tasks?claimed_by={asked}&limit=100")
    yield _get("list_tasks", "/v1/tasks?view=compact&limit=100")
    for name in ("cursor", "status", "type", "view", "fields", "limit", "strange"):
        yield _get("list_tasks", f"/v1/tasks?{name}={asked}")
    yield _get("get_stats", "/v1/stats")
    yield _get("check_billing_status", "/v1/billing/status")
    body = {"ids": [text[:100]], "wait_seconds": 0}
    yield _post("wait_for_tasks", "/v1/tasks/wait", body)
    yield _claim(text, f"other-{type_name}"[:100])
    several = {"types": [type_name], "max_tasks": 3, "worker_id": text[:200]}
    yield _post("claim_next_task", "/v1/tasks/claim", several)


def _fail_to_ask(text: str) -> Walk:
    asked = quote(text, safe="")
    yield _get("check_task_status", f"/v1/tasks/{asked}")
    yield _get("explain_task", f"/v1/tasks/{asked}/explain")
    yield _post("complete_task", f"/v1/tasks/{asked}/complete", {})
    yield _get("unknown", f"/v1/{asked}")
    yield _get("unknown", f"/{asked}")
    for field in ("type", "payload", "priority", "scheduledAt", "idempotencyKey", _word(text)):
        yield _create(text, "report", **{field: f"{text[:90]}\n"})
    yield _post("start_checkout", "/v1/billing/checkout", {"planId": text})
    yield _post("verify_payment", "/v1/billing/verify", {"purchaseId": text})
    yield _post("claim_next_task", "/v1/tasks/claim", {"types": [text[:90]]})
    yield _post("claim_next_task", "/v1/tasks/claim", {"type": "report", "worker_id": text * 20})
    yield _post("wait_for_tasks", "/v1/tasks/wait", {"ids": [], "mode": text})
    headers = {"X-Request-Id": _ascii(text), "traceparent": _ascii(text)}
    yield Sent(name="list_tasks", method="GET", path="/v1/tasks", headers=headers)


def through(steps: Walk, ask: Callable[[Sent], Json]) -> list[str]:
    """Send everything; gives the names of the operations."""
    names: list[str] = []
    try:
        sent = next(steps)
        while True:
            names.append(sent.name)
            sent = steps.send(ask(sent))
    except StopIteration:
        return names


async def through_awaited(steps: Walk, ask: Callable[[Sent], Awaitable[Json]]) -> None:
    """Send everything, waiting for each answer."""
    try:
        sent = next(steps)
        while True:
            sent = steps.send(await ask(sent))
    except StopIteration:
        return


def _create(text: str, type_name: str, **fields: object) -> Sent:
    payload = {text: [text, {"agent_contract": {"description": text, "message": text}}]}
    return _post("create_task", "/v1/tasks", {"type": type_name, "payload": payload, **fields})


def _claim(text: str, type_name: str) -> Sent:
    body = {"type": type_name, "worker_id": text[:200]}
    return _post("claim_next_task", "/v1/tasks/claim", body)


def _get(name: str, path: str) -> Sent:
    return Sent(name=name, method="GET", path=path)


def _post(name: str, path: str, body: Json) -> Sent:
    return Sent(name=name, method="POST", path=path, body=body)


def _ascii(text: str) -> str:
    """Leave what a header may hold."""
    return "".join(one if " " <= one <= "~" else "_" for one in text)[:200].strip()


def _word(text: str) -> str:
    """Leave what an address for mail may hold before its sign."""
    return "".join(one for one in _ascii(text) if one not in "@ ")[:100]
