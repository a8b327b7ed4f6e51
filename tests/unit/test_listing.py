import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from orchestrion.core.limits import CURSOR_LENGTH_MAX
from orchestrion.core.listing import PageQuery, cursor_after, position
from orchestrion.core.task import Status
from tests.factories import ACCOUNT_ID, OTHER_ACCOUNT_ID, a_task, a_task_id

QUERY = PageQuery(account_id=ACCOUNT_ID, limit=20)
LAST = a_task(id=a_task_id(7))
CURSOR = cursor_after(QUERY, LAST)
FILTERED = replace(QUERY, status=Status.PENDING, type="report", claimed_by="worker-7")

QUERIES = st.builds(
    PageQuery,
    account_id=st.sampled_from([ACCOUNT_ID, OTHER_ACCOUNT_ID]),
    limit=st.integers(1, 100),
    status=st.none() | st.sampled_from(Status),
    type=st.none() | st.sampled_from(["report", "mail", "pending"]),
    claimed_by=st.none() | st.sampled_from(["report", "worker-7", "ü"]),
)


def filters(query: PageQuery) -> tuple[object, ...]:
    return (query.account_id, query.status, query.type, query.claimed_by)


@given(query=QUERIES, number=st.integers(0, 2**80 - 1))
def test_a_cursor_continues_after_the_last_task_shown(query: PageQuery, number: int) -> None:
    cursor = cursor_after(query, a_task(id=a_task_id(number)))

    assert position(query, cursor) == a_task_id(number)
    assert len(cursor) <= CURSOR_LENGTH_MAX
    assert cursor.replace("-", "").replace("_", "").isalnum()


@given(made=QUERIES, used=QUERIES)
def test_a_cursor_serves_the_filters_and_the_account_it_was_made_with_alone(
    made: PageQuery, used: PageQuery
) -> None:
    found = position(used, cursor_after(made, LAST))

    assert (found is not None) == (filters(made) == filters(used))


def test_a_page_may_change_its_size_on_the_way() -> None:
    assert position(replace(QUERY, limit=3), CURSOR) == LAST.id


@pytest.mark.parametrize(
    "other",
    [
        replace(FILTERED, account_id=OTHER_ACCOUNT_ID),
        replace(FILTERED, status=None),
        replace(FILTERED, status=Status.CLAIMED),
        replace(FILTERED, type=None),
        replace(FILTERED, type="mail"),
        replace(FILTERED, claimed_by=None),
        replace(FILTERED, claimed_by="worker-8"),
        replace(FILTERED, type="worker-7", claimed_by="report"),
    ],
)
def test_a_cursor_of_other_filters_is_refused(other: PageQuery) -> None:
    assert position(other, cursor_after(FILTERED, LAST)) is None


@given(bit=st.integers(0, 34 * 8 - 1))
def test_a_cursor_with_one_flipped_bit_points_nowhere_else_in_other_lists(bit: int) -> None:
    raw = bytearray(base64.urlsafe_b64decode(CURSOR + "=="))
    raw[bit // 8] ^= 1 << bit % 8
    flipped = base64.urlsafe_b64encode(raw).decode().rstrip("=")

    found = position(QUERY, flipped)

    # Only the place itself can be forged, and it names nothing that is not the account's own.
    assert found is None or (bit < 26 * 8 and found != LAST.id)


@given(length=st.integers(0, len(CURSOR) - 1))
def test_a_truncated_cursor_is_refused(length: int) -> None:
    assert position(QUERY, CURSOR[:length]) is None


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "=",
        CURSOR + "=",
        CURSOR + "==",
        CURSOR + "A",
        CURSOR + "AAAA",
        CURSOR + "\n",
        " " + CURSOR,
        CURSOR.lower(),
        "é" * 46,
        "\ud800",
        "!" * 46,
        LAST.id,
        base64.urlsafe_b64encode(b"\xff" * 34).decode().rstrip("="),
    ],
)
def test_a_broken_cursor_is_refused(cursor: str) -> None:
    assert position(QUERY, cursor) is None


def test_only_the_text_that_was_handed_out_counts() -> None:
    # 34 bytes leave four bits over in the last character: another one decodes to the same bytes.
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    same_bytes = [
        CURSOR[:-1] + letter
        for letter in alphabet
        if base64.urlsafe_b64decode(CURSOR[:-1] + letter + "==")
        == base64.urlsafe_b64decode(CURSOR + "==")
    ]

    assert len(same_bytes) == 16
    assert [text for text in same_bytes if position(QUERY, text)] == [CURSOR]


def test_a_cursor_names_a_task_even_if_its_mark_is_right() -> None:
    mark = base64.urlsafe_b64decode(CURSOR + "==")[26:]
    for place in (b"u" * 26, b"8" + b"0" * 25, b"0" * 25):
        forged = base64.urlsafe_b64encode(place + mark).decode().rstrip("=")

        assert position(QUERY, forged) is None


@given(text=st.text(max_size=60))
def test_no_text_makes_reading_a_cursor_fail(text: str) -> None:
    assert position(QUERY, text) is None
