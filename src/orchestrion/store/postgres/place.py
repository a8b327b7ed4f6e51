"""Where the shared database is, and every limit that holds between it and one server."""

import math
import re
from types import MappingProxyType
from typing import Final, Literal
from urllib.parse import parse_qsl, unquote

import msgspec

from orchestrion.store.address import Batches, Pooler
from orchestrion.store.news import NOBODY, News

APPLICATION: Final = "orchestrion"
PORT: Final = 5432
# Parameters of an address that name files.
FILES: Final = ("sslrootcert", "sslcert", "sslkey", "sslcrl")
_HOSTS_END: Final = re.compile(r"[/?#]")
_PATH_END: Final = re.compile(r"[?#]")
_WITH_PORT: Final = re.compile(r"\]:[0-9]+$|^[^:]*:[0-9]+$")
# A rule of ours: batches lock what they read, so a later statement must see the latest commits.
_ISOLATION: Final = "begin isolation level read committed"
# The statements are few and each has one good plan, which follows an index. It is made once, often
# while a table is still empty: what looks cheap then must not be kept when the table has grown.
_PLANS: Final = MappingProxyType(
    {
        "plan_cache_mode": "force_generic_plan",
        "jit": "off",
        "enable_seqscan": "off",
        "enable_bitmapscan": "off",
        "enable_hashjoin": "off",
        "enable_mergejoin": "off",
        # Where an index gives the order it is meant to be used, however few rows are expected.
        "enable_sort": "off",
    }
)


class Role(msgspec.Struct, frozen=True, kw_only=True):
    """What one kind of session may take, in seconds; 0 is no limit."""

    name: str
    statement_seconds: float
    lock_seconds: float
    # Between two statements of a transaction, so that one that hangs does not hold its locks.
    idle_seconds: float

    def settings(self) -> dict[str, str]:
        """Give the limits as PostgreSQL names them."""
        return {
            "statement_timeout": _milliseconds(self.statement_seconds),
            "lock_timeout": _milliseconds(self.lock_seconds),
            "idle_in_transaction_session_timeout": _milliseconds(self.idle_seconds),
        }


