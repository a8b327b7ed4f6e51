"""Names that were probably meant: near ones come first, far ones not at all."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrion.core.limits import SIMILAR_TYPES_MAX, TYPE_LENGTH_MAX, TYPES_COMPARED_MAX
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


def test_the_longest_names_cost_little_to_compare() -> None:
    names = [f"{n:03d}" + "ab" * ((TYPE_LENGTH_MAX - 3) // 2) for n in range(TYPES_COMPARED_MAX)]

    assert all(len(similar([one], names)) <= SIMILAR_TYPES_MAX for one, _ in pairwise(names[:3]))


def test_several_names_are_compared_at_once_and_none_is_its_own_slip() -> None:
    assert similar(["reprot", "mial"], ["mail", "report", "mial"]) == ["mail", "report"]
