"""GET /v1/tasks/{id}/explain: whether a task can be claimed, and if not, why not."""

from collections.abc import Sequence

import msgspec
from msgspec import UNSET, UnsetType

from orchestrion.api.http import Request, Response
from orchestrion.api.respond import HEADERS, Responder, encode
from orchestrion.core import explaining, quota
from orchestrion.core.contract import AgentContract
from orchestrion.core.errors import ErrorCode
from orchestrion.core.explaining import Blocked, Place
from orchestrion.core.ids import AccountId, TaskId
from orchestrion.core.instants import Instant, format_instant
from orchestrion.core.limits import COUNTED_MAX
from orchestrion.core.outcomes import Rejection
from orchestrion.core.plans import Catalogue
from orchestrion.core.task import Task
from orchestrion.engine.asked import Asked
from orchestrion.engine.ports import Reader


class BlockAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One reason why the task cannot be claimed."""

    reason: str
    since: str | UnsetType = UNSET
    clears_at: str | UnsetType = UNSET


class Explanation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What keeps a task waiting; absent fields do not apply."""

    task_id: str
    type: str
    status: str
    claimable: bool
    blocked_by: Sequence[BlockAnswer]
    place_in_line: Place | UnsetType = UNSET
    last_asked_at: str | UnsetType = UNSET
    agent_contract: AgentContract


class ExplainHandlers:
    """Explains tasks; reads beside the writer, and changes nothing."""

    def __init__(
        self, reader: Reader, responder: Responder, catalogue: Catalogue, asked: Asked
    ) -> None:
        self._reader = reader
        self._responder = responder
        self._catalogue = catalogue
        self._asked = asked

    async def explain_task(self, request: Request) -> Response:
        """GET /v1/tasks/{id}/explain."""
        found = await self._reader.task(request.account_id, TaskId(request.path_id))
        if not found.tasks:
            return self._responder.refused(Rejection(code=ErrorCode.TASK_NOT_FOUND), request)
        task, now = found.tasks[0], found.now
        own = explaining.blocks(task, now)
        blocked = own or await self._of_account(task.account_id, now)
        asked_at = await self._last_asked(task.account_id, task.type)
        answer = Explanation(
            task_id=task.id,
            type=task.type,
            status=task.status,
            claimable=not blocked,
            blocked_by=[written(one) for one in blocked],
            place_in_line=UNSET if own else await self._place(task),
            last_asked_at=_moment(asked_at),
            agent_contract=self._responder.guide.viewing(task, now),
        )
        return Response(status=200, body=encode(answer), headers=HEADERS)

    async def _of_account(self, account_id: AccountId, now: Instant) -> list[Blocked]:
        account = await self._reader.account(account_id)
        if account is None:
            return []
        account = quota.rolled(account, now)
        workers = max(plan.max_workers for plan in self._catalogue.plans.values())
        leases = await self._reader.leases(account_id, workers)
        refused = quota.may_claim(account, self._catalogue, leases, now)
        return explaining.account_blocks(refused, leases)

    async def _place(self, task: Task) -> Place:
        return explaining.place(await self._reader.ahead(task, COUNTED_MAX + 1))

    async def _last_asked(self, account_id: AccountId, type_: str) -> Instant | None:
        asks = await self._reader.asks(account_id)
        elsewhere = None if asks is None else asks.at.get(type_)
        here = self._asked.at(account_id, type_)
        return max((at for at in (here, elsewhere) if at is not None), default=None)


def written(blocked: Blocked) -> BlockAnswer:
    """Write one reason."""
    return BlockAnswer(
        reason=blocked.by, since=_moment(blocked.since), clears_at=_moment(blocked.clears_at)
    )


def _moment(instant: Instant | None) -> str | UnsetType:
    return UNSET if instant is None else format_instant(instant)
