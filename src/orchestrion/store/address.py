"""Reads the URL of a database; must not open anything, nor show a password."""

import re
from pathlib import Path
from typing import Literal, TypeAlias
from urllib.parse import parse_qsl, unquote

import msgspec

SQLITE_URL_START = "sqlite:///"
POSTGRES_URL_STARTS = ("postgresql://", "postgres://")
PORT_MAX = 65_535
# What the driver makes of a query; anything else would reach the server as a setting of its own.
POSTGRES_PARAMETERS = frozenset(
    {
        *("host", "port", "dbname", "database", "user", "password", "passfile"),
        *("service", "target_session_attrs", "krbsrvname", "gsslib"),
        *("sslmode", "sslnegotiation", "sslrootcert", "sslcert", "sslkey", "sslpassword", "sslcrl"),
        *("ssl_min_protocol_version", "ssl_max_protocol_version"),
        *("application_name", "options", "search_path"),
    }
)
# What the driver would take no notice of, or refuse only when it connects.
_VALUES = {
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "sslnegotiation": ("postgres", "direct"),
    # The service writes; it goes where it can.
    "target_session_attrs": ("any", "primary", "read-write"),
}

# What stands between a server and PostgreSQL; "transaction" is PgBouncer's pool mode.
Pooler: TypeAlias = Literal["none", "transaction"]
# Whose commands share a transaction; a database distributed by account wants one account's.
Batches: TypeAlias = Literal["mixed", "one-account"]

_PERCENT = r"(?:[^\s:/?#@%\x00]|%[0-9A-Fa-f]{2})"
_POSTGRES = re.compile(
    rf"postgres(?:ql)?://(?:(?P<user>{_PERCENT}*)(?::(?:{_PERCENT}|:)*)?@)?"
    r"(?P<hosts>[^\s/?#@]*)(?:/(?P<name>[^\s/?#]*))?(?:\?(?P<query>[^\s#]+))?"
)
_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|(?:[A-Za-z0-9._-]|%[0-9A-Fa-f]{2})+)(?::([0-9]{1,5}))?")


class SqliteFile(msgspec.Struct, frozen=True, kw_only=True):
    """A database in a file."""

    path: Path

    @property
    def shown(self) -> str:
        """Give the words for people."""
        return str(self.path)

    def __str__(self) -> str:
        return f"{SQLITE_URL_START}{self.path}"


class PostgresUrl(msgspec.Struct, frozen=True, kw_only=True):
    """A database on a server; `url` may hold a password and is never printed, `shown` may be."""

    url: str
    shown: str

    def __str__(self) -> str:
        return self.shown

    def __repr__(self) -> str:
        return f"PostgresUrl({self.shown!r})"


Address: TypeAlias = SqliteFile | PostgresUrl


class DatabaseOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Where everything is kept, and what stands between."""

    address: Address
    pooler: Pooler = "none"
    batches: Batches = "mixed"
    # A way to the same database for notifications, which a pooler does not carry.
    notify: PostgresUrl | None = None


def read_address(text: str) -> Address:
    """Turn a URL into an address; raises ValueError, whose reason quotes nothing."""
    if text.startswith(POSTGRES_URL_STARTS):
        return _postgres_url(text)
    return _sqlite_file(text)


def read_postgres_url(text: str) -> PostgresUrl | None:
    """Turn a URL of a server into an address, and no text into none; raises ValueError."""
    if text and not text.startswith(POSTGRES_URL_STARTS):
        raise ValueError
    return _postgres_url(text) if text else None


def _sqlite_file(url: str) -> SqliteFile:
    name = url.removeprefix(SQLITE_URL_START)
    unusable = not name or name.endswith("/") or name == ":memory:"
    if not url.startswith(SQLITE_URL_START) or unusable or re.search(r"[?#\x00]", name):
        raise ValueError
    return SqliteFile(path=Path(name))


def _postgres_url(url: str) -> PostgresUrl:
    match = _POSTGRES.fullmatch(url)
    if match is None:
        raise ValueError("percent-encode what is special in its user, password or name")
    parameters = _parameters(match["query"] or "")
    hosts = match["hosts"] or parameters.get("host", "")
    if match["hosts"]:
        _refuse_bad_hosts(match["hosts"])
        if not parameters.keys().isdisjoint({"host", "port"}):
            # The driver would go to the standard port without a word.
            raise ValueError("host and port stand either before its / or both in its parameters")
    name = match["name"] or parameters.get("dbname") or parameters.get("database") or ""
    if not name and "service" not in parameters:
        raise ValueError("it names no database")
    user = match["user"] or parameters.get("user", "")
    return PostgresUrl(url=url, shown=_shown(user, hosts, parameters.get("port", ""), name))


def _parameters(query: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    except ValueError:
        raise ValueError("what follows its ? cannot be read") from None
    parameters = dict(pairs)
    if len(parameters) < len(pairs):
        raise ValueError("a parameter is given twice")
    if not parameters.keys() <= POSTGRES_PARAMETERS:
        raise ValueError(f"its parameters may be {', '.join(sorted(POSTGRES_PARAMETERS))}")
    for name, allowed in _VALUES.items():
        if parameters.get(name, allowed[0]) not in allowed:
            raise ValueError(f"its {name} may be {', '.join(allowed)}")
    return parameters


def _refuse_bad_hosts(hosts: str) -> None:
    for host in hosts.split(","):
        match = _HOST.fullmatch(host)
        if match is None or int(match[1] or 0) > PORT_MAX:
            raise ValueError("a host or port in it cannot be")


def _shown(user: str, hosts: str, port: str, name: str) -> str:
    whose = f"{user}@" if user else ""
    if unquote(hosts).startswith("/"):
        behind = f"&port={port}" if port else ""
        return f"postgresql://{whose}/{name}?host={unquote(hosts)}{behind}"
    return f"postgresql://{whose}{hosts}{':' + port if port else ''}/{name}"
