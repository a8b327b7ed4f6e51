"""Claims whose caller may leave before it hears what it got: then nothing stays with it."""

import asyncio
from collections.abc import Sequence

from orchestrion.core.commands import ClaimNext, ClaimTask, FinishAndClaim, UndoClaim
from orchestrion.core.outcomes import Held, Outcome, Several
from orchestrion.core.task import Task
from orchestrion.engine.writer import Writer

Claim = ClaimNext | ClaimTask | FinishAndClaim


class Taking:
    """Makes claims, and undoes those that were made for nobody."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def enter(self, command: Claim) -> asyncio.Future[Outcome]:
        """Submit a claim; whoever cancels the future gets no task."""
        return self._writer.enter(command, self.undo)

    async def claim(self, command: Claim) -> Outcome:
        """Claim without waiting; whoever is cancelled meanwhile gets no task."""
        future = self.enter(command)
        try:
            return await future
        except asyncio.CancelledError:
            self.take_back(future)
            raise

    def take_back(self, future: asyncio.Future[Outcome]) -> None:
        """Undo what a caller was given in the very moment it left."""
        if future.done() and not future.cancelled() and future.exception() is None:
            self.undo(future.result())

    def undo(self, outcome: Outcome) -> None:
        """Give back what a claim got.

        A claim under a key stands: its caller may repeat it, and must get the same then.
        """
        for task in _handed_out(outcome):
            if task.lease_token is not None and task.claim_key is None:
                command = UndoClaim(
                    account_id=task.account_id, task_id=task.id, lease_token=task.lease_token
                )
                # What cannot be given back now comes back when its lease ends.
                self._writer.enter(command).add_done_callback(_notice)


def _handed_out(outcome: Outcome) -> Sequence[Task]:
    match outcome:
        case Held():
            return (outcome.task, *outcome.more)
        case Several():
            return [task for one in outcome.outcomes for task in _handed_out(one)]
        case _:
            return ()


def _notice(future: asyncio.Future[Outcome]) -> None:
    # Nobody else asks how it went.
    _ = future.cancelled() or future.exception()
