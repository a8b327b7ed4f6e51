"""Locks what claims may take: the first rows of each type that wait, and its overdue ones."""

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from orchestrion.core.instants import Instant
from orchestrion.core.task import Task
from orchestrion.core.view import Needs, TypeKey, View
from orchestrion.store import rows
from orchestrion.store.named import load_statements
from orchestrion.store.postgres.fronts import NOWHERE, Front, Fronts, Look
from orchestrion.store.postgres.session import Session

SQL: Final = load_statements("orchestrion.store.postgres")

Begins = Mapping[TypeKey, Front]
Found = Mapping[TypeKey, Sequence[Any]]


class ClaimingView(View):
    """A view that knows where its claims looked."""

    def __init__(self, now: Instant, looks: dict[TypeKey, Look]) -> None:
        super().__init__(now)
        self.looks = looks
        for key, look in looks.items():
            if not look.every_overdue:
                self.more_overdue.add(key)
            self.load_claimable(key, list(look.pending), list(look.overdue))


class Claiming:
    """Looks for claimable rows on behalf of one server."""

    def __init__(self, *, one_account: bool) -> None:
        self._one_account = one_account
        self._fronts = Fronts(time.monotonic)

    async def lock(
        self, session: Session, needs: Needs, given: Instant | None
    ) -> dict[TypeKey, Look]:
        """Lock candidates for every claim; locked rows of others are passed over."""
        if not needs.claims:
            return {}
        begins = {key: self._fronts.of(key) for key in needs.claims}
        looks = await self._look(session, needs, begins, given)
        # Too little: perhaps what was passed over before is free now.
        short = {
            key: NOWHERE
            for key, look in looks.items()
            if begins[key] is not NOWHERE and self._fronts.again(key, look)
        }
        if short:
            looks |= await self._look(session, needs, short, given)
        return looks

    def done(self, view: View) -> None:
        """Take note of what a transaction claimed, once it has happened."""
        if isinstance(view, ClaimingView) and view.looks:
            self._fronts.advance(view, view.looks)

    async def _look(
        self, session: Session, needs: Needs, begins: Begins, given: Instant | None
    ) -> dict[TypeKey, Look]:
        started = time.monotonic()
        found = await self._fetch(session, needs, begins, given)
        seconds = time.monotonic() - started
        return {
            key: _look_of(
                needs, key, self._fronts.whole(key, seconds) if front is NOWHERE else front, found
            )
            for key, front in begins.items()
        }

    async def _fetch(
        self, session: Session, needs: Needs, begins: Begins, given: Instant | None
    ) -> Found:
        if not self._one_account and len(begins) > 1:
            return await _fetch_many(session, needs, begins, given)
        return {
            key: await session.fetch(
                SQL["load_claimable"],
                *key,
                given,
                needs.candidates(key),
                needs.overdue(key),
                list(front.due_at),
                list(front.due_at.values()),
                front.ended_after,
            )
            for key, front in begins.items()
        }


async def _fetch_many(
    session: Session, needs: Needs, begins: Begins, given: Instant | None
) -> Found:
    keys = list(begins)
    known = [
        (place, priority, due_at)
        for place, front in enumerate(begins.values(), 1)
        for priority, due_at in front.due_at.items()
    ]
    found = await session.fetch(
        SQL["load_claimable_of_many"],
        [account_id for account_id, _ in keys],
        [type_ for _, type_ in keys],
        given,
        [needs.candidates(key) for key in keys],
        [needs.overdue(key) for key in keys],
        [front.ended_after for front in begins.values()],
        *([one[column] for one in known] for column in range(3)),
    )
    of_key: dict[TypeKey, list[Any]] = {key: [] for key in keys}
    for row in found:
        of_key[keys[row[0] - 1]].append(row[1:])
    return of_key


def _look_of(needs: Needs, key: TypeKey, began: Front, found: Found) -> Look:
    pending: list[Task] = []
    overdue: list[Task] = []
    for row in found[key]:
        (overdue if row[0] else pending).append(rows.task_of(row[1:]))
    # A row that changed while it was being locked comes as it is now, in its former place.
    pending.sort(key=lambda task: task.claim_order)
    return Look(
        began,
        pending,
        overdue,
        short=len(pending) < needs.candidates(key),
        every_overdue=len(overdue) < needs.overdue(key),
    )
