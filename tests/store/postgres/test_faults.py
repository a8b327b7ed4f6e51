import asyncio
import inspect
import ssl

import asyncpg
import pytest
from asyncpg import exceptions

from orchestrion.core.faults import (
    Blocked,
    Conflict,
    Fault,
    Poison,
    StoreRefused,
    Unavailable,
    Unknown,
)
from orchestrion.store.postgres.faults import at_commit, before_commit, on_connecting

RAISED = sorted(
    {
        found
        for _, found in inspect.getmembers(exceptions, inspect.isclass)
        if issubclass(found, Exception) and not issubclass(found, Warning)
    },
    key=lambda found: found.__name__,
)


def refused(state: str) -> BaseException:
    return asyncpg.PostgresError.new({"C": state, "M": "the server's words"})


@pytest.mark.parametrize("kind", RAISED)
def test_every_error_of_the_driver_has_a_name_of_ours(kind: type[Exception]) -> None:
    error = kind("the server's words")

    assert isinstance(before_commit(error), Conflict | Poison | Unavailable)
    assert isinstance(at_commit(error), Conflict | Poison | Unknown)
    assert isinstance(on_connecting(error, "db:5432"), StoreRefused | Unavailable)


@pytest.mark.parametrize("kind", RAISED)
def test_what_tells_of_a_lost_connection_at_a_commit_is_unknown(kind: type[Exception]) -> None:
    error = kind("the server's words")

    if isinstance(before_commit(error), Unavailable):
        assert isinstance(at_commit(error), Unknown)


@pytest.mark.parametrize(
    ("state", "before", "at"),
    [
        ("40001", Conflict, Conflict),
        ("40P01", Conflict, Conflict),
        ("40003", Conflict, Unknown),
        ("08006", Unavailable, Unknown),
        ("08P01", Unavailable, Unknown),
        ("25006", Unavailable, Unknown),
        ("25P03", Unavailable, Unknown),
        ("25P04", Unavailable, Unknown),
        ("53100", Unavailable, Unknown),
        ("53300", Unavailable, Unknown),
        ("55P03", Blocked, Unknown),
        ("57014", Unavailable, Unknown),
        ("57P01", Unavailable, Unknown),
        ("57P03", Unavailable, Unknown),
        ("58030", Unavailable, Unknown),
        ("XX001", Unavailable, Unknown),
        ("42501", Unavailable, Unknown),
        ("22P05", Poison, Unknown),
        ("54000", Poison, Unknown),
        ("23505", Poison, Poison),
        ("23514", Poison, Poison),
        # An extension's, which no list has.
        ("ZZ123", Poison, Unknown),
    ],
)
def test_what_a_state_means_before_and_at_a_commit(
    state: str, before: type[Fault], at: type[Fault]
) -> None:
    assert type(before_commit(refused(state))) is before
    assert type(at_commit(refused(state))) is at


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError("refused"),
        ConnectionResetError("reset"),
        TimeoutError(),
        ssl.SSLError("no"),
        asyncpg.InterfaceError("connection is closed"),
    ],
)
def test_a_broken_wire_is_sure_before_a_commit_and_unknown_at_it(error: Exception) -> None:
    assert isinstance(before_commit(error), Unavailable)
    assert isinstance(at_commit(error), Unknown)


def test_a_bug_of_one_command_is_poison() -> None:
    assert isinstance(before_commit(KeyError("x")), Poison)
    assert isinstance(before_commit(asyncpg.DataError("an integer out of range")), Poison)


def test_faults_and_cancellation_pass_unchanged() -> None:
    for error in (Poison("a"), Unknown("b"), asyncio.CancelledError(), KeyboardInterrupt()):
        assert before_commit(error) is error
        assert at_commit(error) is error


def test_what_tenants_sent_stays_out_of_the_message() -> None:
    error = asyncpg.PostgresError.new(
        {"C": "23505", "M": "duplicate key value", "D": "Key (email)=(a@example.com) exists."}
    )

    assert "example.com" not in str(before_commit(error))
    assert "example.com" not in str(at_commit(error))
