"""All that can be asked again, as its caller asks it each time: only tokens of claims are new."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from orchestrion.core.commands import Command, CompleteTask, FailTask, FinishAndClaim
from orchestrion.core.lease import key_after
from orchestrion.core.task import Status
from tests.factories import ACCOUNT_ID, TOKEN, a_task, a_task_id, later
from tests.unit import asks

HELD: Final = a_task(
    Status.CLAIMED, id=a_task_id(90), priority=9, lease_expires_at=later(1_000_000_000)
)
FREE: Final = a_task(id=a_task_id(7))


def _and_next(number: int, finish: CompleteTask | FailTask) -> Command:
    claim = asks.claim_next(lease=asks.a_keyed_lease(number, key_after(TOKEN)))
    return FinishAndClaim(account_id=ACCOUNT_ID, finish=finish, claim=claim)


REPEATED: Final[Mapping[str, Callable[[int], Command]]] = MappingProxyType(
    {
        "complete": lambda _: asks.complete(HELD.id, TOKEN),
        "fail": lambda _: asks.fail(HELD.id, TOKEN),
        "release": lambda _: asks.release(HELD.id, TOKEN),
        "forced cancel": lambda _: asks.request_cancel(HELD.id),
        "claim": lambda number: asks.claim_next(lease=asks.a_keyed_lease(number)),
        "claim by id": lambda number: asks.claim_task(FREE.id, lease=asks.a_keyed_lease(number)),
        "create": lambda number: asks.create(
            100 + number, idempotency_key="k", request_digest=b"same"
        ),
        "complete and next": lambda number: _and_next(number, asks.complete(HELD.id, TOKEN)),
        # Which hands out the same task again: it comes first.
        "fail and next": lambda number: _and_next(number, asks.fail(HELD.id, TOKEN)),
    }
)
