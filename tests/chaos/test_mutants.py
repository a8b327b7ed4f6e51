"""The tester is tested: a service that breaks a promise is found out, and a sound one never is.

Four of the sixteen mutants are played, others every day; `python -m tests.chaos.all_mutants`
plays all.
"""

import sys
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest

from orchestrion.core import lifecycle
from orchestrion.store.sqlite import reading
from tests.chaos.mutants.catalogue import MUTANTS, about
from tests.chaos.mutants.probes import PROBES
from tests.chaos.mutants.programme import SCENES
from tests.chaos.mutants.rotation import A_DAY, DAYS, of_day
from tests.chaos.mutants.seams import MissingSeamError, Seams
from tests.chaos.mutants.trial import SELLER, Trials

# Read once: tests of one file run in one process, so midnight does not change what it plays. The
# names of the tests are the same every day, for other processes may have read another.
TODAY: Final = datetime.now(UTC).date()


@pytest.fixture
def seams() -> Iterator[Seams]:
    seams = Seams()
    yield seams
    seams.undo()


class RememberingSeams(Seams):
    """Names everything that a mutant leans on."""

    def __init__(self) -> None:
        super().__init__()
        self.used: list[tuple[object, str]] = []

    def original(self, owner: object, name: str) -> object:
        self.used.append((owner, name))
        return super().original(owner, name)


@pytest.fixture(scope="module")
def trials(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trials]:
    trials = Trials(tmp_path_factory.mktemp("mutants"), TODAY.toordinal())
    yield trials
    trials.close()


# --- what they are put into


@pytest.mark.parametrize("code", MUTANTS)
def test_a_mutant_changes_what_comes_out(code: str, seams: Seams, tmp_path: Path) -> None:
    probe = PROBES[code]
    folders = [tmp_path / name for name in ("before", "during", "after")]
    for folder in folders:
        folder.mkdir()

    before = probe(folders[0])
    MUTANTS[code](seams)
    during = probe(folders[1])
    seams.undo()
    after = probe(folders[2])

    assert during != before
    assert after == before


@pytest.mark.parametrize("code", MUTANTS)
def test_a_mutant_says_so_when_what_it_replaces_is_gone(code: str, seams: Seams) -> None:
    remembering = RememberingSeams()
    MUTANTS[code](remembering)
    remembering.undo()

    assert remembering.used
    for owner, name in remembering.used:
        kept = vars(owner)[name]
        delattr(owner, name)
        try:
            with pytest.raises((MissingSeamError, AttributeError), match=name):
                MUTANTS[code](seams)
        finally:
            seams.undo()
            setattr(owner, name, kept)


def test_what_is_not_there_is_never_replaced(seams: Seams) -> None:
    with pytest.raises(MissingSeamError, match="no_such_rule"):
        seams.replace(lifecycle, "no_such_rule", None)
    with pytest.raises(MissingSeamError, match="no_such_words"):
        seams.reword(reading, "load_task", "no_such_words", "")
    with pytest.raises(MissingSeamError, match="no_such_statement"):
        seams.reword(reading, "no_such_statement", "select", "")
    with pytest.raises(MissingSeamError, match="no_such_words"):
        seams.reword_all(reading, "no_such_words", "")


def test_every_mutant_has_words_and_a_scene() -> None:
    assert len(MUTANTS) == 16
    assert set(SCENES) | {SELLER} == set(MUTANTS) == set(PROBES)
    assert all(map(about, MUTANTS))


def test_all_are_played_within_four_days() -> None:
    first = date(2026, 12, 30)

    days = [of_day(first + timedelta(days=number)) for number in range(DAYS)]

    assert [len(day) for day in days] == [A_DAY] * DAYS
    assert {code for day in days for code in day} == set(MUTANTS)


# --- today's


@pytest.mark.slow
@pytest.mark.parametrize("place", range(A_DAY))
def test_a_mutant_of_today_is_caught_and_the_sound_service_is_not(
    place: int, trials: Trials, record_property: Callable[[str, object], None]
) -> None:
    code = of_day(TODAY)[place]
    record_property("mutant", code)
    sys.stdout.write(f"mutants of {TODAY}: {' '.join(of_day(TODAY))}; this is {code}\n")

    sound = trials.run_sound(code)
    mutant = trials.run(code)

    assert sound.broken == (), f"false alarm in the scene of {code}\n{sound.text}"
    assert mutant.caught, f"{code} escaped: {about(code)}\n{mutant.text}"
