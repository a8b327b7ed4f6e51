"""Keeps leases alive from a thread of its own, which no blocked event loop can stop."""

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from orchestrion.client.errors import APIError
from orchestrion.client.task import Claimed, Held, Task

BATCH_MAX: Final = 100
# How far from the recommended interval a heartbeat may be sent, as a share of it.
SPREAD: Final = 0.1
# Where a server recommends nothing: a third of the lease, as servers do recommend.
BEATS_PER_LEASE: Final = 3
# After a heartbeat without an answer the next one follows sooner.
RETRY_SECONDS_FIRST: Final = 0.5
RETRY_SECONDS_MAX: Final = 5.0
STOP_SECONDS: Final = 1.0
LEASE_SECONDS_UNKNOWN: Final = 30
NOT_FOUND: Final = 404
CONFLICT: Final = 409
LOG: Final = logging.getLogger("orchestrion.keeping")

Send = Callable[[Sequence[Held]], Sequence[Task | APIError]]


class Kept:
    """A lease that is kept, as its holder sees it; any thread may look."""

    def __init__(self, held: Held, clock: Callable[[], float], expires_in: float) -> None:
        self.held = held
        self.lost = False
        self.cancel_requested = False
        self.beats = 0
        self.interval = max(1.0, held.task.lease_duration_seconds / BEATS_PER_LEASE)
        self.confirmed_at = clock()
        self.due_at = self.confirmed_at
        self.failures = 0
        self.on_lost: Callable[[Kept], None] | None = None
        self._clock = clock
        self._ends_at = self.confirmed_at + expires_in

    @property
    def remaining(self) -> float:
        """Seconds until the lease ends unless it is renewed, by the server's answers; 0 if lost."""
        return 0.0 if self.lost else max(0.0, self._ends_at - self._clock())

    @property
    def silent_seconds(self) -> float:
        """How long ago the server last confirmed the lease."""
        return self._clock() - self.confirmed_at

    def confirm(self, task: Task, now: float) -> None:
        """Take over what the answer to a heartbeat says."""
        contract = task.contract
        expires_in = contract.lease_expires_in_seconds or task.lease_duration_seconds
        self.interval = float(contract.recommended_heartbeat_interval_seconds or self.interval)
        self.confirmed_at, self._ends_at = now, now + expires_in
        self.cancel_requested = self.cancel_requested or contract.cancel_requested
        self.beats += 1
        self.failures = 0


class Pulse(msgspec.Struct):
    """What a keeper did so far: counts, and how late its last heartbeats were sent, in seconds."""

    sent: int = 0
    failed: int = 0
    lost: int = 0
    late_seconds: float = 0.0


