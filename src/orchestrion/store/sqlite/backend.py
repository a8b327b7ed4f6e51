"""The embedded database of one server: its lock, its time, its writer and its readers."""

import os
from collections.abc import Callable, Sequence
from typing import Final

import apsw

from orchestrion.core.clock import Clock
from orchestrion.core.faults import StoreRefused
from orchestrion.core.instants import Instant
from orchestrion.core.plans import Catalogue
from orchestrion.store.named import load_statements
from orchestrion.store.sqlite.database import Place, lock, open_writer
from orchestrion.store.sqlite.loading import Loader
from orchestrion.store.sqlite.reading import SqliteReader
from orchestrion.store.sqlite.store import MARK, SqliteStore

SQL: Final = load_statements("orchestrion.store.sqlite")


class Backend:
    """An open database. `clock` starts no earlier than the last instant a server used here."""

    warnings: Sequence[str] = ()
    # One process has the file to itself.
    wakeups: None = None

    def __init__(
        self, place: Place, make_clock: Callable[[Instant], Clock], catalogue: Catalogue
    ) -> None:
        self._lock = lock(place.path)
        try:
            connection = open_writer(place)
            mark = connection.execute(SQL["load_mark"], {"name": MARK}).get
            self.clock = make_clock(Instant(mark or 0))
            loader = Loader(connection, catalogue.lease_bounds)
            self.store = SqliteStore(connection, self.clock, loader)
            self.reader = SqliteReader(place, self.clock)
        except apsw.Error as error:
            os.close(self._lock)
            message = f"cannot open the database {place.path}: {error}"
            raise StoreRefused(message) from error
        except BaseException:
            os.close(self._lock)
            raise

    async def close(self) -> None:
        """Close every connection, the writer's last, and let the file go."""
        await self.reader.close()
        await self.store.close()
        os.close(self._lock)
