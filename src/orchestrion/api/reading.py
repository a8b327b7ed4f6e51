"""The operations that read tasks: what is asked for is read, shaped and answered. No rules."""

from contextlib import nullcontext

from msgspec.structs import replace

from orchestrion.api.awaiting import Awaiting, read_wait
from orchestrion.api.http import Header, Request, Response
from orchestrion.api.query import next_page_endpoint, page_query
from orchestrion.api.respond import HEADERS, Responder, encode
from orchestrion.api.shaping import read_shape, shaped, shaped_contract
from orchestrion.core.bodies import ListAnswer, PageInfo
from orchestrion.core.contract import listed
from orchestrion.core.errors import ErrorCode
from orchestrion.core.ids import TaskId
from orchestrion.core.listing import cursor_after
from orchestrion.core.outcomes import Rejection
from orchestrion.core.watching import Goal
from orchestrion.engine.ports import Reader
from orchestrion.engine.turns import Turns


class ReadingHandlers:
    """Handlers that show tasks of an account."""

    def __init__(
        self, reader: Reader, turns: Turns[Reader], responder: Responder, awaiting: Awaiting
    ) -> None:
        self._reader = reader
        self._turns = turns
        self._responder = responder
        self._awaiting = awaiting

    async def check_task_status(self, request: Request) -> Response:
        """GET /v1/tasks/{id}, at once or once there is something to see."""
        shape = read_shape(request.query)
        seconds, until = read_wait(request.query)
        if seconds:
            goal = Goal(ids=(TaskId(request.path_id),), until=until)
            refused = await self._awaiting.until(goal, seconds, request)
            if isinstance(refused, Rejection):
                return self._responder.refused(refused, request)
        # All that waited for one task come back at once.
        async with self._turns if seconds else nullcontext(self._reader) as reader:
            found = await reader.task(request.account_id, TaskId(request.path_id))
        if not found.tasks:
            return self._responder.refused(Rejection(code=ErrorCode.TASK_NOT_FOUND), request)
        task = found.tasks[0]
        guidance = self._responder.guide.viewing(task, found.now)
        return Response(status=200, body=encode(shaped(task, guidance, shape)), headers=HEADERS)

    async def list_tasks(self, request: Request) -> Response:
        """GET /v1/tasks."""
        shape = read_shape(request.query)
        page = page_query(request.account_id, request.query)
        # One row more than asked for tells whether there is a next page.
        found = await self._reader.page(replace(page, limit=page.limit + 1))
        shown = found.tasks[: page.limit]
        cursor = cursor_after(page, shown[-1]) if len(found.tasks) > page.limit else None
        endpoint = None if cursor is None else next_page_endpoint(page, cursor, shape)
        viewing = self._responder.guide.viewing
        answer = ListAnswer(
            items=[shaped(task, viewing(task, found.now), shape) for task in shown],
            page_info=PageInfo(next_cursor=cursor, has_more=cursor is not None),
            agent_contract=shaped_contract(listed(endpoint), shape),
        )
        headers: tuple[Header, ...] = (*HEADERS,)
        if endpoint is not None:
            headers += ((b"link", f'<{endpoint}>; rel="next"'.encode()),)
        return Response(status=200, body=encode(answer), headers=headers)
