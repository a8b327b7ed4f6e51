"""Puts what a server recommends to do next into the command to type."""

import re
import shlex
from collections.abc import Mapping, Sequence
from math import ceil
from types import MappingProxyType

import msgspec

from orchestrion.client.contract import Action

PROGRAM = "orchestrion"
KEY_START = "orch_live_"

_TASK_PATH = re.compile(r"/v1/tasks/(tsk_[0-9A-Za-z]+)(?:/|$)", re.ASCII)
_VERBS: Mapping[str, str] = MappingProxyType(
    {
        "complete_task": "complete",
        "fail_task": "fail",
        "heartbeat": "heartbeat",
        "check_task_status": "get",
        "requeue_task": "requeue",
    }
)
_HOLDING = frozenset({"complete", "fail", "heartbeat"})
# A type for one who has none yet.
FIRST_TYPE = "hello"


class Typed(msgspec.Struct, frozen=True, kw_only=True):
    """What was typed, and what is known beside it, so that the next command is complete.

    `path` is the command without its arguments, `reach` the flags that lead to the server.
    """

    path: str = PROGRAM
    words: Sequence[str] = ()
    reach: Sequence[str] = ()
    task_type: str | None = None
    token: str | None = None
    purchase_id: str | None = None


def next_step(action: Action, typed: Typed) -> str | None:
    """Give the command for an action, with the seconds to wait before it; None if there is none."""
    command = _command(action, typed)
    if command is None:
        return None
    if action.retry_after_seconds:
        return f"in {ceil(action.retry_after_seconds)} s: {command}"
    return command


def again(typed: Typed, *more: str, without: str | None = None) -> str:
    """Give what was typed, with more words or without one, and never with the key."""
    kept: list[str] = []
    for word in typed.words:
        if word.removeprefix("--api-key=").removeprefix("--key=").startswith(KEY_START):
            if not word.startswith("--"):
                kept.pop()
        elif word != without:
            kept.append(word)
    return shlex.join([PROGRAM, *kept, *more])


def command(words: Sequence[str], typed: Typed) -> str:
    """Give a command at the same server."""
    return shlex.join([PROGRAM, *words, *typed.reach])


def _command(action: Action, typed: Typed) -> str | None:
    found = _TASK_PATH.match(action.endpoint)
    words = _of_task(action, found[1], typed) if found else _of_server(action, typed)
    if words is not None:
        return command(words, typed)
    match action.action:
        case "retry_after_wait":
            return again(typed)
        case "fix_request":
            return f"{typed.path} --help"
        case "download_artifact":
            return shlex.join(["curl", "-fLO", action.endpoint])
        case _:
            return None


def _of_task(action: Action, task_id: str, typed: Typed) -> list[str] | None:
    verb = _VERBS.get(action.action)
    if action.endpoint.endswith("/claim"):
        return ["tasks", "claim", "--id", task_id]
    if verb is None:
        return None
    token = ["--token", typed.token] if typed.token and verb in _HOLDING else []
    return ["tasks", verb, task_id, *token]


def _of_server(action: Action, typed: Typed) -> list[str] | None:
    task_type = typed.task_type or FIRST_TYPE
    match action.action:
        case "create_task":
            # The payload of one task is not that of the next.
            return ["tasks", "create", task_type, "@payload.json" if typed.task_type else "{}"]
        case "claim_task":
            return ["tasks", "claim", task_type]
        case "list_tasks":
            return ["tasks", "list"]
        case "authenticate":
            return ["keys", "register"]
        case "check_billing_status":
            return ["plan", "show"]
        case "upgrade_plan" | "renew_plan" | "retry_checkout":
            return ["plan", "list"]
        case "verify_payment" if typed.purchase_id:
            return ["plan", "verify", typed.purchase_id]
        case _:
            return None
