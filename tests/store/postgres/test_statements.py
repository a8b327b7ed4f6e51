"""Every statement of queries.sql: named once, used, one statement, and of one account."""

import re
from collections.abc import AsyncIterator
from importlib.resources import files
from typing import Final

import pytest

from orchestrion.store.named import load_statements
from orchestrion.store.postgres.place import WRITER, Place
from orchestrion.store.postgres.session import Session, open_session
from tests.databases import Databases

PACKAGE: Final = "orchestrion.store.postgres"
STATEMENTS: Final = load_statements(PACKAGE)
TEXT: Final = files(PACKAGE).joinpath("queries.sql").read_text("utf-8")
# A list of pairs has a form of its own, which is named after the form for one account.
OF_MANY: Final = "_of_many"
TENANTS: Final = re.compile(
    r"\b(?:from|into|update|join)\s+"
    r"(tasks|idempotency_keys|request_counts|task_counts|task_minutes)\b"
)
# Reads for jobs and metrics, over all accounts and without a lock.
OVER_ALL: Final = {
    "count_by_status",
    "list_overdue",
    "load_request_counts",
}


def without_comments(name: str) -> str:
    return re.sub(r"--[^\n]*", "", STATEMENTS[name]).strip()


@pytest.fixture(scope="module")
async def session(databases: Databases) -> AsyncIterator[Session]:
    with databases.postgres.lent() as database:
        session = await open_session(Place(url=database.url), WRITER)
        yield session
        await session.close()


def test_no_name_is_given_twice() -> None:
    names = re.findall(r"^-- name: (\w+)$", TEXT, re.MULTILINE)

    assert sorted(names) == sorted(STATEMENTS)


def test_every_statement_is_used() -> None:
    source = "".join(
        entry.read_text("utf-8") for entry in files(PACKAGE).iterdir() if entry.name.endswith(".py")
    )

    unused = {name for name in STATEMENTS if f'"{name}"' not in source}
    of_many = {name for name in unused if name.endswith(OF_MANY)}

    assert unused == of_many
    assert f'"{OF_MANY}"' in source
    assert {name.removesuffix(OF_MANY) for name in of_many} <= set(STATEMENTS) - unused


@pytest.mark.parametrize("name", STATEMENTS)
async def test_every_statement_is_one_statement_that_the_schema_allows(
    session: Session, name: str
) -> None:
    assert without_comments(name).find(";") == len(without_comments(name)) - 1
    await session.prepare(STATEMENTS[name])


@pytest.mark.parametrize("name", [name for name in STATEMENTS if TENANTS.search(STATEMENTS[name])])
def test_every_statement_on_what_tenants_own_names_the_account(name: str) -> None:
    """So that the tables can be distributed by account."""
    statement = without_comments(name)
    named = re.search(
        r"account_id (=|>) (any \(array\[)?(\$|asked|changed|gone|accounts)"
        r"|insert into \w+( as \w+)? \(\s*account_id",
        statement,
    )

    assert bool(named) is (name not in OVER_ALL)


@pytest.mark.parametrize("name", sorted(OVER_ALL))
def test_what_reads_over_all_accounts_locks_nothing(name: str) -> None:
    assert not re.search(
        r"\bfor (no key )?(update|share)|\b(insert|update|delete)\b", without_comments(name)
    )


@pytest.mark.parametrize(
    "name",
    [name for name in STATEMENTS if re.search(r"\bfor (no key )?update\b", STATEMENTS[name])],
)
def test_what_locks_rows_has_a_form_for_one_account(name: str) -> None:
    """A database distributed by account locks rows only where one account is a constant."""
    form = (
        name.removesuffix(OF_MANY).removesuffix("s")
        if name == "lock_accounts"
        else name.removesuffix(OF_MANY)
    )

    assert re.search(r"\b(account_id|id) = \$\d", without_comments(form))
