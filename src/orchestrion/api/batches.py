"""The operations on many tasks at once: each item is answered as a request of its own would be."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import msgspec
from msgspec import UNSET

from orchestrion.api import commanding
from orchestrion.api.http import Request, Response
from orchestrion.api.limits import Limiter
from orchestrion.api.respond import HEADERS, Responder, attempt_of, encode
from orchestrion.api.unpacking import unpack
from orchestrion.core import batch_bodies as bodies
from orchestrion.core import batch_guidance
from orchestrion.core.batch_bodies import ItemAnswer, ItemsAnswer
from orchestrion.core.bodies import CreateBody
from orchestrion.core.commands import CompleteTask, CreateTask, FailTask, Heartbeat, Together
from orchestrion.core.contract import AgentContract
from orchestrion.core.errors import ErrorCode
from orchestrion.core.operations import BY_NAME, Operation
from orchestrion.core.outcomes import Outcome, Rejection, Replayed, Several
from orchestrion.core.strict_json import JsonObject, Malformed
from orchestrion.engine.mint import Mint
from orchestrion.engine.writer import Writer

Part = CreateTask | CompleteTask | FailTask | Heartbeat
Read = tuple[msgspec.Struct, JsonObject] | Malformed

# Of the headers of the whole an item has these: an idempotency key would be every item's.
_OF_ITEMS: Final = (b"traceparent",)


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """What tells one operation from the others."""

    single: Operation
    body: type[msgspec.Struct]
    item: type[msgspec.Struct]
    command: Callable[[Request, Any, JsonObject], Part]
    after: batch_guidance.Advice


class Item:
    """One item on its way: a request of its own, then a command, then what that came to."""

    __slots__ = ("command", "outcome", "request")

    def __init__(self, request: Request) -> None:
        self.request = request
        self.command: Part | None = None
        self.outcome: Outcome | None = None


class BatchHandlers:
    """Handlers for many tasks at once."""

    def __init__(self, writer: Writer, responder: Responder, mint: Mint, limiter: Limiter) -> None:
        self._writer = writer
        self._responder = responder
        self._limiter = limiter
        self._kinds = _kinds(mint)

    async def create_tasks(self, request: Request) -> Response:
        """POST /v1/tasks/batch."""
        return await self._answer(request)

    async def complete_tasks(self, request: Request) -> Response:
        """POST /v1/tasks/complete."""
        return await self._answer(request)

    async def fail_tasks(self, request: Request) -> Response:
        """POST /v1/tasks/fail."""
        return await self._answer(request)

    async def heartbeat_tasks(self, request: Request) -> Response:
        """POST /v1/tasks/heartbeat."""
        return await self._answer(request)

    async def _answer(self, request: Request) -> Response:
        kind = self._kinds[request.operation.name]
        items = await self._items(request, kind)
        self._hold_back(items)
        refused = await self._commit(request, [item for item in items if item.command])
        if refused:
            return self._responder.refused(refused, request)
        for item in items:
            request.window = getattr(item.outcome, "window", None) or request.window
        body = write_items(self._responder, items, kind.after)
        return Response(status=request.operation.status, body=body, headers=HEADERS)

    async def _items(self, request: Request, kind: Kind) -> list[Item]:
        headers = {name: request.headers[name] for name in _OF_ITEMS if name in request.headers}
        items: list[Item] = []
        async for read in unpack(request.body, kind.body, kind.item):
            item = Item(_request_of(request, headers, kind, read))
            # The first was counted on its way in.
            item.outcome = self._counted(request) if items else None
            if item.outcome is None:
                self._parse(item, kind, read)
            items.append(item)
        return items

    def _counted(self, request: Request) -> Rejection | None:
        assert request.principal is not None, "a keyed operation"
        found = self._limiter.admit_key(request.operation.allowance, request.principal)
        if isinstance(found, Rejection):
            request.window = found.window
            return found
        request.window = found
        return None

    def _parse(self, item: Item, kind: Kind, read: Read) -> None:
        try:
            if isinstance(read, Malformed):
                raise read
            command = kind.command(item.request, *read)
        except Malformed as error:
            item.outcome = Rejection(
                code=ErrorCode.INVALID_REQUEST, message=str(error), status=error.status
            )
            return
        item.command = command

    def _hold_back(self, items: Sequence[Item]) -> None:
        """Leave out those whose key is being committed; the rest must follow without a pause."""
        for item in items:
            refused = item.command and self._writer.in_flight(item.command)
            if refused:
                item.command, item.outcome = None, refused

    async def _commit(self, request: Request, items: Sequence[Item]) -> Rejection | None:
        """Have the commands decided together; a refusal concerns all of them."""
        commands = tuple(item.command for item in items if item.command is not None)
        if not commands:
            return None
        request.repeatable = all(item.request.repeatable for item in items)
        outcome = await self._writer.submit(
            Together(account_id=request.account_id, commands=commands)
        )
        if isinstance(outcome, Rejection):
            return outcome
        assert isinstance(outcome, Several), "what Together comes to"
        for item, found in zip(items, outcome.outcomes, strict=True):
            item.outcome = found
        return None


def write_items(responder: Responder, items: Sequence[Item], after: batch_guidance.Advice) -> bytes:
    """Write what the items came to, with the advice that follows from all of them."""
    refused: AgentContract | None = None
    answers: list[ItemAnswer] = []
    for item in items:
        outcome = item.outcome
        assert outcome is not None, "every item came to something"
        if refused is None and isinstance(outcome, Rejection):
            refused = responder.guide.refused(outcome, attempt_of(item.request))
        status, body = responder.answer(outcome, item.request)
        answers.append(
            ItemAnswer(
                status=status,
                body=body,
                replayed=True if isinstance(outcome, Replayed) else UNSET,
            )
        )
    guidance = batch_guidance.guide(after, [item.outcome for item in items], refused)
    return encode(ItemsAnswer(items=answers, agent_contract=guidance))


def _request_of(
    request: Request, headers: Mapping[bytes, bytes], kind: Kind, read: Read
) -> Request:
    named = "" if isinstance(read, Malformed) else getattr(read[0], "id", "")
    return Request(
        operation=kind.single,
        request_id=request.request_id,
        headers=headers,
        path_id=named,
        principal=request.principal,
    )


def _kinds(mint: Mint) -> Mapping[str, Kind]:
    return {
        "create_tasks": Kind(
            single=BY_NAME["create_task"],
            body=bodies.CreateTasksBody,
            item=CreateBody,
            command=partial(commanding.create, mint),
            after=batch_guidance.CREATED,
        ),
        "complete_tasks": Kind(
            single=BY_NAME["complete_task"],
            body=bodies.CompleteTasksBody,
            item=bodies.CompleteItem,
            command=commanding.complete,
            after=batch_guidance.COMPLETED,
        ),
        "fail_tasks": Kind(
            single=BY_NAME["fail_task"],
            body=bodies.FailTasksBody,
            item=bodies.FailItem,
            command=commanding.fail,
            after=batch_guidance.FAILED,
        ),
        "heartbeat_tasks": Kind(
            single=BY_NAME["heartbeat"],
            body=bodies.HeartbeatTasksBody,
            item=bodies.HeartbeatItem,
            command=commanding.heartbeat,
            after=batch_guidance.RENEWED,
        ),
    }
