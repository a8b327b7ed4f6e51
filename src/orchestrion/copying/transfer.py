"""The whole copy: sum the file up, add what is missing, sum the database up, compare."""

from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal

import msgspec

from orchestrion.copying.outcome import Compared, Outcome, Sum
from orchestrion.copying.source import Source
from orchestrion.copying.tables import TABLES, Adding
from orchestrion.copying.target import Target
from orchestrion.core.instants import SECOND
from orchestrion.store.postgres import migrating
from orchestrion.store.postgres.place import Place
from orchestrion.store.postgres.working import opened

# Clocks that are set by NTP are closer; what is copied takes longer.
AHEAD_SECONDS_MAX: Final = 5

Step = Literal["Reading the file", "Copying", "Checking"]
# Gets a step, how many rows of it are done, and how many there are.
Progress = Callable[[Step, int, int], None]


async def copy(path: Path, place: Place, progress: Progress) -> Outcome:
    """Copy a file into a database and verify it, or go on with that; raises StoreRefused.

    A copy that was verified before is not looked at again: servers have written since.
    """
    with Source(path) as source:
        await migrating.migrate(place, "pre")
        async with opened(place) as session:
            target = Target(session)
            await target.refuse_unfit()
            return await _Transfer(source, target, progress).run()


class _Transfer:
    def __init__(self, source: Source, target: Target, progress: Progress) -> None:
        self._source = source
        self._target = target
        self._progress = progress
        self._all = source.count()

    async def run(self) -> Outcome:
        wanted = self._sum_up_file()
        sums = msgspec.json.encode(wanted).decode()
        begun = await self._target.begin(str(self._source.path.resolve()), sums)
        found = wanted
        if begun.verified_at is None:
            await self._add_missing()
            await self._target.complete()
            found = await self._sum_up_database()
            if found == wanted:
                await self._target.verify()
        return Outcome(
            tables=[Compared(in_file=a, in_database=b) for a, b in zip(wanted, found, strict=True)],
            verified_before=begun.verified_at is not None,
            ahead_seconds=await self._ahead_seconds(),
        )

    def _sum_up_file(self) -> list[Sum]:
        done = 0
        sums = []
        for table in TABLES:
            adding, after = Adding(table), table.start
            while rows := self._source.page(table, after):
                adding.add(rows)
                after = table.key_of(rows[-1])
                done += len(rows)
                self._progress("Reading the file", done, self._all)
            sums.append(adding.sum())
        return sums

    async def _add_missing(self) -> None:
        done = await self._target.count()
        for table in TABLES:
            columns = self._source.columns(table)
            after = await self._target.last(table)
            while rows := self._source.page(table, after):
                await self._target.add(table, columns, rows)
                after = table.key_of(rows[-1])
                done += len(rows)
                self._progress("Copying", done, self._all)

    async def _sum_up_database(self) -> list[Sum]:
        done = 0
        sums = []
        for table in TABLES:
            adding, after = Adding(table), table.start
            while rows := await self._target.page(table, after):
                adding.add(rows)
                after = table.key_of(rows[-1])
                done += len(rows)
                self._progress("Checking", done, self._all)
            sums.append(adding.sum())
        return sums

    async def _ahead_seconds(self) -> float:
        ahead = (self._source.mark() - await self._target.now()) / SECOND
        return ahead if ahead > AHEAD_SECONDS_MAX else 0.0
