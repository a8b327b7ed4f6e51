"""Claims that wait for a task: woken in the order they came, answered empty when their time is up.

A waiter gets a task by no other way than its own claim, which goes through the writer like any.
Being woken means that it is worth asking: whoever finds nothing waits on, in its place. So a
wake-up too many costs a claim, and one too few is made good by the lookout.
"""

import asyncio
from collections.abc import Iterable, Sequence
from itertools import count
from typing import Final

from msgspec.structs import replace

from orchestrion.core.claimable import (
    ALREADY,
    Claimable,
    accounts_with_ended_leases,
    made_claimable,
)
from orchestrion.core.clock import Clock
from orchestrion.core.commands import ClaimNext
from orchestrion.core.errors import ErrorCode
from orchestrion.core.ids import AccountId
from orchestrion.core.instants import SECOND, Instant
from orchestrion.core.outcomes import Held, NoTask, Outcome, Rejection
from orchestrion.core.view import TypeKey, View
from orchestrion.engine.alarm import Alarm
from orchestrion.engine.endings import Endings
from orchestrion.engine.lines import Line, Waiter
from orchestrion.engine.room import Patience, Room
from orchestrion.engine.taking import Taking
from orchestrion.engine.writer import Writer

# Where more may be left than is known of, whoever gets a task sends so many others.
SENT_ON_SUCCESS: Final = 2
# Refusals of every claim of the account, whichever of its waiters asks.
OF_THE_ACCOUNT: Final = frozenset(
    {ErrorCode.MAX_WORKERS_REACHED, ErrorCode.RATE_LIMITED, ErrorCode.PLAN_EXPIRED}
)