WRITER: Final = Role(name="writer", statement_seconds=5, lock_seconds=2, idle_seconds=10)
READER: Final = Role(name="reader", statement_seconds=5, lock_seconds=2, idle_seconds=10)
# Lists and counts, which may read many rows.
LONG_READER: Final = Role(name="long reader", statement_seconds=15, lock_seconds=2, idle_seconds=10)
# Wake-ups between servers: no statement reads a row.
NOTIFIER: Final = Role(name="notifier", statement_seconds=5, lock_seconds=2, idle_seconds=10)
# Migrations and copies: long statements, but no long wait for a lock that others queue behind.
OPERATOR: Final = Role(name="operator", statement_seconds=0, lock_seconds=5, idle_seconds=600)
# What the sessions of a server are called; a pooler's are all called by the first word. An
# operator's are never called so.
SERVING: Final = tuple(f"{APPLICATION} {role.name}" for role in (WRITER, READER, LONG_READER))


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """An address and its limits. The address may name several hosts and may hold a password."""

    url: str
    pooler: Pooler = "none"
    # Leads past a pooler, for what a pooler cannot carry: notifications.
    notify_url: str = ""
    batches: Batches = "mixed"
    writers: int = 1
    readers: int = 4
    long_readers: int = 2
    # One session listens, if any may.
    notifiers: Literal[1] = 1
    # How many callers may wait for a connection, and how long each.
    waiting_max: int = 512
    waiting_seconds: float = 2
    # Per host of the address.
    connect_seconds: float = 3
    # How long a start waits for a database that is just starting too.
    opening_seconds: float = 20
    # What the network may add to a statement's own limit.
    answer_seconds: float = 2
    # After this a caller is told that the fate of its commit is unknown; the commit itself is left
    # to end in peace, and its connection counts as taken, for so long.
    commit_seconds: float = 10
    lingering_seconds: float = 60
    # Between two tries to reach a database that is down: at random, and longer up to this.
    first_backoff_seconds: float = 0.1
    backoff_seconds: float = 1
    # A peer that died silently is noticed after the first plus the count times the second.
    keepalive_idle_seconds: int = 5
    keepalive_interval_seconds: int = 3
    keepalive_count: int = 3
    unanswered_seconds: int = 10
    # Who hears how the database is reached.
    news: News = NOBODY

    def __repr__(self) -> str:
        return f"Place({self.shown!r})"

    @property
    def shown(self) -> str:
        """The address without password and options, for messages."""
        start, user, hosts, rest = self._parts()
        whose = f"{user.rstrip('@').partition(':')[0]}@" if user else ""
        return f"{start}{whose}{hosts}{_PATH_END.split(rest, maxsplit=1)[0]}"

    @property
    def connections(self) -> int:
        """How many sessions one process of a server opens at most."""
        return self.writers + self.readers + self.long_readers + self.notifiers

    def addresses(self) -> tuple[str, ...]:
        """Give one address per host named, so that a dead one costs no more than its own time."""
        start, user, hosts, rest = self._parts()
        return tuple(f"{start}{user}{host}{rest}" for host in hosts.split(","))

    def points(self) -> tuple[str, ...]:
        """Name, for messages, what `addresses` lead to: a host with its port, or a socket."""
        _, _, hosts, rest = self._parts()
        given = dict(parse_qsl(rest.partition("?")[2]))
        port = given.get("port", str(PORT))
        if hosts:
            return tuple(_point(host, port) for host in hosts.split(","))
        return (_point(given["host"], port) if "host" in given else "the default address",)

    def files(self) -> dict[str, str]:
        """Give the files that the address names, by their parameters."""
        given = dict(parse_qsl(self._parts()[3].partition("?")[2]))
        return {name: given[name] for name in FILES if given.get(name)}

    def _parts(self) -> tuple[str, str, str, str]:
        """Split into scheme, user with its @, hosts, and what follows them.

        The library's own splitting takes one host, and refuses a list with a bracket in it.
        """
        scheme, mark, rest = self.url.partition("://")
        place = _HOSTS_END.search(rest)
        end = place.start() if place else len(rest)
        user, at, hosts = rest[:end].rpartition("@")
        return scheme + mark, user + at, hosts, rest[end:]

    def start_up(self, role: Role) -> dict[str, str]:
        """Give what a session is started with; a pooler would hand the session to others."""
        name = f"{APPLICATION} {role.name}"
        if self.pooler == "transaction":
            return {"application_name": APPLICATION if name in SERVING else name}
        return {
            "application_name": name,
            **role.settings(),
            **_PLANS,
            # Time out a client that died silently, so that its locks go.
            "tcp_keepalives_idle": str(self.keepalive_idle_seconds),
            "tcp_keepalives_interval": str(self.keepalive_interval_seconds),
            "tcp_keepalives_count": str(self.keepalive_count),
            "tcp_user_timeout": _milliseconds(self.unanswered_seconds),
        }

    def begin(self, role: Role) -> str:
        """Give the one simple query that opens a transaction under the role's limits."""
        if self.pooler == "none":
            return _ISOLATION
        settings = {**role.settings(), **_PLANS}
        local = (f"set local {name} = {value}" for name, value in settings.items())
        return "; ".join((_ISOLATION, *local))

    def command_seconds(self, role: Role) -> float | None:
        """Give how long a client waits for the answer to one statement."""
        return role.statement_seconds + self.answer_seconds if role.statement_seconds else None


def _point(host: str, port: str) -> str:
    host = unquote(host)
    if host.startswith("/"):
        return f"{host}/.s.PGSQL.{port}"
    return host if _WITH_PORT.search(host) else f"{host}:{port}"


def _milliseconds(seconds: float) -> str:
    return str(math.ceil(seconds * 1000))
