"""Claims that wait for a task: woken in the order they came, answered empty when their time is up.

A waiter gets a task by no other way than its own claim, which goes through the writer like any.
Being woken means that it is worth asking: whoever finds nothing waits on, in its place. So a
wake-up too many costs a claim, and one too few is made good by the lookout.
"""

import asyncio
import math
from collections.abc import Iterable, Sequence
from itertools import count
from typing import Final

from msgspec.structs import replace

from orchestrion.core.claimable import ALREADY, Claimable, made_claimable
from orchestrion.core.clock import Clock
from orchestrion.core.commands import ClaimNext
from orchestrion.core.instants import SECOND, Instant
from orchestrion.core.outcomes import Held, NoTask, Outcome
from orchestrion.core.view import TypeKey, View
from orchestrion.engine.alarm import Alarm
from orchestrion.engine.lines import Line, Waiter
from orchestrion.engine.room import Patience, Room
from orchestrion.engine.taking import Taking
from orchestrion.engine.writer import Writer

# Waiters whose time is up within one such span are answered together, at its end.
SPAN_SECONDS: Final = 0.1
# Where more may be left than is known of, whoever gets a task sends so many others.
SENT_ON_SUCCESS: Final = 2


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
        # By the span in which their time is up.
        self._ending: dict[int, set[Waiter]] = {}
        self._alarm = Alarm(self.turn)
        self._stopping = False
        # How many of those who wait have a claim at the writer just now.
        self.asking = 0
        writer.listeners.append(self._committed)

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
        span = self._end_within(waiter, patience.seconds)
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
            self._leave(waiter, span)

    def stop(self) -> None:
        """Answer everybody, and let nobody wait any more."""
        self._stopping = True
        self._alarm.cancel()
        for waiters in self._ending.values():
            self._end(waiters)

    def turn(self) -> None:
        """Answer those whose time is up, and wake those for whom a task has become due."""
        now, span = self._clock.now(), self._clock.monotonic() / SPAN_SECONDS
        for ended in [one for one in self._ending if one <= span]:
            self._end(self._ending.pop(ended))
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

    def _committed(self, view: View) -> None:
        if self._lines:
            self.wake(made_claimable(view))

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
        for one in sorted({one for line in lines if (one := line.next_resting())}):
            self._attempt(one)
        return waiter

    def _line(self, key: TypeKey) -> Line:
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = Line(key)
            self.unknown.set()
        return line

    def _leave(self, waiter: Waiter, span: int) -> None:
        self.room.leave(waiter.command.account_id)
        for line in waiter.lines:
            line.length -= 1
            if not line.length:
                del self._lines[line.key]
        together = self._ending.get(span)
        if together is not None:
            together.discard(waiter)
            if not together:
                del self._ending[span]

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
        self.asking += 1
        for line in waiter.lines:
            line.asking += 1

    def _attempted(self, waiter: Waiter, attempt: asyncio.Future[Outcome]) -> None:
        waiter.attempt = None
        self.asking -= 1
        for line in waiter.lines:
            line.asking -= 1
        if waiter.future.done():
            # It left: what it was sent for is there for the next.
            self.taking.take_back(attempt)
            if waiter.sure is not None:
                self._send(waiter.sure, 1)
        elif (fault := attempt.exception()) is not None:
            waiter.future.set_exception(fault)
        elif isinstance(outcome := attempt.result(), NoTask):
            self._found_nothing(waiter, outcome)
        else:
            waiter.future.set_result(outcome)
            if isinstance(outcome, Held):
                self._send_others(waiter, {task.type for task in (outcome.task, *outcome.more)})

    def _found_nothing(self, waiter: Waiter, outcome: NoTask) -> None:
        waiter.empty = outcome
        missed = [line for line in waiter.lines if line.missed]
        for line in missed:
            line.missed -= 1
        if waiter.last:
            waiter.future.set_result(outcome)
        elif missed:
            self._attempt(waiter)
        else:
            for line in waiter.lines:
                line.rest(waiter)

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

    def _end_within(self, waiter: Waiter, seconds: float) -> int:
        span = math.ceil((self._clock.monotonic() + seconds) / SPAN_SECONDS)
        self._ending.setdefault(span, set()).add(waiter)
        self._alarm.within(seconds)
        return span

    def _end(self, waiters: Iterable[Waiter]) -> None:
        for waiter in sorted(waiters):
            waiter.last = True
            if not waiter.resting:
                continue
            waiter.rested_until = self._clock.monotonic()
            if self._stopping:
                waiter.future.set_result(waiter.empty or NoTask(now=self._clock.now()))
            elif waiter.empty is not None:
                waiter.future.set_result(waiter.empty)
            else:
                # Others asked in its place so far, and nobody leaves who never asked.
                self._attempt(waiter)

    def _set_alarm(self) -> None:
        monotonic, now = self._clock.monotonic(), self._clock.now()
        waits = [span * SPAN_SECONDS - monotonic for span in self._ending]
        dues = (line.due_at for line in self._lines.values())
        waits += [(due_at - now) / SECOND for due_at in dues if due_at is not None]
        if waits:
            self._alarm.within(min(waits))
