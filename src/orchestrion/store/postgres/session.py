"""One session with the database: opened with every limit, and checked before it is used."""

import asyncio
import socket
from pathlib import Path
from typing import Any, Final

import asyncpg
from asyncpg.connect_utils import SessionAttribute

from orchestrion.core.faults import StoreRefused
from orchestrion.store.postgres.faults import on_connecting
from orchestrion.store.postgres.place import Place, Role

OLDEST_SERVER: Final = 15
_ENCODING = "UTF8"
_DURABILITY = "select current_setting('fsync'), current_setting('synchronous_commit')"


class Session(asyncpg.Connection):
    """A connection that keeps the last warning it was sent and knows how to begin here."""

    __slots__ = ("begin_text", "commit_seconds", "committing", "pooled", "transport", "warned")

    def __init__(self, protocol: Any, transport: Any, *rest: Any) -> None:  # noqa: ANN401 - the driver's
        super().__init__(protocol, transport, *rest)
        self.transport: asyncio.Transport = transport
        self.begin_text = ""
        # Lent for a transaction at a time, so that what it is told holds no longer than that.
        self.pooled = False
        self.commit_seconds = 0.0
        # A commit that has not been answered yet.
        self.committing: asyncio.Task[str] | None = None
        self.warned = ""
        self.add_log_listener(_keep_warning)


def _keep_warning(session: Any, message: Any) -> None:  # noqa: ANN401 - the driver's
    if message.severity_en == "WARNING":
        session.warned = message.message


async def open_session(place: Place, role: Role) -> Session:
    """Connect to the first host that takes writes. Raises Unavailable or StoreRefused."""
    last: Exception = AssertionError("an address names at least one host")
    where = ""
    _refuse_missing(place)
    for address, point in zip(place.addresses(), place.points(), strict=True):
        try:
            session = await _connect(address, place, role)
        except Exception as error:  # noqa: BLE001 - whatever it was, the next host may do
            last, where = error, point
            continue
        try:
            _refuse_unfit(session)
        except StoreRefused:
            session.terminate()
            raise
        return session
    raise on_connecting(last, where) from last


def _refuse_missing(place: Place) -> None:
    """The driver's own word for such a file does not name it."""
    for parameter, path in place.files().items():
        try:
            Path(path).open("rb").close()
        except OSError as error:
            message = f"cannot read {path}, {parameter} of the database address: {error.strerror}"
            raise StoreRefused(message) from error


async def durability_warnings(session: Session) -> list[str]:
    """Say, one line each, which settings of the server let it lose what it has confirmed."""
    found = await session.fetchrow(_DURABILITY)
    assert found is not None
    fsync, synchronous_commit = found
    warnings = []
    if fsync == "off":
        warnings.append("the database runs with fsync = off: a crash of its machine loses data")
    if synchronous_commit == "off":
        warnings.append(
            "the database runs with synchronous_commit = off: a crash loses the latest commits"
        )
    return warnings


async def _connect(address: str, place: Place, role: Role) -> Session:
    pooled = place.pooler == "transaction"
    session = await asyncpg.connect(
        address,
        timeout=place.connect_seconds,
        command_timeout=place.command_seconds(role),
        # Behind a pooler the next statement may go to a session that has prepared nothing.
        statement_cache_size=0 if pooled else 100,
        max_cached_statement_lifetime=0,
        connection_class=Session,
        server_settings=place.start_up(role),
        target_session_attrs=SessionAttribute.read_write,
    )
    session.begin_text = place.begin(role)
    session.commit_seconds = place.commit_seconds
    session.pooled = pooled
    try:
        _notice_dead_peer(session.transport.get_extra_info("socket"), place)
    except BaseException:
        session.terminate()
        raise
    return session


def _refuse_unfit(session: Session) -> None:
    version = session.get_server_version()
    if version.major < OLDEST_SERVER:
        message = f"PostgreSQL {version.major} is too old: {OLDEST_SERVER} or newer is needed"
        raise StoreRefused(message)
    encoding = getattr(session.get_settings(), "server_encoding", _ENCODING)
    if encoding != _ENCODING:
        message = f"the database is encoded in {encoding}: create it with encoding UTF8"
        raise StoreRefused(message)


def _notice_dead_peer(connected: socket.socket | None, place: Place) -> None:
    if connected is None:
        raise ConnectionResetError("the connection was lost as soon as it was made")
    if connected.family not in {socket.AF_INET, socket.AF_INET6}:
        return
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    options = {
        "TCP_KEEPIDLE": place.keepalive_idle_seconds,
        "TCP_KEEPINTVL": place.keepalive_interval_seconds,
        "TCP_KEEPCNT": place.keepalive_count,
        "TCP_USER_TIMEOUT": place.unanswered_seconds * 1000,
    }
    for name, value in options.items():
        # Not every system has every option.
        if hasattr(socket, name):
            connected.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
