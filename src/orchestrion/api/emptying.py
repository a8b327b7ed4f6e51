"""Answers claims that found nothing: why that is, and when to ask again."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from orchestrion.api.endpoint import note
from orchestrion.api.http import Request, Response
from orchestrion.api.limits import Limiter
from orchestrion.api.respond import encode, outcome_headers
from orchestrion.core.bodies import ClaimedTask, ClaimNextBody
from orchestrion.core.commands import ClaimNext
from orchestrion.core.contract import AgentContract, nothing_claimed
from orchestrion.core.emptiness import Counts, Emptiness, emptiness
from orchestrion.core.faults import Fault
from orchestrion.core.ids import AccountId
from orchestrion.core.instants import format_instant
from orchestrion.core.limits import TYPES_COMPARED_MAX
from orchestrion.core.operations import Allowance
from orchestrion.core.outcomes import NoTask, Rejection
from orchestrion.core.similar import similar
from orchestrion.engine.asked import Asked
from orchestrion.engine.ports import Observer, Reader
from orchestrion.engine.turns import Turns


class EmptyAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a claim is answered that found nothing."""

    task: None
    # Empty where several might have come.
    tasks: Sequence[ClaimedTask] | UnsetType = UNSET
    empty_reason: str | UnsetType = UNSET
    next_claimable_at: str | UnsetType = UNSET
    counts: Counts | UnsetType = UNSET
    similar_types: Sequence[str] = ()
    agent_contract: AgentContract


class EmptyClaims:
    """Counts claims that found nothing as reads, and explains them.

    The explanation is read after the fact and beside the writer: a claim is never held up by it,
    and where it cannot be read the claim is answered without it.
    """

    def __init__(
        self, turns: Turns[Reader], limiter: Limiter, observer: Observer, asked: Asked
    ) -> None:
        self._turns = turns
        self._limiter = limiter
        self._observer = observer
        self._asked = asked

    def refused(self, types: Sequence[str], request: Request) -> Rejection | None:
        """Take note of a claim, and refuse one that could not be told that there is nothing."""
        assert request.principal is not None, "a keyed operation"
        self._asked.note(request.account_id, types)
        return self._limiter.exhausted(Allowance.READS, request.principal)

    def count(self, request: Request) -> None:
        """Count a claim that found nothing."""
        assert request.principal is not None, "a keyed operation"
        self._limiter.admit_key(Allowance.READS, request.principal)

    @contextmanager
    def counted_if_left(self, request: Request) -> Iterator[None]:
        """Count a claim whose caller leaves while it waits, as one that found nothing."""
        try:
            yield
        except asyncio.CancelledError:
            self.count(request)
            raise

    async def answered(
        self, outcome: NoTask, command: ClaimNext, body: ClaimNextBody, request: Request
    ) -> Response:
        """Answer an empty claim of these types."""
        self.count(request)
        found = await self._explained(command.types, request)
        guidance = nothing_claimed(outcome)
        answer = (
            EmptyAnswer(task=None, agent_contract=guidance)
            if found is None
            else told(found, guidance)
        )
        if body.max_tasks is not UNSET:
            answer = replace(answer, tasks=[])
        return Response(status=200, body=encode(answer), headers=outcome_headers(outcome.window))

    async def _explained(self, types: Sequence[str], request: Request) -> Emptiness | None:
        try:
            async with self._turns as reader:
                return await _read(reader, request.account_id, types)
        except Fault as fault:
            note(self._observer, "empty_claim_unexplained", request, fault)
            return None


async def _read(reader: Reader, account_id: AccountId, types: Sequence[str]) -> Emptiness:
    states = [await reader.type_state((account_id, type_)) for type_ in types]
    leases = await reader.type_leases(account_id, types)
    unknown = [state.type for state in states if not state.known]
    if not unknown:
        return emptiness(states, leases)
    known = await reader.types(account_id, TYPES_COMPARED_MAX)
    return emptiness(states, leases, similar(unknown, known))


def told(found: Emptiness, guidance: AgentContract) -> EmptyAnswer:
    """Write what an empty claim is told."""
    following = found.next_claimable_at
    return EmptyAnswer(
        task=None,
        empty_reason=found.reason or UNSET,
        next_claimable_at=UNSET if following is None else format_instant(following),
        counts=found.counts,
        similar_types=found.similar_types,
        agent_contract=guidance,
    )
