"""What a database URL may be, and what of it is shown."""

from pathlib import Path

import pytest

from orchestrion.store.address import (
    POSTGRES_PARAMETERS,
    PostgresUrl,
    SqliteFile,
    read_address,
)


@pytest.mark.parametrize(
    ("url", "path"),
    [("sqlite:///tasks.db", "tasks.db"), ("sqlite:////var/lib/tasks.db", "/var/lib/tasks.db")],
)
def test_a_file_is_shown_as_its_path(url: str, path: str) -> None:
    address = read_address(url)

    assert address == SqliteFile(path=Path(path))
    assert (address.shown, str(address)) == (path, url)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://db.example/tasks", "postgresql://db.example/tasks"),
        ("postgres://db.example:6432/tasks", "postgresql://db.example:6432/tasks"),
        ("postgresql://me@db/tasks", "postgresql://me@db/tasks"),
        ("postgresql://me:s%40fe:ty@db/tasks", "postgresql://me@db/tasks"),
        ("postgresql://me:@db/tasks", "postgresql://me@db/tasks"),
        ("postgresql://a:1,b:2,[::1]:3/tasks", "postgresql://a:1,b:2,[::1]:3/tasks"),
        ("postgresql:///tasks?host=/run/pg&port=9", "postgresql:///tasks?host=/run/pg&port=9"),
        ("postgresql://%2Frun%2Fpg/tasks", "postgresql:///tasks?host=/run/pg"),
        ("postgresql:///tasks", "postgresql:///tasks"),
        ("postgresql://db?dbname=tasks&user=me&password=safety", "postgresql://me@db/tasks"),
        ("postgresql://db/tasks?sslmode=verify-full&sslpassword=safety", "postgresql://db/tasks"),
        ("postgresql://?service=tasks", "postgresql:///"),
    ],
)
def test_a_server_is_shown_without_password_and_options(url: str, shown: str) -> None:
    address = read_address(url)

    assert address == PostgresUrl(url=url, shown=shown)
    for text in (str(address), repr(address), f"{address}", address.shown):
        assert "safety" not in text
        assert "s%40fe" not in text


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://",
        "postgresql://db",
        "postgresql://db/",
        "postgresql://db/a/b",
        "postgresql://db:port/tasks",
        "postgresql://db:99999/tasks",
        "postgresql://a,,b/tasks",
        "postgresql://me:p@ss@db/tasks",
        "postgresql://me:p%zz@db/tasks",
        "postgresql://db/tasks#here",
        "postgresql://db/ta sks",
        "postgresql://db/tasks\n",
        "postgresql://db/tasks?",
        "postgresql://db/tasks?sslmode",
        "postgresql://db/tasks?sslmod=require",
        "postgresql://db/tasks?sslmode=requier",
        "postgresql://db/tasks?sslnegotiation=maybe",
        "postgresql://db/tasks?target_session_attrs=standby",
        "postgresql://db/tasks?target_session_attrs=read-only",
        "postgresql://db/tasks?port=1&port=2",
        "postgresql://db/tasks?port=6432",
        "postgresql://db/tasks?host=/run/postgresql",
        "postgresql+asyncpg://db/tasks",
        "POSTGRESQL://db/tasks",
    ],
)
def test_what_the_driver_would_misread_is_refused(url: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the text is for people
        read_address(url)

    assert "p@ss" not in str(caught.value)


def test_every_parameter_that_is_offered_is_read() -> None:
    values = {"sslmode": "require", "sslnegotiation": "direct", "target_session_attrs": "primary"}
    for name in POSTGRES_PARAMETERS:
        url = f"postgresql:///tasks?{name}={values.get(name, '1')}"
        assert isinstance(read_address(url), PostgresUrl)
