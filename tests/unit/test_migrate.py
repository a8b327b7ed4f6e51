"""Which numbered files are due, and which databases are too new."""

import pytest

from orchestrion.core.faults import StoreRefused
from orchestrion.store.migrate import (
    Applied,
    Migration,
    due,
    outstanding,
    refuse_departed,
    refuse_newer,
)

NAMES = ("0001_pre_initial.sql", "0002_pre_column.sql", "0003_post_column.sql", "0004_pre_more.sql")
KNOWN = [Migration(number=number, name=name, sql="") for number, name in enumerate(NAMES, 1)]


def applied(*numbers: int) -> list[Applied]:
    return [Applied(number=number, name=NAMES[number - 1]) for number in numbers]


def numbers(migrations: list[Migration]) -> list[int]:
    return [migration.number for migration in migrations]


def test_an_empty_database_gets_everything_in_order() -> None:
    assert numbers(due([], KNOWN, "pre")) == [1, 2, 3, 4]


def test_a_database_in_use_gets_only_what_older_programs_do_not_notice() -> None:
    assert numbers(due(applied(1), KNOWN, "pre")) == [2, 4]
    assert numbers(due(applied(1, 2, 4), KNOWN, "pre")) == []


def test_the_rest_is_due_once_older_programs_are_gone() -> None:
    assert numbers(due(applied(1), KNOWN, "post")) == [2, 3, 4]
    assert numbers(due(applied(1, 2, 4), KNOWN, "post")) == [3]
    assert numbers(outstanding(applied(1, 2, 4), KNOWN)) == [3]


def test_an_older_program_goes_on_beside_what_a_newer_one_added() -> None:
    refuse_departed(applied(1, 2), KNOWN[:1])


def test_an_older_program_is_refused_once_a_newer_one_has_taken_something_away() -> None:
    with pytest.raises(StoreRefused, match="has schema 3, this program knows 1: run a newer"):
        refuse_departed(applied(1, 2, 3, 4), KNOWN[:1])


def test_a_file_of_its_own_never_refuses_a_program() -> None:
    refuse_departed(applied(1, 2, 3, 4), KNOWN)
    refuse_newer(applied(1, 2, 3, 4), KNOWN)


def test_where_nothing_runs_side_by_side_everything_newer_is_refused() -> None:
    with pytest.raises(StoreRefused, match="has schema 2, this program knows 1"):
        refuse_newer(applied(1, 2), KNOWN[:1])


def test_a_record_that_tells_no_phase_counts_as_the_stricter() -> None:
    with pytest.raises(StoreRefused):
        refuse_departed([Applied(number=9, name="later")], KNOWN)
