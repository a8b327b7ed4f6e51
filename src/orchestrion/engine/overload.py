"""Who is turned away when the queue fills: creates first, then claims, lease holders last."""

import random
from typing import Final

import msgspec

from orchestrion.core.commands import (
    CancelTask,
    ClaimNext,
    ClaimTask,
    Command,
    CompleteTask,
    CreateTask,
    FailTask,
    FinishAndClaim,
    Heartbeat,
    ReleaseTask,
    RequestCancel,
    RequeueTask,
    Together,
    UndoClaim,
)
from orchestrion.core.errors import ErrorCode
from orchestrion.core.outcomes import Rejection
from orchestrion.core.purchase_commands import (
    ConfirmPurchase,
    FailCapture,
    RecordOrder,
    UndoCapture,
    VoidPurchase,
)

OVERLOADED: Final = "The server is overloaded; nothing was changed."
# Whoever was turned away at the same time must not come back at the same time.
OVERLOAD_WAIT_SECONDS_MIN: Final = 1
OVERLOAD_WAIT_SECONDS_MAX: Final = 3


class QueueLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How many commands may wait, and the share of that each kind may fill."""

    queue_max: int = 4_096
    batch_max: int = 256
    create_share: float = 0.5
    claim_share: float = 0.75


class Admission:
    """Decides by kind and by the queue's length; the thresholds are worked out once."""

    def __init__(self, limits: QueueLimits) -> None:
        create_max = int(limits.queue_max * limits.create_share)
        claim_max = int(limits.queue_max * limits.claim_share)
        self._queue_max: dict[type[Command], int] = {
            CreateTask: create_max,
            ClaimNext: claim_max,
            ClaimTask: claim_max,
            CancelTask: claim_max,
            RequestCancel: claim_max,
            RequeueTask: claim_max,
            CompleteTask: limits.queue_max,
            FailTask: limits.queue_max,
            ReleaseTask: limits.queue_max,
            UndoClaim: limits.queue_max,
            Heartbeat: limits.queue_max,
            # What is known of money already.
            RecordOrder: limits.queue_max,
            UndoCapture: limits.queue_max,
            FailCapture: limits.queue_max,
            ConfirmPurchase: limits.queue_max,
            VoidPurchase: limits.queue_max,
        }
        # Jobs and registrations give way to those who work.
        self._others_max = create_max
        # Below this nobody is turned away.
        self.calm_max = min(create_max, claim_max, limits.queue_max)

    def refused(self, command: Command, waiting: int) -> Rejection | None:
        """Refuse the command if the queue is too long for its kind."""
        if waiting < self._queue_max.get(kind_of(command), self._others_max):
            return None
        return overloaded()


def overloaded() -> Rejection:
    """Turn somebody away, each for a time of its own."""
    return Rejection(
        code=ErrorCode.SERVER_ERROR,
        status=503,
        message=OVERLOADED,
        wait_seconds=random.randint(  # noqa: S311 - no secret
            OVERLOAD_WAIT_SECONDS_MIN, OVERLOAD_WAIT_SECONDS_MAX
        ),
    )


def kind_of(command: Command) -> type[Command]:
    """Give the kind as which a command is let in or shed: of several, that of the first."""
    match command:
        case Together():
            return type(command.commands[0])
        case FinishAndClaim():
            return type(command.finish)
        case _:
            return type(command)
