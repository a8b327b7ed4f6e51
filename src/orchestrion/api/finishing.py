"""The operations that end an attempt, alone or with a claim of what comes next. No rules."""

from msgspec import UNSET, UnsetType

from orchestrion.api import commanding
from orchestrion.api.claiming import Claims
from orchestrion.api.decoding import decode
from orchestrion.api.emptying import EmptyClaims
from orchestrion.api.endpoint import note, rejection_of
from orchestrion.api.http import Request, Response
from orchestrion.api.respond import Responder
from orchestrion.core.bodies import CompleteAndClaimBody, FailAndClaimBody, NextClaim
from orchestrion.core.commands import ClaimNext, CompleteTask, FailTask, FinishAndClaim
from orchestrion.core.faults import Fault
from orchestrion.core.outcomes import Again, Changed, NoTask, Outcome, Several
from orchestrion.engine.mint import Mint
from orchestrion.engine.ports import Observer
from orchestrion.engine.writer import Writer


class FinishingHandlers:
    """Handlers for the ends of attempts."""

    def __init__(  # noqa: PLR0913 - the composition root hands in each part once
        self,
        *,
        writer: Writer,
        claims: Claims,
        responder: Responder,
        mint: Mint,
        empty: EmptyClaims,
        observer: Observer,
    ) -> None:
        self._writer = writer
        self._claims = claims
        self._responder = responder
        self._mint = mint
        self._empty = empty
        self._observer = observer

    async def complete_task(self, request: Request) -> Response:
        """POST /v1/tasks/{id}/complete."""
        body, value = decode(request.body, CompleteAndClaimBody)
        finish = commanding.complete(request, body, value)
        return await self._finish(request, finish, body.claim_next)

    async def fail_task(self, request: Request) -> Response:
        """POST /v1/tasks/{id}/fail."""
        body, value = decode(request.body, FailAndClaimBody)
        finish = commanding.fail(request, body, value)
        return await self._finish(request, finish, body.claim_next)

    async def _finish(
        self, request: Request, finish: CompleteTask | FailTask, wanted: NextClaim | UnsetType
    ) -> Response:
        if wanted is UNSET:
            return self._responder.outcome(await self._writer.submit(finish), request)
        claim = commanding.claim_after(request, self._mint, wanted, finish)
        finished, claimed = await self._both(request, finish, claim)
        if isinstance(claimed, NoTask) and wanted.wait_seconds:
            claimed = await self._claim(wanted.wait_seconds, claim, request)
        if not isinstance(finished, Changed):
            return self._responder.outcome(finished, request)
        if isinstance(claimed, NoTask):
            self._empty.count(request)
        return self._claims.kept(self._responder.finished(finished, claimed, request), claimed)

    async def _both(
        self, request: Request, finish: CompleteTask | FailTask, claim: ClaimNext
    ) -> tuple[Outcome, Outcome]:
        """Give what the end came to, and the claim if the end was not refused."""
        refused = self._empty.refused(claim.types, request)
        if refused:
            return await self._writer.submit(finish), refused
        outcome = await self._claims.make(
            FinishAndClaim(account_id=request.account_id, finish=finish, claim=claim)
        )
        if not isinstance(outcome, Several):
            return outcome, outcome
        finished, claimed = outcome.outcomes
        if isinstance(claimed, Again):
            claimed = await self._claim(0, claim, request)
        return finished, claimed

    async def _claim(self, seconds: int, claim: ClaimNext, request: Request) -> Outcome:
        try:
            with self._empty.counted_if_left(request):
                return await self._claims.make_within(seconds, claim, request)
        except Fault as fault:
            # The end of the attempt stands, whatever became of the claim.
            note(self._observer, "claim_next_failed", request, fault)
            return rejection_of(fault, request)
