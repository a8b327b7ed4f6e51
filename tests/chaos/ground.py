"""What a campaign runs on: replicas, the ways to them, and a database that can be hurt."""

import asyncio
import json
import random
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import asyncpg
import msgspec

from tests.chaos.recorder import Way
from tests.chaos.replica import Program, Replica
from tests.chaos.small_disk import SmallDisk, small_disk
from tests.chaos.wires import Middleman, Mood
from tests.postgres import PostgresServer

SQLITE: Final = "sqlite"
POSTGRES: Final = "postgres"
STORES: Final = (SQLITE, POSTGRES)
DATABASE: Final = "chaos"
REPLICAS: Final = {SQLITE: 1, POSTGRES: 3}
# The direct way is taken so much more often than that through a middleman.
DIRECT: Final = 2
_BESIDE: Final = Path(__file__).with_name("beside.py")
_HOLDING: Final = Path(__file__).with_name("holding.py")
_SETTINGS: Final = {"max_connections": "80"}
_EMPTY: Final = frozenset({Mood.DROPS, Mood.DROPS_ANSWERS})

Row = dict[str, Any]


class Ground:
    """A service at work; `postgres` and `between` on PostgreSQL only, `disk` on SQLite only."""

    def __init__(self, store: str, folder: Path) -> None:
        self.store = store
        self.folder = folder
        self.replicas: list[Replica] = []
        self.postgres: PostgresServer | None = None
        # Between the first replica and PostgreSQL.
        self.between: Middleman | None = None
        self.disk: SmallDisk | None = None
        self._file = Path()

    @property
    def ways(self) -> list[Way]:
        """Give the ways to ask: direct ones more often than those through middlemen."""
        found: list[Way] = []
        for one in self.replicas:
            assert one.middleman is not None
            found += [Way(one.port, one.index)] * DIRECT
            if one.serving:
                found.append(Way(one.middleman.port, one.index))
        return found

    @property
    def direct(self) -> list[Way]:
        """Give the undisturbed ways."""
        return [Way(one.port, one.index) for one in self.replicas]

    async def fetch(self, statement: str) -> list[Row]:
        """Read or change rows beside the service."""
        if self.postgres is None:
            return await asyncio.to_thread(self._fetch_from_file, statement)
        connection = await asyncpg.connect(self.postgres.url(DATABASE))
        try:
            return [dict(row) for row in await connection.fetch(statement)]
        finally:
            await connection.close()

    @asynccontextmanager
    async def locked(self) -> AsyncIterator[None]:
        """Let nobody change a task until the block ends."""
        if self.postgres is None:
            async with self._file_locked():
                yield
            return
        connection = await asyncpg.connect(self.postgres.url(DATABASE))
        try:
            async with connection.transaction():
                await connection.execute("lock table tasks in exclusive mode")
                yield
        finally:
            await connection.close()

    @asynccontextmanager
    async def _file_locked(self) -> AsyncIterator[None]:
        prefix = () if self.disk is None else self.disk.prefix
        process = await asyncio.create_subprocess_exec(
            *prefix,
            *(sys.executable, "-I", str(_HOLDING), str(self._file)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            held = await process.stdout.readline()
            assert held, "the file could not be locked"
            yield
        finally:
            process.stdin.close()
            await process.wait()

    def calm(self) -> None:
        """Undo what was done to wires and disk; clocks stay wrong."""
        for one in self.replicas:
            assert one.middleman is not None
            soothe(one.middleman)
        if self.between is not None:
            soothe(self.between)
        if self.disk is not None:
            self.disk.free()

    async def start(self, program: Program, chance: random.Random) -> None:
        """Start all replicas and the middlemen before them."""
        if self.disk is not None:
            command = (*self.disk.prefix, *program.command)
            program = msgspec.structs.replace(program, command=command)
        for index in range(REPLICAS[self.store]):
            replica = Replica(index, program, self.folder)
            replica.middleman = Middleman(replica.port, chance)
            await replica.middleman.start()
            replica.database_url = self._url(index)
            self.replicas.append(replica)
        for replica in self.replicas:
            await replica.start()

    async def open(self, resources: ExitStack, chance: random.Random) -> None:
        """Make the database, which goes with the resources."""
        if self.store == SQLITE:
            self.disk = resources.enter_context(small_disk(self.folder / "disk"))
            place = self.folder if self.disk is None else self.disk.folder
            self._file = (place / "orchestrion.db").absolute()
            return
        self.postgres = resources.enter_context(PostgresServer(_SETTINGS))
        self.postgres.createdb(DATABASE)
        self.between = Middleman(self.postgres.port, chance)
        await self.between.start()

    async def close(self) -> None:
        """Leave no process of the service, and nobody who listens."""
        for one in self.replicas:
            if one.running:
                await one.kill()
            assert one.middleman is not None
            await one.middleman.close()
        if self.between is not None:
            await self.between.close()

    def _url(self, index: int) -> str:
        if self.postgres is None:
            return f"sqlite:///{self._file}"
        url = self.postgres.url(DATABASE)
        if index == 0 and self.between is not None:
            return url.replace(f":{self.postgres.port}/", f":{self.between.port}/")
        return url

    def _fetch_from_file(self, statement: str) -> list[Row]:
        prefix = () if self.disk is None else self.disk.prefix
        printed = subprocess.run(
            [*prefix, sys.executable, "-I", str(_BESIDE), str(self._file), statement],
            stdout=subprocess.PIPE,
            check=True,
        ).stdout
        found: list[Row] = json.loads(printed)
        return found


def soothe(middleman: Middleman) -> None:
    """Let a middleman pass everything; who lost a part of a stream is cut off."""
    lossy = middleman.mood in _EMPTY
    middleman.mood = Mood.CALM
    if lossy:
        middleman.cut()


@asynccontextmanager
async def ground_for(
    store: str, folder: Path, program: Program, chance: random.Random
) -> AsyncIterator[Ground]:
    """Serve on a new database until the block ends."""
    with ExitStack() as resources:
        ground = Ground(store, folder)
        await ground.open(resources, chance)
        try:
            await ground.start(program, chance)
            yield ground
        finally:
            await ground.close()
