"""Tasks in every state a history can leave them in, and the questions one can put to them."""

import itertools
from collections.abc import Awaitable, Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from orchestrion.core.limits import RELEASES_MAX
from tests.http.callers import Caller, Json, Response, ok

LEASE_SECONDS: Final = 60
STRANGE_TOKEN: Final = "lse_" + "0" * 34
_NUMBERS: Final = itertools.count(1)


class Situation(msgspec.Struct, frozen=True, kw_only=True):
    """A task, its type (which no other task has), and the token of its last lease."""

    caller: Caller
    task_id: str
    type: str
    token: str = ""


Build = Callable[[Caller], Awaitable[Situation]]
Ask = Callable[[Situation], Awaitable[Response]]


async def pending(caller: Caller, **fields: object) -> Situation:
    name = f"type-{next(_NUMBERS)}"
    task = await caller.task(type=name, leaseDurationSeconds=LEASE_SECONDS, **fields)
    return Situation(caller=caller, task_id=task["id"], type=name)


async def scheduled(caller: Caller) -> Situation:
    resting = await claimed(caller)
    await _end(resting, "fail", retry_after_seconds=90)
    return resting


async def claimed(caller: Caller, attempts: int = 3) -> Situation:
    return await _claim(await pending(caller, maxAttempts=attempts))


async def claimed_last(caller: Caller) -> Situation:
    return await claimed(caller, attempts=1)


async def overdue(caller: Caller) -> Situation:
    return _late(await claimed(caller))


async def overdue_last(caller: Caller) -> Situation:
    return _late(await claimed_last(caller))


async def taken_over(caller: Caller) -> Situation:
    """Held by another worker; the token is the lost one."""
    lost = await overdue(caller)
    await _claim(lost)
    return lost


async def swept(caller: Caller) -> Situation:
    late = await overdue(caller)
    await caller.service.run_job("expire_leases")
    return late


async def failed(caller: Caller) -> Situation:
    held = await claimed(caller)
    await _end(held, "fail")
    return held


async def completed(caller: Caller, **fields: object) -> Situation:
    held = await claimed(caller)
    await _end(held, "complete", **fields)
    return held


async def completed_with_artifact(caller: Caller) -> Situation:
    return await completed(caller, output_id="out_1")


async def dead(caller: Caller) -> Situation:
    held = await claimed_last(caller)
    await _end(held, "fail")
    return held


async def dead_by_sweep(caller: Caller) -> Situation:
    late = await overdue_last(caller)
    await caller.service.run_job("expire_leases")
    return late


async def cancelled(caller: Caller) -> Situation:
    waiting = await pending(caller)
    await _end(waiting, "cancel")
    return waiting


async def asked_back(caller: Caller) -> Situation:
    """Still held; its worker is asked to give it back."""
    held = await claimed(caller)
    await _end(held, "cancel", force=True)
    return held


async def asked_back_last(caller: Caller) -> Situation:
    held = await claimed_last(caller)
    await _end(held, "cancel", force=True)
    return held


async def asked_back_overdue(caller: Caller) -> Situation:
    return _late(await asked_back(caller))


async def asked_back_failed(caller: Caller) -> Situation:
    held = await asked_back(caller)
    await _end(held, "fail", lease_token=held.token)
    return held


async def asked_back_completed(caller: Caller) -> Situation:
    held = await asked_back(caller)
    await _end(held, "complete", lease_token=held.token)
    return held


async def released(caller: Caller) -> Situation:
    held = await claimed_last(caller)
    await _end(held, "release", lease_token=held.token)
    return held


async def released_for_later(caller: Caller) -> Situation:
    held = await claimed(caller)
    await _end(held, "release", lease_token=held.token, retry_after_seconds=90)
    return held


async def released_too_often(caller: Caller) -> Situation:
    held = await claimed_last(caller)
    for _ in range(RELEASES_MAX):
        await _end(held, "release", lease_token=held.token)
        held = await _claim(held)
    await _end(held, "release", lease_token=held.token)
    return held


async def requeued(caller: Caller) -> Situation:
    lost = await dead(caller)
    await _end(lost, "requeue")
    return lost


BUILDS: Mapping[str, Build] = MappingProxyType(
    {
        build.__name__: build
        for build in (
            pending,
            scheduled,
            claimed,
            claimed_last,
            overdue,
            overdue_last,
            taken_over,
            swept,
            failed,
            completed,
            completed_with_artifact,
            dead,
            dead_by_sweep,
            cancelled,
            asked_back,
            asked_back_last,
            asked_back_overdue,
            asked_back_failed,
            asked_back_completed,
            released,
            released_for_later,
            released_too_often,
            requeued,
        )
    }
)


async def _claim(waiting: Situation) -> Situation:
    claim = ok(await waiting.caller.do("claim", waiting.task_id))
    return msgspec.structs.replace(waiting, token=claim["lease_token"])


async def _end(situation: Situation, verb: str, **fields: object) -> None:
    ok(await situation.caller.do(verb, situation.task_id, **fields))


def _late(held: Situation) -> Situation:
    held.caller.service.clock.advance(LEASE_SECONDS)
    return held


def questions() -> Mapping[str, Ask]:
    """Every request about a task, each verb with every kind of token."""
    return MappingProxyType(dict(_questions()))


def _questions() -> Iterator[tuple[str, Ask]]:
    yield "show", lambda one: one.caller.show(one.task_id)
    yield "show in short", lambda one: one.caller.read(f"/v1/tasks/{one.task_id}?view=compact")
    yield "explain", lambda one: one.caller.read(f"/v1/tasks/{one.task_id}/explain")
    yield "wait", lambda one: one.caller.send("POST", "/v1/tasks/wait", _waiting_for(one))
    yield "list", lambda one: one.caller.read(f"/v1/tasks?type={one.type}")
    yield "claim_next", lambda one: one.caller.claim_next(one.type)
    for verb in ("claim", "cancel", "requeue"):
        yield verb, _asking(verb)
    yield "cancel by force", _asking("cancel", force=True)
    yield "release with its token", _asking_with_token("release")
    yield "release with a strange token", _asking("release", lease_token=STRANGE_TOKEN)
    for verb in ("complete", "fail", "heartbeat"):
        yield verb, _asking(verb)
        yield f"{verb} with its token", _asking_with_token(verb)
        yield f"{verb} with a strange token", _asking(verb, lease_token=STRANGE_TOKEN)


def _waiting_for(situation: Situation) -> Json:
    return {"ids": [situation.task_id], "wait_seconds": 0}


def _asking(verb: str, **fields: object) -> Ask:
    return lambda one: one.caller.do(verb, one.task_id, **fields)


def _asking_with_token(verb: str) -> Ask:
    return lambda one: one.caller.do(verb, one.task_id, lease_token=one.token or STRANGE_TOKEN)


def contracts(answer: Json) -> list[Json]:
    """Give every guidance in an answer: its own, and those of the items of a list."""
    return [one["agent_contract"] for one in (answer, *answer.get("items", ()))]


def fitting_body(endpoint: str, situation: Situation) -> Json | None:
    """Write what an action's request needs beside its address."""
    if endpoint == "/v1/tasks":
        return {"type": situation.type, "payload": {}}
    if endpoint == "/v1/tasks/claim":
        return {"type": situation.type}
    if endpoint == "/v1/tasks/wait":
        return _waiting_for(situation)
    return None
