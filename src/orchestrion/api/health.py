"""Whether the service works: /health as specified, and the probes of a supervisor."""

from collections.abc import Callable
from typing import Final, Literal

import msgspec

from orchestrion.api.http import Request, Response
from orchestrion.api.respond import HEADERS, Responder, encode
from orchestrion.core.errors import ErrorCode
from orchestrion.core.ids import AccountId
from orchestrion.core.instants import SECOND, format_instant
from orchestrion.core.limits import SERVER_ERROR_WAIT_SECONDS
from orchestrion.core.outcomes import Rejection
from orchestrion.engine.ports import Clock, JobStatus, Reader

MISSED_INTERVALS: Final = 3
_STOPPING = Rejection(
    code=ErrorCode.SERVER_ERROR,
    status=503,
    message="The server is stopping; use another replica or wait until it is back.",
    wait_seconds=SERVER_ERROR_WAIT_SECONDS,
)


class SweeperHealth(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """When leases were last swept; stale after three missed intervals."""

    last_run_at: str | None
    stale_sec: int | None
    healthy: bool


class HealthAnswer(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """GET /health."""

    status: Literal["ok"] = "ok"
    lease_expiry_job: SweeperHealth


class ProbeAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """GET /livez and /readyz."""

    status: str


class Watched(msgspec.Struct, frozen=True, kw_only=True):
    """Which job sweeps leases, how often, and whether the process is asked to stop."""

    job: str
    every_seconds: float
    stopping: Callable[[], bool]


class HealthHandlers:
    """Handlers for the three checks."""

    def __init__(
        self,
        reader: Reader,
        clock: Clock,
        jobs: JobStatus,
        responder: Responder,
        watched: Watched,
    ) -> None:
        self._reader = reader
        self._responder = responder
        self._clock = clock
        self._jobs = jobs
        self._watched = watched

    async def check_health(self, _: Request) -> Response:
        """GET /health: 200 while the process serves."""
        last = self._jobs.last_run_at(self._watched.job)
        stale = None if last is None else max(0, (self._clock.now() - last) // SECOND)
        healthy = stale is not None and stale <= MISSED_INTERVALS * self._watched.every_seconds
        sweeper = SweeperHealth(
            last_run_at=None if last is None else format_instant(last),
            stale_sec=stale,
            healthy=healthy,
        )
        return _answer(200, HealthAnswer(lease_expiry_job=sweeper))

    async def check_liveness(self, _: Request) -> Response:
        """GET /livez: the event loop turns."""
        return _answer(200, ProbeAnswer(status="ok"))

    async def check_readiness(self, request: Request) -> Response:
        """GET /readyz: the database answers and nobody asked the process to stop.

        Raises Unavailable where the database does not answer, which becomes a 503.
        """
        if self._watched.stopping():
            return self._responder.refused(_STOPPING, request)
        await self._reader.account(AccountId("acct_none"))
        return _answer(200, ProbeAnswer(status="ok"))


def _answer(status: int, answer: msgspec.Struct) -> Response:
    return Response(status=status, body=encode(answer), headers=HEADERS)
