"""Names that were probably meant: near ones come first, far ones not at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrion.core.limits import (
    CLAIM_TYPES_MAX,
    SIMILAR_LETTERS_MAX,
    SIMILAR_TYPES_MAX,
    TYPE_LENGTH_MAX,
    TYPES_COMPARED_MAX,
)
from orchestrion.core.similar import distance, similar

words = st.text("abc", max_size=8)


def plain_distance(one: str, other: str) -> int:
    """The same without any short cut: optimal string alignment."""
    rows = [list(range(len(other) + 1))]
    for i, letter in enumerate(one, 1):
        row = [i]
        for j, against in enumerate(other, 1):
            best = min(rows[-1][j] + 1, row[-1] + 1, rows[-1][j - 1] + (letter != against))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == against:
                best = min(best, rows[-2][j - 2] + 1)
            row.append(best)
        rows.append(row)
    return rows[-1][-1]


@given(one=words, other=words, limit=st.integers(1, 4))
def test_a_distance_is_exact_up_to_its_limit(one: str, other: str, limit: int) -> None:
    assert distance(one, other, limit) == min(plain_distance(one, other), limit + 1)


@pytest.mark.parametrize(
    ("meant", "written"),
    [
        ("report", "reprot"),
        ("report", "reports"),
        ("report", "Report"),
        ("send-email", "send_email"),
        ("sendEmail", "send_email"),
        ("send_email", "send_mail"),
        ("pdf", "pfd"),
        ("summarise-document", "summarize_documents"),
    ],
)
def test_slips_are_forgiven(meant: str, written: str) -> None:
    assert similar([written], ["x", "unrelated-work", meant]) == [meant]


@pytest.mark.parametrize(
    ("name", "other"), [("report", "resize"), ("pdf", "csv"), ("a", "zz"), ("mail", "crawl")]
)
def test_other_words_are_not_taken_for_slips(name: str, other: str) -> None:
    assert similar([name], [other]) == []


def test_the_nearest_come_first_and_they_are_few() -> None:
    known = ["report-ab", "report-a", "reports", "rreport", "Report"]

    found = similar(["report"], known)

    assert found == ["Report", "report-a", "reports"]
    assert len(found) == SIMILAR_TYPES_MAX


def test_what_is_compared_is_bounded_whatever_the_names_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One request must not hold up the others: without a bound these took more than a second."""
    letters = 0

    def counting(one: str, other: str, limit: int) -> int:
        nonlocal letters
        letters += len(one) + len(other)
        return distance(one, other, limit)

    monkeypatch.setattr("orchestrion.core.similar.distance", counting)
    middle = "abcdefgh" * 12
    known = [f"{n:02x}{middle}{255 - n:02x}" for n in range(TYPES_COMPARED_MAX)]
    names = [f"z{n}{middle}{n}y" for n in range(CLAIM_TYPES_MAX)]

    similar(names, known)

    assert max(map(len, [*names, *known])) == TYPE_LENGTH_MAX
    assert 0 < letters <= SIMILAR_LETTERS_MAX


def test_what_looks_nearest_is_compared_first() -> None:
    """So a bound leaves out only what is hardly meant."""
    middle = "abcdefgh" * 12
    known = [f"{n:02x}{middle}{255 - n:02x}" for n in range(TYPES_COMPARED_MAX)]

    assert similar(["ijkl" + middle], [*known, "ijlk" + middle]) == ["ijlk" + middle]


def test_several_names_are_compared_at_once_and_none_is_its_own_slip() -> None:
    assert similar(["reprot", "mial"], ["mail", "report", "mial"]) == ["mail", "report"]