class Keeper:
    """Sends the heartbeats of many leases, up to 100 in one request, from one daemon thread.

    `send` is called in that thread only, and needs a connection of its own; it gives one answer
    for each lease, in order. The thread starts with the first lease.
    """

    def __init__(self, send: Send, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.pulse = Pulse()
        self._send = send
        self._clock = clock
        self._kept: set[Kept] = set()
        self._changed = threading.Condition()
        self._wakes_at = float("-inf")
        self._stopping = False
        self._thread: threading.Thread | None = None

    @property
    def waits(self) -> bool:
        """Whether its thread waits for the next heartbeat to be due."""
        return self._wakes_at > float("-inf")

    def hold(
        self,
        held: Held,
        *,
        expires_in: float | None = None,
        on_lost: Callable[[Kept], None] | None = None,
    ) -> Kept:
        """Keep a lease until `drop`; `expires_in` in seconds, the whole lease unless given.

        `on_lost` is called in the keeper's thread, once, after `lost` has become true.
        """
        whole = held.task.lease_duration_seconds or LEASE_SECONDS_UNKNOWN
        kept = Kept(held, self._clock, whole if expires_in is None else expires_in)
        kept.on_lost = on_lost
        # Half of what is left, should an old claim have been repeated.
        kept.due_at += min(kept.interval * spread(), kept.remaining / 2)
        with self._changed:
            self._kept.add(kept)
            self._start()
            if kept.due_at < self._wakes_at:
                self._changed.notify()
        return kept

    def hold_all(
        self, claimed: Claimed, *, on_lost: Callable[[Kept], None] | None = None
    ) -> tuple[Kept, ...]:
        """Keep all leases of one claim, which may be the repeat of an earlier one."""
        kept = []
        for held in claimed.leases:
            expires_in = _expires_in(claimed, held)
            kept.append(self.hold(held, expires_in=expires_in, on_lost=on_lost))
        return tuple(kept)

    def drop(self, kept: Kept) -> None:
        """Send no more heartbeats for a lease; harmless if it is not kept any more."""
        with self._changed:
            self._kept.discard(kept)

    def wake(self) -> None:
        """Look again what is due, after a clock has been moved."""
        with self._changed:
            self._changed.notify()

    def close(self) -> None:
        """End the thread, and wait for it unless it waits for an answer itself."""
        with self._changed:
            self._stopping = True
            self._kept.clear()
            self._changed.notify()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(STOP_SECONDS)

    def _start(self) -> None:
        if self._thread is None and not self._stopping:
            self._thread = threading.Thread(
                target=self._run, name="orchestrion-keeper", daemon=True
            )
            self._thread.start()

    def _run(self) -> None:
        while due := self._next_due():
            now = self._clock()
            self.pulse.late_seconds = max(0.0, now - min(kept.due_at for kept in due))
            try:
                answers = self._send([kept.held for kept in due])
                for kept, answer in zip(due, answers, strict=True):
                    self._take(kept, answer)
            except Exception as error:  # noqa: BLE001 - whatever broke, leases must be kept
                LOG.debug("heartbeats failed: %s", error)
                for kept in due:
                    self._missed(kept, getattr(error, "retry_after", None))

    def _next_due(self) -> list[Kept]:
        """Wait for heartbeats to send; none only at the end."""
        with self._changed:
            while not self._stopping:
                now = self._clock()
                first = min((kept.due_at for kept in self._kept), default=float("inf"))
                if first <= now:
                    # Those that may be sent early keep it company: fewer requests.
                    soon = [kept for kept in self._kept if _may_be_sent(kept, now)]
                    return sorted(soon, key=_due_at)[:BATCH_MAX]
                self._wakes_at = first
                self._changed.wait(None if first == float("inf") else first - now)
                self._wakes_at = float("-inf")
        return []

    def _take(self, kept: Kept, answer: Task | APIError) -> None:
        if isinstance(answer, Task):
            now = self._clock()
            kept.confirm(answer, now)
            kept.due_at = now + kept.interval * spread()
            self.pulse.sent += 1
        elif answer.refusal.own and answer.status in (CONFLICT, NOT_FOUND):
            self._lose(kept)
        else:
            self._missed(kept, answer.retry_after)

    def _missed(self, kept: Kept, retry_after: float | None) -> None:
        self.pulse.failed += 1
        if kept.remaining <= 0:
            self._lose(kept)
            return
        kept.failures += 1
        backoff = min(RETRY_SECONDS_MAX, RETRY_SECONDS_FIRST * 2 ** min(kept.failures, 10))
        wait = max(retry_after or 0.0, backoff * random.random())  # noqa: S311 - no secret
        # Once more before the end whatever was asked for: nobody else knows that it is held.
        kept.due_at = self._clock() + min(wait, max(kept.remaining / 2, RETRY_SECONDS_FIRST))

    def _lose(self, kept: Kept) -> None:
        with self._changed:
            if kept not in self._kept:
                return  # It was finished while the heartbeat was under way: nothing is lost.
            self._kept.discard(kept)
        kept.lost = True
        self.pulse.lost += 1
        if kept.on_lost is not None:
            kept.on_lost(kept)


def spread() -> float:
    """Give a factor that keeps many leases from being renewed in the same moment."""
    return random.uniform(1 - SPREAD, 1 + SPREAD)  # noqa: S311 - no secret


def _may_be_sent(kept: Kept, now: float) -> bool:
    return kept.due_at <= now or kept.confirmed_at + kept.interval * (1 - SPREAD) <= now


def _due_at(kept: Kept) -> float:
    return kept.due_at


def _expires_in(claimed: Claimed, held: Held) -> float | None:
    # The claim's contract speaks of its first task; the others differ by their own ends.
    said = claimed.contract.lease_expires_in_seconds
    ends, first = held.task.lease_expires_at, claimed.leases[0].task.lease_expires_at
    if said is None or ends is None or first is None:
        return None
    return said + (ends - first).total_seconds()
