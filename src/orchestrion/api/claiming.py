"""Claims as handlers make them: they may wait, and undo what their caller will not hear of."""

from functools import partial

from msgspec.structs import replace

from orchestrion.api.http import Request, Response
from orchestrion.api.key_watch import KeyWatch
from orchestrion.core.account import Principal
from orchestrion.core.clock import Clock
from orchestrion.core.commands import ClaimNext, ClaimTask, FinishAndClaim
from orchestrion.core.outcomes import Outcome
from orchestrion.core.plans import Catalogue, waiters_per_account
from orchestrion.engine.room import Patience
from orchestrion.engine.waiters import Waiters


class Claims:
    """Makes claims for requests."""

    def __init__(
        self, waiters: Waiters, catalogue: Catalogue, clock: Clock, key_watch: KeyWatch
    ) -> None:
        self._waiters = waiters
        self._key_watch = key_watch
        self._catalogue = catalogue
        self._clock = clock

    async def make(self, command: ClaimTask | FinishAndClaim) -> Outcome:
        """Make a claim that does not wait."""
        return await self._waiters.taking.claim(command)

    async def make_within(self, seconds: int, command: ClaimNext, request: Request) -> Outcome:
        """Make a claim that waits so long for a task; 0 is not at all."""
        assert request.principal is not None, "a keyed operation"
        patience = Patience(seconds=seconds, waiters_max=self._waiters_max(request.principal))
        claim = self._waiters.claim(command, patience)
        try:
            return await (self._key_watch.guard(request, claim) if seconds else claim)
        finally:
            request.waited_seconds += patience.waited

    def kept(self, response: Response, outcome: Outcome) -> Response:
        """See to it that what the claim got is given back if the answer does not leave."""
        return replace(response, unsent=partial(self._waiters.taking.undo, outcome))

    def _waiters_max(self, principal: Principal) -> int:
        plan_id = self._catalogue.plan_id_at(
            principal.plan, principal.plan_expires_at, self._clock.now()
        )
        return waiters_per_account(self._catalogue.plans[plan_id])
