"""The operations of a worker: claim, renew, complete, fail. No rules."""

from orchestrion.api import commanding
from orchestrion.api.decoding import decode
from orchestrion.api.http import Request, Response
from orchestrion.api.limits import Limiter
from orchestrion.api.respond import Responder
from orchestrion.core.bodies import (
    ClaimNextBody,
    ClaimTaskBody,
    CompleteBody,
    FailBody,
    HeartbeatBody,
)
from orchestrion.core.commands import ClaimNext, ClaimTask
from orchestrion.core.ids import TaskId
from orchestrion.core.lease import Lease
from orchestrion.core.operations import Allowance
from orchestrion.core.outcomes import Held, NoTask, Outcome
from orchestrion.engine.mint import Mint
from orchestrion.engine.writer import Writer


class AttemptHandlers:
    """Handlers for attempts at tasks."""

    def __init__(self, writer: Writer, responder: Responder, mint: Mint, limiter: Limiter) -> None:
        self._writer = writer
        self._responder = responder
        self._mint = mint
        self._limiter = limiter

    async def claim_next_task(self, request: Request) -> Response:
        """POST /v1/tasks/claim. An empty answer counts as a read (decisions §8)."""
        body, _ = decode(request.body, ClaimNextBody)
        principal = request.principal
        assert principal is not None, "a keyed operation"
        refused = self._limiter.exhausted(Allowance.READS, principal)
        if refused:
            return self._responder.refused(refused, request)
        command = ClaimNext(
            account_id=principal.account_id,
            types=(body.type,),
            lease=self._lease(body),
        )
        outcome = await self._writer.submit(command)
        if isinstance(outcome, NoTask):
            self._limiter.admit_key(Allowance.READS, principal)
        return self._claimed(outcome, request)

    async def claim_task(self, request: Request) -> Response:
        """POST /v1/tasks/{id}/claim."""
        body, _ = decode(request.body, ClaimTaskBody)
        command = ClaimTask(
            account_id=request.account_id,
            task_id=TaskId(request.path_id),
            lease=self._lease(body),
        )
        return self._claimed(await self._writer.submit(command), request)

    async def complete_task(self, request: Request) -> Response:
        """POST /v1/tasks/{id}/complete."""
        command = commanding.complete(request, *decode(request.body, CompleteBody))
        return self._responder.outcome(await self._writer.submit(command), request)

    async def fail_task(self, request: Request) -> Response:
        """POST /v1/tasks/{id}/fail."""
        command = commanding.fail(request, *decode(request.body, FailBody))
        return self._responder.outcome(await self._writer.submit(command), request)

    async def heartbeat(self, request: Request) -> Response:
        """POST /v1/tasks/{id}/heartbeat."""
        command = commanding.heartbeat(request, *decode(request.body, HeartbeatBody))
        return self._responder.outcome(await self._writer.submit(command), request)

    def _lease(self, body: ClaimNextBody | ClaimTaskBody) -> Lease:
        return Lease(worker_id=commanding.given(body.worker_id), token=self._mint.lease_token())

    def _claimed(self, outcome: Outcome, request: Request) -> Response:
        if isinstance(outcome, Held | NoTask):
            return self._responder.claimed(outcome)
        return self._responder.outcome(outcome, request)
