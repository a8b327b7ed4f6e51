"""What a buyer is told when the money is not there; constant texts, nothing of who takes it."""

from orchestrion.core.errors import ErrorCode
from orchestrion.core.instants import Instant
from orchestrion.core.limits import MONEY_PENDING_WAIT_SECONDS, PAYMENTS_WAIT_SECONDS
from orchestrion.core.outcomes import Rejection, Situation

PAYMENTS_OFF = "Payments are not configured on this server; plans cannot be bought here."
ON_ITS_WAY = "The payment was approved and its money is on its way: verify again later."
DECLINED = "The payment was declined."
UNCOUNTED = "What was paid is not what was asked: ask whoever runs this server, and pay no more."
UNDER_WAY = "This payment is being taken at this moment: verify again."


def payments_off(now: Instant) -> Rejection:
    """Refuse what needs payments where there are none; no wait changes that."""
    return Rejection(
        code=ErrorCode.SERVER_ERROR,
        message=PAYMENTS_OFF,
        status=503,
        now=now,
        situation=Situation.PAYMENTS_OFF,
    )


def on_its_way(now: Instant) -> Rejection:
    """Refuse while the money is neither there nor refused."""
    return Rejection(
        code=ErrorCode.PAYMENT_FAILED,
        message=ON_ITS_WAY,
        status=402,
        wait_seconds=MONEY_PENDING_WAIT_SECONDS,
        now=now,
        situation=Situation.PAYMENT_PENDING,
    )


def declined(now: Instant) -> Rejection:
    """Refuse what was refused for good."""
    return Rejection(
        code=ErrorCode.PAYMENT_FAILED,
        message=DECLINED,
        status=402,
        now=now,
        situation=Situation.PAYMENT_DECLINED,
    )


def uncounted(now: Instant) -> Rejection:
    """Refuse money that is not what was asked; an operator must look at it."""
    return Rejection(
        code=ErrorCode.PAYMENT_FAILED,
        message=UNCOUNTED,
        status=402,
        now=now,
        situation=Situation.PAYMENT_UNCOUNTED,
    )


def under_way(now: Instant) -> Rejection:
    """Refuse while another request takes the money."""
    return Rejection(
        code=ErrorCode.SERVER_ERROR,
        message=UNDER_WAY,
        status=503,
        wait_seconds=PAYMENTS_WAIT_SECONDS,
        now=now,
    )
