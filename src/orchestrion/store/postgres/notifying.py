"""Wake-ups between servers by LISTEN and NOTIFY, on a session of their own that is always renewed.

A NOTIFY takes a lock of the whole database while it commits, so it is no part of any batch: what
batches made claimable gathers here while the last NOTIFY is under way, and then goes in one.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from orchestrion.core.claimable import Claimable
from orchestrion.core.faults import Unavailable
from orchestrion.core.ids import AccountId
from orchestrion.core.instants import Instant
from orchestrion.store.named import load_statements
from orchestrion.store.postgres.place import NOTIFIER, Place
from orchestrion.store.postgres.session import Session, open_session

SQL: Final = load_statements("orchestrion.store.postgres")
CHANNEL: Final = "orchestrion_claimable"
# PostgreSQL's own limit is 8000.
PAYLOAD_BYTES_MAX: Final = 7_999
# A payload that names nothing: look for yourselves.
LOOK: Final = ""
# Between two NOTIFYs of one server.
PAUSE_SECONDS: Final = 0.01
# How long a silent session is trusted.
SILENT_SECONDS: Final = 15.0
# What is heard and not yet taken; more is summed up as "look".
HEARD_MAX: Final = 10_000
# Types to tell of, more than a payload holds.
TOLD_MAX: Final = 1_000

_PAYLOAD = msgspec.json.Decoder(list[Claimable])


class Told:
    """What is to be told, summed up: by account, type and instant; or that there is too much."""

    def __init__(self) -> None:
        self._counts: dict[tuple[AccountId, str, Instant], int] = {}
        self._all = False

    def __bool__(self) -> bool:
        return self._all or bool(self._counts)

    def add(self, ready: Sequence[Claimable]) -> None:
        """Take more."""
        for one in ready:
            key = (one.account_id, one.type, one.at)
            self._counts[key] = self._counts.get(key, 0) + one.count
        if len(self._counts) > TOLD_MAX:
            self.everything()

    def everything(self) -> None:
        """Tell the others to look for themselves."""
        self._counts.clear()
        self._all = True

    def take(self) -> str:
        """Write the payload, and begin anew."""
        sums = [
            Claimable(account_id, type_, count, at)
            for (account_id, type_, at), count in self._counts.items()
        ]
        payload = msgspec.json.encode(sums)
        fits = not self._all and len(payload) <= PAYLOAD_BYTES_MAX
        self._counts.clear()
        self._all = False
        return payload.decode() if fits else LOOK


class PostgresWakeups:
    """Fits `engine.ports.Wakeups`."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._told = Told()
        self._to_tell = asyncio.Event()
        self._heard: list[Claimable] = []
        self._missed = False
        self._to_hear = asyncio.Event()
        self._listening = False
        self._conversed = False

    @property
    def listening(self) -> bool:
        """Whether the others are heard just now."""
        return self._listening

    def announce(self, ready: Sequence[Claimable]) -> None:
        """Tell the others soon."""
        self._told.add(ready)
        self._to_tell.set()

    async def heard(self) -> Sequence[Claimable] | None:
        """Wait for what the others tell; None where something of it may have been missed."""
        await self._to_hear.wait()
        self._to_hear.clear()
        heard, self._heard = self._heard, []
        missed, self._missed = self._missed, False
        return None if missed else heard

    async def run(self, lost: Callable[[Exception], None]) -> None:
        """Keep a session until cancelled; one that breaks is replaced, and told of once."""
        told = False
        while True:
            try:
                await self._converse()
            except Exception as error:  # noqa: BLE001 - whatever broke, polling goes on, and so does this
                if not told or self._conversed:
                    lost(error)
                told, self._conversed = True, False
            longest = self._place.backoff_seconds
            # At random over the pause, so that many servers do not come back as one.
            await asyncio.sleep(random.uniform(0, longest))  # noqa: S311 - spreads load

    async def _converse(self) -> None:
        session = await open_session(self._place, NOTIFIER)
        try:
            lost = asyncio.Event()
            session.add_termination_listener(lambda _: self._lose(lost))
            await session.add_listener(CHANNEL, self._hear)
            self._listening = True
            # What was told on either side while there was no session went nowhere.
            self._miss()
            self._told.everything()
            self._conversed = True
            while not lost.is_set():
                await self._tell(session)
            raise Unavailable("the session for wake-ups has ended")
        finally:
            self._listening = False
            session.terminate()

    async def _tell(self, session: Session) -> None:
        if not self._told:
            try:
                async with asyncio.timeout(SILENT_SECONDS):
                    await self._to_tell.wait()
            except TimeoutError:
                await session.execute("select 1")
                return
        self._to_tell.clear()
        await session.execute(SQL["notify"], CHANNEL, self._told.take())
        await asyncio.sleep(PAUSE_SECONDS)

    def _hear(self, session: Any, sender: int, channel: str, payload: Any) -> None:  # noqa: ANN401 - the driver's
        del channel
        if sender == session.get_server_pid():
            return
        try:
            self._heard += _PAYLOAD.decode(payload)
        except msgspec.DecodeError:
            # It names nothing, or a newer server says it in other words.
            self._miss()
        if len(self._heard) > HEARD_MAX:
            self._miss()
        self._to_hear.set()

    def _miss(self) -> None:
        self._missed = True
        self._heard.clear()
        self._to_hear.set()

    def _lose(self, lost: asyncio.Event) -> None:
        self._listening = False
        lost.set()
        self._to_tell.set()


class Deaf:
    """Stands where no session can listen: behind a pooler, with no direct connection."""

    listening: Final = False

    def announce(self, ready: Sequence[Claimable]) -> None:
        """Tell nobody."""

    async def heard(self) -> Sequence[Claimable] | None:
        """Hear nothing, ever."""
        await asyncio.Event().wait()
        return None

    async def run(self, lost: Callable[[Exception], None]) -> None:
        """Do nothing."""


def wakeups_of(place: Place) -> PostgresWakeups | Deaf:
    """Give the wake-ups of a database, by its direct connection if it has one."""
    if place.notify_url:
        return PostgresWakeups(msgspec.structs.replace(place, url=place.notify_url, pooler="none"))
    return PostgresWakeups(place) if place.pooler == "none" else Deaf()
