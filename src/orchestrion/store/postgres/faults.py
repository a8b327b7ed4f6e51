"""What an error of the database means: whether anything happened, and whether to try again."""

from typing import Final

import asyncpg

from orchestrion.core.faults import (
    Blocked,
    Conflict,
    Fault,
    Poison,
    StoreRefused,
    Unavailable,
    Unknown,
)

# All that the driver raises when a statement fails or its connection is lost.
DRIVER_ERRORS: Final = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
)
# Other transactions were in the way: serialization failures and deadlocks.
_CONFLICTS: Final = ("40",)
# Class 08 connection, 28 authorization, 53 resources, 57 an operator's doing or a time limit,
# 58 the system, F0 configuration, XX corruption; then a lock or a transaction that took too long,
# a standby, a missing database, permission, schema, table or column: no command is to blame.
_AWAY: Final = (
    *("08", "28", "53", "57", "58", "F0", "XX"),
    *("25006", "25P03", "25P04", "3D000", "3F000", "42501", "42703", "42P01"),
)
# Checked, by PostgreSQL, before a commit is written: constraints, serialization, deadlocks.
_REFUSED_AT_COMMIT: Final = ("23",)
_CONFLICTS_AT_COMMIT: Final = ("40001", "40P01")
# The address, the user or the database is wrong: waiting does not mend it.
_MISTAKEN: Final = ("28", "3D000")
# PgBouncer says so with the state of a broken protocol.
_MISTAKEN_BY_A_POOLER: Final = ("SASL authentication failed", "no such user", "no such database")
_UNKNOWN_PARAMETER: Final = "unsupported startup parameter"
_POOLER: Final = (
    "the database refuses the connection at {said}; "
    "this looks like a pooler such as PgBouncer: say --database-pooler transaction"
)
# The driver's words.
_NO_TLS: Final = "rejected SSL upgrade"
_WITHOUT_TLS: Final = (
    "the database refuses the connection at {point}: it offers no TLS, and sslmode asks for it"
)


def before_commit(error: BaseException) -> BaseException:
    """Name what went wrong while no commit was sent: the transaction is surely rolled back."""
    match error:
        case Fault() | StoreRefused():
            return error
        # The schema changed under a statement: it is read anew on the next try.
        case asyncpg.InvalidCachedStatementError() | asyncpg.OutdatedSchemaCacheError():
            return Conflict(_text(error))
        case asyncpg.PostgresError() if _state(error).startswith(_CONFLICTS):
            return Conflict(_text(error))
        case asyncpg.LockNotAvailableError():
            return Blocked(_text(error))
        case asyncpg.PostgresError() if _state(error).startswith(_AWAY):
            return Unavailable(_text(error))
        case OSError() | asyncpg.InternalClientError():
            return Unavailable(_text(error))
        # What asyncpg says of a connection it has lost; its subclasses tell of bad arguments.
        case asyncpg.InterfaceError() if type(error) is asyncpg.InterfaceError:
            return Unavailable(_text(error))
        case Exception():
            return Poison(_text(error))
        case _:
            return error


def at_commit(error: BaseException) -> BaseException:
    """Name what a commit came to: only a definite refusal tells that nothing happened."""
    match error:
        case Fault():
            return error
        case asyncpg.PostgresError() if _state(error) in _CONFLICTS_AT_COMMIT:
            return Conflict(_text(error))
        case asyncpg.PostgresError() if _state(error).startswith(_REFUSED_AT_COMMIT):
            return Poison(_text(error))
        case Exception():
            return Unknown(f"the commit's answer was lost: {_text(error)}")
        case _:
            return error


def on_connecting(error: Exception, point: str) -> Exception:
    """Name what kept a session from being opened: a mistake to mend, or a database that is away."""
    said = f"{point}: {_text(error)}"
    match error:
        case StoreRefused():
            return error
        case asyncpg.ProtocolViolationError() if _UNKNOWN_PARAMETER in str(error):
            return StoreRefused(_POOLER.format(said=said))
        case asyncpg.ProtocolViolationError() if str(error).startswith(_MISTAKEN_BY_A_POOLER):
            return StoreRefused(f"the database refuses the connection at {said}")
        case asyncpg.PostgresError() if _state(error).startswith(_MISTAKEN):
            return StoreRefused(f"the database refuses the connection at {said}")
        case ConnectionError() if _NO_TLS in str(error):
            return StoreRefused(_WITHOUT_TLS.format(point=point))
        case asyncpg.ClientConfigurationError():
            return StoreRefused(f"the database address cannot be used: {_text(error)}")
        case _:
            return Unavailable(f"the database cannot be reached at {said}")


def _state(error: asyncpg.PostgresError) -> str:
    return error.sqlstate or ""


def _text(error: BaseException) -> str:
    # The first argument alone: details of a constraint quote what tenants sent.
    said = error.args[0] if isinstance(error, asyncpg.PostgresError) and error.args else error
    return f"{type(error).__name__}: {said}"
