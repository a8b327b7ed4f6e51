"""An empty database for a real server, and a way to change it behind the server's back."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Final

import apsw
import msgspec

from tests.e2e.serving import PATIENCE_SECONDS
from tests.postgres import PostgresServer

SQLITE: Final = "sqlite"
POSTGRES: Final = "postgres"
KINDS: Final = (SQLITE, POSTGRES)


class Ground(msgspec.Struct, frozen=True, kw_only=True):
    """Where the server keeps everything, and how that is changed behind its back."""

    url: str
    change: Callable[[str], object]

    @contextmanager
    def without_tasks(self) -> Iterator[None]:
        """Take the tasks away for a while."""
        self.change("alter table tasks rename to away")
        yield
        self.change("alter table away rename to tasks")


@contextmanager
def ground(kind: str, folder: Path) -> Iterator[Ground]:
    """Lend an empty database of a kind."""
    if kind == SQLITE:
        file = folder / "orchestrion.db"
        yield Ground(url=f"sqlite:///{file}", change=partial(_change_file, file))
    else:
        with PostgresServer() as server:
            yield Ground(url=server.url(), change=server.psql)


def _change_file(file: Path, statement: str) -> None:
    with closing(apsw.Connection(str(file))) as connection:
        connection.set_busy_timeout(PATIENCE_SECONDS * 1_000)
        connection.pragma("legacy_alter_table", "on")
        connection.execute(statement)
