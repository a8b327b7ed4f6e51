"""The operations of whoever has tasks done: create, withdraw, put back. No rules."""

from orchestrion.api import commanding
from orchestrion.api.decoding import decode
from orchestrion.api.http import Request, Response
from orchestrion.api.respond import Responder
from orchestrion.core.bodies import CancelBody, CreateBody, NoBody
from orchestrion.core.commands import CancelTask, RequestCancel, RequeueTask
from orchestrion.core.ids import TaskId
from orchestrion.engine.mint import Mint
from orchestrion.engine.writer import Writer


class TaskHandlers:
    """Handlers for the tasks of an account."""

    def __init__(self, writer: Writer, responder: Responder, mint: Mint) -> None:
        self._writer = writer
        self._responder = responder
        self._mint = mint

    async def create_task(self, request: Request) -> Response:
        """POST /v1/tasks."""
        command = commanding.create(self._mint, request, *decode(request.body, CreateBody))
        return self._responder.outcome(await self._writer.submit(command), request)

    async def cancel_task(self, request: Request) -> Response:
        """POST /v1/tasks/{id}/cancel."""
        body, _ = decode(request.body, CancelBody)
        kind = RequestCancel if body.force else CancelTask
        command = kind(account_id=request.account_id, task_id=TaskId(request.path_id))
        return self._responder.outcome(await self._writer.submit(command), request)

    async def requeue_task(self, request: Request) -> Response:
        """POST /v1/tasks/{id}/requeue."""
        decode(request.body, NoBody)
        command = RequeueTask(account_id=request.account_id, task_id=TaskId(request.path_id))
        return self._responder.outcome(await self._writer.submit(command), request)
