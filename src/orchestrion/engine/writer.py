"""Group commit: the commands that arrived during one commit are decided and committed together."""

import asyncio
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from orchestrion.core.commands import ClaimNext, Command, CreateTask, account_of, parts_of
from orchestrion.core.decide import decide_all
from orchestrion.core.errors import ErrorCode
from orchestrion.core.faults import Blocked, Conflict, Fault, Poison, Unavailable, Unknown
from orchestrion.core.ids import AccountId
from orchestrion.core.limits import AGAIN_MAX, IN_FLIGHT_WAIT_SECONDS
from orchestrion.core.needs import needs_of
from orchestrion.core.outcomes import Again, NoTask, Outcome, Rejection
from orchestrion.core.plans import Catalogue
from orchestrion.core.view import Needs, View
from orchestrion.engine.overload import Admission, QueueLimits, kind_of
from orchestrion.engine.ports import BatchRecord, Clock, Observer, Store
from orchestrion.engine.waiting import ByAccount, Entry, InOrder, Unheard, Waiting

CONFLICT_TRIES: Final = 3
# Waited at most before the second try, and so much more before each further one.
CONFLICT_WAIT_SECONDS: Final = 0.02
STOPPING: Final = "The server is stopping; nothing was changed."
STOPPING_WAIT_SECONDS: Final = 2


