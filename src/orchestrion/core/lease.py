"""What a worker brings to a lease and what it hands in at its end."""

import hashlib

import msgspec

from orchestrion.core.ids import LeaseToken


class Completion(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker hands in: an inline result (compact JSON text), an artifact, or neither."""

    result: str | None = None
    output_id: str | None = None


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker reports: why, and how long to leave the task alone."""

    reason: str | None = None
    retry_after_seconds: int | None = None

    def digest(self, verb: str) -> bytes:
        """Reduce it to what a repeat is known by."""
        sent = msgspec.json.encode((verb, self.reason, self.retry_after_seconds))
        return hashlib.sha256(sent).digest()


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """What a claim brings: who holds the lease, its token, and what makes the claim repeatable."""

    worker_id: str | None
    token: LeaseToken
    key: str | None = None
    digest: bytes | None = None
