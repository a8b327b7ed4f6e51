"""The operations of a worker: claim, renew, release. No rules."""

from msgspec import UNSET

from orchestrion.api import commanding
from orchestrion.api.claiming import Claims
from orchestrion.api.decoding import decode
from orchestrion.api.emptying import EmptyClaims
from orchestrion.api.http import Request, Response
from orchestrion.api.respond import Responder
from orchestrion.core.bodies import (
    ClaimNextBody,
    ClaimTaskBody,
    HeartbeatBody,
    ReleaseBody,
)
from orchestrion.core.commands import ClaimTask
from orchestrion.core.ids import TaskId
from orchestrion.core.outcomes import Held, NoTask, Outcome
from orchestrion.engine.mint import Mint
from orchestrion.engine.writer import Writer


class AttemptHandlers:
    """Handlers for attempts at tasks."""

    def __init__(
        self,
        writer: Writer,
        claims: Claims,
        responder: Responder,
        mint: Mint,
        empty: EmptyClaims,
    ) -> None:
        self._writer = writer
        self._claims = claims
        self._responder = responder
        self._mint = mint
        self._empty = empty

    async def claim_next_task(self, request: Request) -> Response:
        """POST /v1/tasks/claim. An empty answer counts as a read (decisions §8)."""
        body, _ = decode(request.body, ClaimNextBody)
        command = commanding.claim_next(request, self._mint, body)
        refused = self._empty.refused(command.types, request)
        if refused:
            return self._responder.refused(refused, request)
        with self._empty.counted_if_left(request):
            outcome = await self._claims.make_within(body.wait_seconds, command, request)
        if isinstance(outcome, NoTask):
            return await self._empty.answered(outcome, command, body, request)
        if body.max_tasks is not UNSET and isinstance(outcome, Held):
            return self._claims.kept(self._responder.claimed_several(outcome), outcome)
        return self._claimed(outcome, request)

    async def claim_task(self, request: Request) -> Response:
        """POST /v1/tasks/{id}/claim."""
        body, _ = decode(request.body, ClaimTaskBody)
        command = ClaimTask(
            account_id=request.account_id,
            task_id=TaskId(request.path_id),
            lease=commanding.lease(request, self._mint, body.worker_id, task_id=request.path_id),
        )
        return self._claimed(await self._claims.make(command), request)

    async def release_task(self, request: Request) -> Response:
        """POST /v1/tasks/{id}/release."""
        command = commanding.release(request, *decode(request.body, ReleaseBody))
        return self._responder.outcome(await self._writer.submit(command), request)

    async def heartbeat(self, request: Request) -> Response:
        """POST /v1/tasks/{id}/heartbeat."""
        command = commanding.heartbeat(request, *decode(request.body, HeartbeatBody))
        return self._responder.outcome(await self._writer.submit(command), request)

    def _claimed(self, outcome: Outcome, request: Request) -> Response:
        if isinstance(outcome, Held | NoTask):
            return self._claims.kept(self._responder.claimed(outcome), outcome)
        return self._responder.outcome(outcome, request)
