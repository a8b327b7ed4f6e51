"""A task as the model thinks of it: plain values, and how they must stand on the wire."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

Json = dict[str, Any]

SECOND: Final = 1_000
HOUR: Final = 3_600 * SECOND
DAY: Final = 24 * HOUR
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """A task; `number` counts creations, and instants are milliseconds."""

    number: int
    type: str
    payload: Json
    priority: int
    max_attempts: int
    lease_seconds: int
    created: int
    updated: int
    status: str = "pending"
    scheduled: int | None = None
    attempts: int = 0
    worker: str | None = None
    claimed: int | None = None
    expires: int | None = None
    beat: int | None = None
    completed: int | None = None
    failed: int | None = None
    failure: str | None = None
    result: Json | None = None
    output: str | None = None
    asked_back: int | None = None
    # Not shown: the last lease, how it was given back, what claimed it, and releases so far.
    lease: str | None = None
    given_back: tuple[object, ...] | None = None
    claim_key: str | None = None
    claim_asked: tuple[object, ...] | None = None
    releases: int = 0

    @property
    def name(self) -> str:
        """What stands for its id."""
        return f"<task {self.number}>"

    @property
    def order(self) -> tuple[int, int, int]:
        """Its place among what can be claimed."""
        due = self.created if self.scheduled is None else self.scheduled
        return (-self.priority, due, self.number)

    def due(self, now: int) -> bool:
        """Tell whether it can be claimed."""
        return self.status == "pending" and (self.scheduled is None or self.scheduled <= now)

    def live(self, now: int) -> bool:
        """Tell whether somebody holds it."""
        return self.status == "claimed" and self.expires is not None and self.expires > now

    def over(self, now: int) -> bool:
        """Tell whether its lease has ended and nothing has acted on that."""
        return self.status == "claimed" and not self.live(now)

    @property
    def attempts_left(self) -> bool:
        """Tell whether it may be claimed once more."""
        return self.attempts < self.max_attempts

    def shown(self) -> Json:
        """Write it as the server must, field by field in the specification's order."""
        asked_back = {} if self.asked_back is None else {"cancelRequestedAt": at(self.asked_back)}
        return {
            "id": self.name,
            "type": self.type,
            "payload": self.payload,
            "status": self.status,
            "priority": self.priority,
            "scheduledAt": at(self.scheduled),
            "attemptCount": self.attempts,
            "maxAttempts": self.max_attempts,
            "leaseDurationSeconds": self.lease_seconds,
            "claimedBy": self.worker,
            "claimedAt": at(self.claimed),
            "leaseExpiresAt": at(self.expires),
            "lastHeartbeatAt": at(self.beat),
            "createdAt": at(self.created),
            "updatedAt": at(self.updated),
            "completedAt": at(self.completed),
            "lastFailedAt": at(self.failed),
            "lastFailureReason": self.failure,
            "result": self.result,
            "outputId": self.output,
            **asked_back,
        }


def at(instant: int | None) -> str | None:
    """Write an instant: UTC, milliseconds, Z."""
    if instant is None:
        return None
    moment = _EPOCH + timedelta(milliseconds=instant)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{instant % SECOND:03d}Z"


def instant_of(text: str) -> int:
    """Read an instant that was written so."""
    return (datetime.fromisoformat(text) - _EPOCH) // timedelta(milliseconds=1)