class Waiters:
    """Holds claims until there is a task for them."""

    def __init__(self, writer: Writer, clock: Clock, room: Room | None = None) -> None:
        self.taking = Taking(writer)
        self.room = room or Room()
        # Set when somebody waits for what nobody has looked up in the database.
        self.unknown = asyncio.Event()
        self._clock = clock
        self._arrivals = count()
        self._lines: dict[TypeKey, Line] = {}
        self._endings: Endings[Waiter] = Endings(clock)
        self._alarm = Alarm(self.turn)
        self._stopping = False
        # Where somebody was told that the account may claim nothing, and waits all the same.
        self._full: dict[AccountId, set[Line]] = {}
        # Those who have a claim at the writer just now.
        self._asking: set[Waiter] = set()
        writer.listeners.append(self._committed)

    @property
    def asking(self) -> int:
        """How many of those who wait have a claim at the writer just now."""
        return len(self._asking)

    async def claim(self, command: ClaimNext, patience: Patience) -> Outcome:
        """Claim a task, and wait for one while there is none.

        Whoever is cancelled meanwhile gets none: what it was given already is given back.
        """
        if not patience.seconds or self._stopping:
            return await self.taking.claim(command)
        refused = self.room.refused(command.account_id, patience.waiters_max)
        if refused:
            outcome = await self.taking.claim(command)
            return refused if isinstance(outcome, NoTask) else outcome
        began = self._clock.monotonic()
        waiter = self._join(command)
        span = self._endings.add(waiter, patience.seconds)
        self._alarm.within(patience.seconds)
        try:
            outcome = await waiter.future
            return replace(outcome, waited=True) if isinstance(outcome, NoTask) else outcome
        except asyncio.CancelledError:
            if waiter.attempt is None:
                waiter.rested_until = self._clock.monotonic()
            else:
                waiter.attempt.cancel()
            self.taking.take_back(waiter.future)
            raise
        finally:
            patience.waited = waiter.rested_until - began
            self._leave(waiter)
            self._endings.remove(waiter, span)

    def stop(self) -> None:
        """Answer everybody, and let nobody wait any more."""
        self._stopping = True
        self._alarm.cancel()
        for waiters in self._endings.everybody():
            self._end(waiters)

    def turn(self) -> None:
        """Answer those whose time is up, and wake those for whom a task has become due."""
        for ended in self._endings.take_ended():
            self._end(ended)
        now = self._clock.now()
        for line in list(self._lines.values()):
            if line.due_at is not None and line.due_at <= now:
                line.due_at = None
                # Nobody knows how many became due, nor what comes after them.
                line.known = False
                self.unknown.set()
                self._ask(line)
        self._set_alarm()

    # --- what may have become claimable

    def wake(self, ready: Iterable[Claimable]) -> None:
        """Send as many waiters to ask as tasks became claimable, or when they do."""
        for one in ready:
            line = self._lines.get(one.key)
            if line is None:
                continue
            if one.at > ALREADY:
                self._expect(line, one.at)
            else:
                self._send(line, one.count)

    def lines(self) -> Sequence[TypeKey]:
        """Name what is waited for."""
        return list(self._lines)

    def unknown_lines(self) -> Sequence[TypeKey]:
        """Name what is waited for and not looked up yet."""
        self.unknown.clear()
        return [key for key, line in self._lines.items() if not line.known]

    def found(self, key: TypeKey, due_at: Instant | None) -> None:
        """Take what the database has for a line: when its first task can be claimed, if any."""
        line = self._lines.get(key)
        if line is None:
            return
        line.known = True
        if due_at is None:
            return
        if due_at <= self._clock.now():
            self._ask(line)
        else:
            self._expect(line, due_at)

    def waits_for(self, key: TypeKey) -> bool:
        """Tell whether anybody waits for a type."""
        return key in self._lines

    def _committed(self, view: View) -> None:
        if self._lines:
            # Whoever asked in the same batch hears first that it came too early, and rests again:
            # otherwise the next in line would be sent in its place.
            for waiter in sorted(one for one in self._asking if one.answered):
                self._attempted(waiter, waiter.attempt)
            self.wake(made_claimable(view))
            if self._full:
                self._leases_ended(accounts_with_ended_leases(view))

    def _send(self, line: Line, tasks: int) -> None:
        for sent in range(min(tasks, line.length)):
            waiter = line.next_resting()
            if waiter is None:
                # Those who are asking may have asked too early.
                line.missed = min(line.missed + tasks - sent, line.asking)
                break
            self._attempt(waiter, line)

    def _ask(self, line: Line) -> None:
        """Send one waiter: something is there, but nobody knows how much."""
        if not self._attempt_next(line) and line.asking:
            line.missed = max(line.missed, 1)

    def _expect(self, line: Line, due_at: Instant) -> None:
        if line.due_at is None or due_at < line.due_at:
            line.due_at = due_at
            self._alarm.within((due_at - self._clock.now()) / SECOND)

    # --- one waiter

    def _join(self, command: ClaimNext) -> Waiter:
        lines = [self._line((command.account_id, type_)) for type_ in command.types]
        waiter = Waiter(next(self._arrivals), command, lines)
        waiter.rested_until = self._clock.monotonic()
        self.room.enter(command.account_id)
        for line in lines:
            line.length += 1
            line.rest(waiter)
        # It asks; where others rest before it, the first of them asks instead.
        asking = {one for line in lines if (one := line.next_resting())}
        if waiter.keyed:
            # What was claimed under its key before is for nobody else.
            asking.add(waiter)
        for one in sorted(asking):
            one.asks_for = waiter
            self._attempt(one)
        return waiter

    def _line(self, key: TypeKey) -> Line:
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = Line(key)
            self.unknown.set()
        return line

    def _leave(self, waiter: Waiter) -> None:
        account_id = waiter.command.account_id
        self.room.leave(account_id)
        for line in waiter.lines:
            line.length -= 1
            if not line.length:
                del self._lines[line.key]
        full = self._full.get(account_id)
        if full is not None:
            full.difference_update([line for line in waiter.lines if not line.length])
            if not full:
                del self._full[account_id]

    def _attempt_next(self, line: Line) -> bool:
        waiter = line.next_resting()
        if waiter is not None:
            self._attempt(waiter)
        return waiter is not None

    def _attempt(self, waiter: Waiter, sure: Line | None = None) -> None:
        waiter.sure = sure
        waiter.rested_until = self._clock.monotonic()
        waiter.attempt = self.taking.enter(waiter.command)
        waiter.attempt.add_done_callback(lambda attempt: self._attempted(waiter, attempt))
        self._asking.add(waiter)
        for line in waiter.lines:
            line.asking += 1

    def _attempted(self, waiter: Waiter, attempt: asyncio.Future[Outcome] | None) -> None:
        if attempt is None or waiter.attempt is not attempt:
            # It was heard before.
            return
        waiter.attempt = None
        asks_for, waiter.asks_for = waiter.asks_for, None
        self._asking.discard(waiter)
        for line in waiter.lines:
            line.asking -= 1
        if waiter.future.done():
            # It left: what it was sent for is there for the next.
            self.taking.take_back(attempt)
            self._pass_on(waiter)
        elif (fault := attempt.exception()) is not None:
            waiter.future.set_exception(fault)
            self._look_again(waiter)
        else:
            self._heard(waiter, attempt.result(), asks_for)

    def _heard(self, waiter: Waiter, outcome: Outcome, asks_for: Waiter | None) -> None:
        if isinstance(outcome, NoTask):
            self._found_nothing(waiter, outcome)
        elif isinstance(outcome, Rejection) and outcome.code in OF_THE_ACCOUNT:
            self._found_full(waiter, outcome, asks_for)
        else:
            waiter.future.set_result(outcome)
            if isinstance(outcome, Held) and not outcome.replayed:
                self._send_others(waiter, {task.type for task in (outcome.task, *outcome.more)})
            elif isinstance(outcome, Held) or _conflicts(outcome):
                self._pass_on(waiter)

    def _found_nothing(self, waiter: Waiter, outcome: NoTask) -> None:
        waiter.found_nothing = True
        missed = [line for line in waiter.lines if line.missed]
        for line in missed:
            line.missed -= 1
        if waiter.last:
            waiter.future.set_result(outcome)
        elif missed:
            self._attempt(waiter)
        else:
            self._rest(waiter)

    def _found_full(self, waiter: Waiter, outcome: Rejection, asks_for: Waiter | None) -> None:
        """Let a waiter keep its place while its account may claim nothing.

        Whoever has just come hears of it at once, and others when their time is up.
        """
        # One with a key asks itself, and may be told of what it has.
        if asks_for is not None and asks_for.resting:
            asks_for.rested_until = self._clock.monotonic()
            asks_for.future.set_result(outcome)
        if waiter.future.done():
            return
        if waiter.last:
            waiter.future.set_result(outcome)
            return
        # Then it asks once more.
        waiter.found_nothing = False
        for line in waiter.lines:
            line.missed = 0
        self._rest(waiter)
        self._full.setdefault(waiter.command.account_id, set()).update(waiter.lines)

    def _rest(self, waiter: Waiter) -> None:
        for line in waiter.lines:
            line.rest(waiter)

    def _pass_on(self, waiter: Waiter) -> None:
        """Send others for what a waiter was sent for, and did not take."""
        if waiter.sure is not None:
            self._send(waiter.sure, 1)
        else:
            for line in waiter.lines:
                self._ask(line)

    def _look_again(self, waiter: Waiter) -> None:
        """Have the database asked what is there, before anybody else meets the same fault."""
        for line in waiter.lines:
            line.known = False
        self.unknown.set()

    def _leases_ended(self, account_ids: Iterable[AccountId]) -> None:
        """Ask again for accounts that had as many leases as they may."""
        for account_id in account_ids:
            for line in self._full.pop(account_id, ()):
                self._ask(line)

    def _send_others(self, waiter: Waiter, got: set[str]) -> None:
        for line in waiter.lines:
            _, type_ = line.key
            if line is waiter.sure:
                if type_ not in got:
                    self._send(line, 1)
            elif type_ in got:
                for _ in range(SENT_ON_SUCCESS):
                    self._attempt_next(line)

    # --- the end of the wait

    def _end(self, waiters: Iterable[Waiter]) -> None:
        for waiter in sorted(waiters):
            waiter.last = True
            if not waiter.resting:
                continue
            waiter.rested_until = self._clock.monotonic()
            if self._stopping or (waiter.found_nothing and not waiter.keyed):
                # Where the account's limits stood when it asked is long past.
                waiter.future.set_result(NoTask(now=self._clock.now()))
            else:
                # Others asked in its place so far, and nobody leaves who never asked.
                self._attempt(waiter)

    def _set_alarm(self) -> None:
        now = self._clock.now()
        waits = list(self._endings.seconds_left())
        dues = (line.due_at for line in self._lines.values())
        waits += [(due_at - now) / SECOND for due_at in dues if due_at is not None]
        if waits:
            self._alarm.within(min(waits))


def _conflicts(outcome: Outcome) -> bool:
    return isinstance(outcome, Rejection) and outcome.code is ErrorCode.IDEMPOTENCY_CONFLICT
