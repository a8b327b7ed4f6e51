"""What a worker brings to a lease and what it hands in at its end."""

import hashlib
import json
from typing import Final

import msgspec

from orchestrion.core.ids import LeaseToken
from orchestrion.core.strict_json import canonical

_DIGEST_BYTES: Final = hashlib.sha256().digest_size
# No caller can send a key that begins so: it is not ASCII.
_AFTER: Final = "→"


class Completion(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker hands in: an inline result (compact JSON text), an artifact, or neither."""

    result: str | None = None
    output_id: str | None = None

    def same_as(self, other: "Completion") -> bool:
        """Tell whether both hand in the same: the order of keys aside, digits as sent."""
        if self.output_id != other.output_id:
            return False
        if self.result is None or other.result is None:
            return self.result is other.result
        return self.result == other.result or _sorted(self.result) == _sorted(other.result)


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker reports: why, and how long to leave the task alone."""

    reason: str | None = None
    retry_after_seconds: int | None = None

    def digest(self, verb: str, lease_token: LeaseToken) -> bytes:
        """Reduce it to what a repeat is known by; under another lease it is another."""
        sent = (verb, lease_token, self.reason, self.retry_after_seconds)
        return hashlib.sha256(msgspec.json.encode(sent)).digest()


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """What a claim brings: who holds the lease, its token, and what makes the claim repeatable."""

    worker_id: str | None
    token: LeaseToken
    key: str | None = None
    digest: bytes | None = None

    @property
    def claim_digest(self) -> bytes | None:
        """What is kept of a claim under a key: what it asked, bound to this very lease.

        Servers that know no claim keys start leases beside this one and leave the key there.
        """
        return None if self.digest is None else self.digest + self.token.encode()


def key_after(lease_token: LeaseToken) -> str:
    """Name the key of the claim that follows the end of a lease: a repeat of both finds it."""
    return _AFTER + lease_token


def asked(claim_digest: bytes | None, lease_token: LeaseToken | None) -> bytes | None:
    """Give the digest of the claim that made the lease; None if it carried no key."""
    if claim_digest is None or lease_token is None:
        return None
    bound = claim_digest[_DIGEST_BYTES:] == lease_token.encode()
    return claim_digest[:_DIGEST_BYTES] if bound else None


def _sorted(document: str) -> str:
    # As text again, for to Python true equals 1.
    return json.dumps(canonical(document), sort_keys=True)


def digest_of_claim(**request: object) -> bytes:
    """Reduce a claim to what its repeats must equal; how long it waits is no part of it."""
    sent = json.dumps(request, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(sent.encode()).digest()