class Writer:
    """Commits commands from concurrent requests together.

    There is no timer: a batch is what queued up while the last one was being committed. Where the
    store takes several transactions at a time there are as many lanes, each of which takes a
    batch whenever it is free.
    """

    def __init__(
        self,
        store: Store,
        catalogue: Catalogue,
        clock: Clock,
        observer: Observer,
        limits: QueueLimits | None = None,
    ) -> None:
        self._store = store
        self._catalogue = catalogue
        self._clock = clock
        self._observer = observer
        self._limits = limits or QueueLimits()
        self._admission = Admission(self._limits)
        self._waiting: Waiting = ByAccount() if store.one_account else InOrder()
        self._arrived = asyncio.Event()
        self._undecided: dict[int, set[tuple[str, str]]] = {}
        self._stopping = False
        # Told after each commit which rows it loaded and changed.
        self.listeners: list[Callable[[View], None]] = []

    @property
    def depth(self) -> int:
        """The weight of the commands waiting for a batch."""
        return len(self._waiting)

    async def submit(self, command: Command) -> Outcome:
        """Have a command decided and committed; the outcome comes after the commit.

        Raises Poison, Conflict, Unavailable (surely nothing happened) or Unknown.
        """
        return await self.enter(command)

    def enter(self, command: Command, unheard: Unheard | None = None) -> asyncio.Future[Outcome]:
        """Let a command wait for its batch; whoever cancels the future before that withdraws it.

        Once it is in a batch it is committed all the same: `unheard` is then given the outcome.
        """
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        # Nearly always nothing speaks against it, and one look tells.
        if self._stopping or self._undecided or len(self._waiting) >= self._admission.calm_max:
            refused = self._refused(command)
            if refused:
                future.set_result(refused)
                return future
        self._waiting.append(Entry(command, future, unheard))
        self._arrived.set()
        return future

    async def run(self) -> None:
        """Commit batch after batch until stopped, then what still waits."""
        if self._store.lanes == 1:
            await self._run_lane(0)
            return
        lanes = [
            asyncio.create_task(self._run_lane(number), name=f"writer {number}")
            for number in range(self._store.lanes)
        ]
        try:
            await asyncio.gather(*lanes)
        finally:
            for lane in lanes:
                lane.cancel()
            await asyncio.gather(*lanes, return_exceptions=True)

    def stop(self) -> None:
        """Refuse new commands; `run` returns once those accepted are committed."""
        self._stopping = True
        self._arrived.set()

    def _refused(self, command: Command) -> Rejection | None:
        if self._stopping:
            return Rejection(
                code=ErrorCode.SERVER_ERROR,
                status=503,
                message=STOPPING,
                wait_seconds=STOPPING_WAIT_SECONDS,
            )
        in_flight = self.in_flight(command)
        if in_flight:
            return in_flight
        refused = self._admission.refused(command, len(self._waiting))
        if refused:
            self._observer.refused(kind_of(command).__name__)
        return refused

    def in_flight(self, command: Command) -> Rejection | None:
        """Refuse a repeat of a create that is being committed: its caller is to come back."""
        if not self._undecided:
            return None
        for key in _create_keys(command):
            if any(key in keys for keys in self._undecided.values()):
                return Rejection(
                    code=ErrorCode.IDEMPOTENCY_IN_FLIGHT, wait_seconds=IN_FLIGHT_WAIT_SECONDS
                )
        return None

    async def _run_lane(self, lane: int) -> None:
        while not (self._stopping and not self._waiting):
            await self._arrived.wait()
            self._arrived.clear()
            while batch := self._waiting.next_batch(self._limits.batch_max):
                await self._commit_undecided(lane, batch)
        # The others may be waiting for what this lane has just finished.
        self._arrived.set()

    async def _commit_undecided(self, lane: int, batch: list[Entry]) -> None:
        if self._waiting:
            # More than one batch holds: another lane that is free takes the next.
            self._arrived.set()
        keys = {key for entry in batch for key in _create_keys(entry.command)}
        if keys:
            self._undecided[lane] = keys
        try:
            await self._commit(batch)
        finally:
            self._undecided.pop(lane, None)
            self._waiting.release(batch)

    async def _commit(self, batch: Sequence[Entry]) -> None:
        try:
            outcomes, view = await self._transact(batch)
        except Poison as fault:
            # Surely rolled back, by one of the commands: find it, spare the others.
            await self._isolate(batch, fault)
        except Blocked as fault:
            # Surely rolled back: the row is one account's, and the others need not wait for it.
            await self._part(batch, fault)
        except Exception as fault:  # noqa: BLE001 - whatever broke, every caller must hear of it
            # The fate of a commit may be unknown here, so nothing is ever replayed.
            for entry in batch:
                entry.fail(fault if isinstance(fault, Fault) else Unknown(repr(fault)))
        else:
            # After the commit, never before: an outcome is a promise.
            self._answer(batch, outcomes)
            self._tell(view)

    async def _isolate(self, batch: Sequence[Entry], fault: Poison) -> None:
        if len(batch) == 1:
            batch[0].fail(fault)
            return
        middle = len(batch) // 2
        await self._commit(batch[:middle])
        await self._commit(batch[middle:])

    async def _part(self, batch: Sequence[Entry], fault: Blocked) -> None:
        parts: dict[AccountId | None, list[Entry]] = {}
        for entry in batch:
            parts.setdefault(account_of(entry.command), []).append(entry)
        if len(parts) == 1:
            for entry in batch:
                entry.fail(fault)
            return
        for part in parts.values():
            await self._commit(part)

    async def _transact(self, batch: Sequence[Entry]) -> tuple[list[Outcome], View]:
        started = self._clock.monotonic()
        commands = [entry.command for entry in batch]

        def decide(view: View) -> tuple[list[Outcome], View]:
            return decide_all(commands, self._catalogue, view), view

        for tries in range(CONFLICT_TRIES):
            if tries:
                await asyncio.sleep(_conflict_wait(tries))
            try:
                decided = await self._store.transact(_needs(batch), decide)
            except Conflict as conflict:
                last = conflict
                continue
            seconds = self._clock.monotonic() - started
            weight = sum(entry.weight for entry in batch)
            self._observer.batch(BatchRecord(commands=weight, seconds=seconds))
            return decided
        message = f"another transaction was in the way {CONFLICT_TRIES} times: {last}"
        raise Unavailable(message) from last

    def _tell(self, view: View) -> None:
        for listener in self.listeners:
            try:
                listener(view)
            except Exception as error:  # noqa: BLE001 - what was committed and answered stays so
                self._observer.fault("listener_failed", "", error)

    def _answer(self, batch: Sequence[Entry], outcomes: Sequence[Outcome]) -> None:
        again: list[Entry] = []
        for entry, outcome in zip(batch, outcomes, strict=True):
            if not isinstance(outcome, Again):
                entry.answer(outcome)
            elif entry.tries < AGAIN_MAX and isinstance(entry.command, ClaimNext):
                entry.tries += 1
                again.append(entry)
            else:
                entry.answer(NoTask(now=self._clock.now()))
        self._waiting.put_back(again)


def _needs(batch: Sequence[Entry]) -> Needs:
    needs = needs_of(entry.command for entry in batch)
    for entry in batch:
        claim = entry.command
        if entry.tries and isinstance(claim, ClaimNext):
            needs.deeper.update((claim.account_id, type_) for type_ in claim.types)
    return needs


def _create_keys(command: Command) -> Iterator[tuple[str, str]]:
    for part in parts_of(command):
        if isinstance(part, CreateTask) and part.idempotency_key is not None:
            yield (part.account_id, part.idempotency_key)


def _conflict_wait(tries: int) -> float:
    # Writers that met once must not meet again at the next step.
    return random.random() * CONFLICT_WAIT_SECONDS * tries  # noqa: S311 - no secret
