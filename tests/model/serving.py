"""The real core in front of the explorer's one task: requests become commands, decided in order."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import Final

import msgspec
from msgspec.structs import replace

from orchestrion.core.commands import Command, CompleteTask, ExpireLeases, FailTask, FinishAndClaim
from orchestrion.core.decide import decide
from orchestrion.core.instants import Instant
from orchestrion.core.lease import Completion, Lease, digest_of_claim, key_after
from orchestrion.core.outcomes import Held, NoTask, Outcome, Rejection, Several
from orchestrion.core.plans import SELF_HOSTED
from orchestrion.core.task import Task
from orchestrion.core.view import IdempotencyRow
from tests.factories import ACCOUNT_ID, a_task_id, a_view
from tests.model.world import (
    AND_CLAIM,
    CLAIMS,
    LEASE_SECONDS,
    MAX_ATTEMPTS,
    Request,
    Verb,
    World,
    failure_of,
    key_name,
)
from tests.unit import asks

TASK_ID: Final = a_task_id(1)
RESULTS: Final = ('{"by":1}', '{"by":2}')


class Served(msgspec.Struct, frozen=True):
    """One request as the core decided it."""

    request: Request
    now: Instant
    before: Task | None
    after: Task | None
    outcome: Outcome

    @property
    def accepted(self) -> bool:
        """Tell whether its caller was told that it is so."""
        return not isinstance(self.outcome, Rejection | NoTask)

    @property
    def handed_out(self) -> Task | None:
        """The task that its caller was handed, if it claimed one."""
        outcome = self.outcome.outcomes[-1] if isinstance(self.outcome, Several) else self.outcome
        claimed = self.request.fresh and isinstance(outcome, Held)
        return outcome.task if claimed and isinstance(outcome, Held) else None

    @property
    def changed(self) -> bool:
        """Tell whether it left another row."""
        return self.after is not self.before and self.after != self.before


def serve(
    world: World, requests: Sequence[Request], seen_at: Instant
) -> tuple[list[Served], IdempotencyRow | None]:
    """Decide requests as one batch on the rows of a world, at the instant that the core is told.

    Gives besides what is remembered of a create.
    """
    requests = list(_with_tokens(world, requests))
    commands = [_command(request) for request in requests]
    view = a_view(
        *commands,
        tasks=() if world.row is None else (world.row,),
        remembered=() if world.remembered is None else (world.remembered,),
        now=seen_at,
    )
    served, row = [], world.row
    for request, command in zip(requests, commands, strict=True):
        before = row
        outcome = decide(command, SELF_HOSTED, view)
        # A row that no command of the batch needed was not loaded, and stays.
        row = view.task(ACCOUNT_ID, TASK_ID) or row
        served.append(Served(request, world.now, before, row, outcome))
    return served, next(iter(view.new_idempotency), None)


def _with_tokens(world: World, requests: Sequence[Request]) -> Iterator[Request]:
    # As at the door of the service: each claim brings a token that nobody ever had.
    for number, request in enumerate(requests, world.past.token + 1):
        claims = request.verb in CLAIMS or request.verb in AND_CLAIM
        yield replace(request, fresh=number) if claims else request


@cache
def _command(request: Request) -> Command:
    if request.verb in CLAIMS:
        return _claim(request)
    if request.verb in AND_CLAIM:
        return _end_and_claim(request)
    return _MADE[request.verb](request.token)


def _claim(request: Request) -> Command:
    lease = Lease(
        worker_id="AB"[request.worker],
        token=asks.a_token(request.fresh),
        key=key_name(request.worker),
        digest=digest_of_claim(verb=request.verb),
    )
    if request.verb is Verb.CLAIM:
        return asks.claim_next(lease=lease)
    return asks.claim_task(TASK_ID, lease=lease)


def _end_and_claim(request: Request) -> Command:
    ends = request.verb is Verb.FAIL_AND_CLAIM
    finish = _MADE[Verb.FAIL if ends else Verb.COMPLETE](request.token)
    assert isinstance(finish, FailTask | CompleteTask)
    lease = Lease(
        worker_id="AB"[request.worker],
        token=asks.a_token(request.fresh),
        key=key_after(asks.a_token(request.token)),
        digest=digest_of_claim(verb=request.verb),
    )
    claim = asks.claim_next(lease=lease)
    return FinishAndClaim(account_id=ACCOUNT_ID, finish=finish, claim=claim)


def _complete(token: int, result: str) -> Command:
    return asks.complete(TASK_ID, asks.a_token(token), completion=Completion(result=result))


def _create(_: int) -> Command:
    return asks.create(
        1,
        max_attempts=MAX_ATTEMPTS,
        lease_seconds=LEASE_SECONDS,
        idempotency_key="once",
        request_digest=b"the request",
    )


def _fail(token: int, verb: Verb) -> Command:
    return asks.fail(TASK_ID, asks.a_token(token), failure=failure_of(verb))


_MADE: Final[Mapping[Verb, Callable[[int], Command]]] = MappingProxyType(
    {
        Verb.HEARTBEAT: lambda token: asks.heartbeat(TASK_ID, asks.a_token(token)),
        Verb.COMPLETE: lambda token: _complete(token, RESULTS[0]),
        Verb.COMPLETE_OTHERWISE: lambda token: _complete(token, RESULTS[1]),
        Verb.FAIL: lambda token: _fail(token, Verb.FAIL),
        Verb.FAIL_FOR_LATER: lambda token: _fail(token, Verb.FAIL_FOR_LATER),
        Verb.RELEASE: lambda token: asks.release(TASK_ID, asks.a_token(token)),
        Verb.CREATE: _create,
        Verb.CANCEL: lambda _: asks.cancel(TASK_ID),
        Verb.CANCEL_BY_FORCE: lambda _: asks.request_cancel(TASK_ID),
        Verb.REQUEUE: lambda _: asks.requeue(TASK_ID),
        Verb.SWEEP: lambda _: ExpireLeases(account_id=ACCOUNT_ID, task_ids=(TASK_ID,)),
    }
)
