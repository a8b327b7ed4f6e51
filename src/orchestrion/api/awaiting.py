"""The operations that wait for tasks: until they have ended or changed, or time is up."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from orchestrion.api.decoding import decode
from orchestrion.api.http import Request, Response
from orchestrion.api.key_watch import KeyWatch
from orchestrion.api.respond import HEADERS, Responder, encode
from orchestrion.api.shaping import compact
from orchestrion.core.bodies import WaitBody
from orchestrion.core.clock import Clock
from orchestrion.core.contract import AgentContract, awaited
from orchestrion.core.ids import TaskId
from orchestrion.core.limits import (
    EMPTY_CLAIM_WAIT_SECONDS,
    WAIT_SECONDS_MAX,
    WAITED_CLAIM_WAIT_SECONDS,
)
from orchestrion.core.outcomes import Rejection
from orchestrion.core.plans import Catalogue, waiters_per_account
from orchestrion.core.shape import CompactTask
from orchestrion.core.strict_json import Malformed
from orchestrion.core.watching import Goal, Seen, Until
from orchestrion.engine.ports import Reader
from orchestrion.engine.room import Patience
from orchestrion.engine.turns import Turns
from orchestrion.engine.watches import Watches

_SECONDS: Final = re.compile(r"[0-9]{1,2}", re.ASCII)
_UNTILS: Final = {until.value: until for until in Until}
_WRONG_SECONDS: Final = f"'wait_seconds' must be an integer from 0 to {WAIT_SECONDS_MAX}."
_WRONG_UNTIL: Final = f"'until' must be one of {', '.join(_UNTILS)}."


class WaitAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What has come of the tasks, and what has not."""

    items: Sequence[CompactTask]
    remaining: Sequence[TaskId]
    not_found: Sequence[TaskId] = ()
    timed_out: bool
    agent_contract: AgentContract


class Awaiting:
    """Lets requests wait for tasks."""

    def __init__(
        self, watches: Watches, catalogue: Catalogue, clock: Clock, key_watch: KeyWatch
    ) -> None:
        self._watches = watches
        self._key_watch = key_watch
        self._catalogue = catalogue
        self._clock = clock

    async def until(self, goal: Goal, seconds: int, request: Request) -> Seen | Rejection:
        """Wait so long; refused where too many wait and there is something to wait for."""
        principal = request.principal
        assert principal is not None, "a keyed operation"
        plan_id = self._catalogue.plan_id_at(
            principal.plan, principal.plan_expires_at, self._clock.now()
        )
        waiters_max = waiters_per_account(self._catalogue.plans[plan_id])
        patience = Patience(seconds=seconds, waiters_max=waiters_max)
        wait = self._watches.wait(principal.account_id, goal, patience)
        try:
            return await (self._key_watch.guard(request, wait) if seconds else wait)
        finally:
            request.waited_seconds += patience.waited


class AwaitingHandlers:
    """Handlers for waiting for tasks."""

    def __init__(self, awaiting: Awaiting, turns: Turns[Reader], responder: Responder) -> None:
        self._awaiting = awaiting
        self._turns = turns
        self._responder = responder

    async def wait_for_tasks(self, request: Request) -> Response:
        """POST /v1/tasks/wait."""
        body, _ = decode(request.body, WaitBody)
        ids = tuple(TaskId(one) for one in dict.fromkeys(body.ids))
        goal = Goal(ids=ids, mode=body.mode, until=body.until)
        seen = await self._awaiting.until(goal, body.wait_seconds, request)
        if isinstance(seen, Rejection):
            return self._responder.refused(seen, request)
        pause = WAITED_CLAIM_WAIT_SECONDS if body.wait_seconds else EMPTY_CLAIM_WAIT_SECONDS
        answer = WaitAnswer(
            items=await self._items(seen, request),
            remaining=seen.remaining,
            not_found=seen.missing or (),
            timed_out=seen.timed_out,
            agent_contract=awaited(seen, pause),
        )
        return Response(status=200, body=encode(answer), headers=HEADERS)

    async def _items(self, seen: Seen, request: Request) -> Sequence[CompactTask]:
        if not seen.met:
            return []
        async with self._turns as reader:
            found = await reader.tasks(request.account_id, seen.met)
        tasks = {task.id: task for task in found.tasks}
        viewing = self._responder.guide.viewing
        return [
            compact(task, viewing(task, found.now))
            for task_id in seen.met
            if (task := tasks.get(task_id)) is not None
        ]


def read_wait(query: Mapping[str, str]) -> tuple[int, Until]:
    """Read `wait_seconds` and `until`. Raises Malformed."""
    text = query.get("wait_seconds", "0")
    if not (_SECONDS.fullmatch(text) and int(text) <= WAIT_SECONDS_MAX):
        raise Malformed(_WRONG_SECONDS)
    until = _UNTILS.get(query.get("until", Until.TERMINAL))
    if until is None:
        raise Malformed(_WRONG_UNTIL)
    return int(text), until
