from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrion.core.instants import (
    DAY,
    HOUR,
    SECOND,
    Instant,
    format_instant,
    parse_instant,
    seconds_left,
    seconds_until,
)
from tests.factories import NOW

LAST = Instant(253_402_300_799_999)  # 9999-12-31T23:59:59.999Z

GOOD = [
    ("1970-01-01T00:00:00Z", 0),
    ("1969-12-31T23:59:59.999Z", -1),
    ("2026-11-22T08:06:25.123Z", NOW),
    ("2026-11-22t08:06:25.123z", NOW),
    ("2026-11-22T08:06:25.123+00:00", NOW),
    ("2026-11-22T08:06:25.123-00:00", NOW),
    ("2026-11-22T09:06:25.123+01:00", NOW),
    ("2026-11-22T02:36:25.123-05:30", NOW),
    ("2026-11-23T08:05:25.123+23:59", NOW),
    ("2026-11-21T08:07:25.123-23:59", NOW),
    ("2026-11-22T08:06:25.1234Z", NOW),
    ("2026-11-22T08:06:25.123999999Z", NOW),
    ("2026-11-22T08:06:25.123999999999999999Z", NOW),
    ("2026-11-22T08:06:25Z", NOW - 123),
    ("2026-11-22T08:06:25.1Z", NOW - 23),
    ("2026-11-22T08:06:25.12Z", NOW - 3),
    ("2024-02-29T00:00:00Z", 1_709_164_800_000),
    ("2000-02-29T00:00:00Z", 951_782_400_000),
    ("2016-12-31T23:59:60Z", 1_483_228_799_000),
    ("2016-12-31T23:59:60.5Z", 1_483_228_799_500),
    ("2017-01-01T00:59:60+01:00", 1_483_228_799_000),
    ("9999-12-31T23:59:59.999Z", LAST),
    ("9999-12-31T23:59:59.999-23:59", LAST + 23 * HOUR + 59 * 60 * SECOND),
    ("0001-01-01T00:00:00Z", -62_135_596_800_000),
    ("0001-01-01T00:00:00+23:59", -62_135_596_800_000 - 23 * HOUR - 59 * 60 * SECOND),
]

BAD = [
    "",
    "now",
    "1795334785123",
    "2026-11-22",
    "2026-11-22T08:06Z",
    "2026-11-22T08:06:25",
    "2026-11-22T08:06:25.Z",
    "2026-11-22T08:06:25,123Z",
    "2026-11-22 08:06:25Z",
    "2026-11-22T08:06:25 Z",
    " 2026-11-22T08:06:25Z",
    "2026-11-22T08:06:25Z ",
    "2026-11-22T08:06:25Z\n",
    "2026-11-22T08:06:25ZZ",
    "2026-11-22T08:06:25+01",
    "2026-11-22T08:06:25+0100",
    "2026-11-22T08:06:25+24:00",
    "2026-11-22T08:06:25+01:60",
    "2026-11-22T08:06:25+1:00",
    "2026-11-22T08:06:25Z+01:00",
    "2026-11-22T08:06:25 UTC",
    "2026-11-22T24:00:00Z",
    "2026-11-22T08:60:00Z",
    "2026-11-22T08:06:61Z",
    "2026-11-31T08:06:25Z",
    "2026-13-01T08:06:25Z",
    "2026-00-01T08:06:25Z",
    "2026-11-00T08:06:25Z",
    "2025-02-29T08:06:25Z",
    "1900-02-29T08:06:25Z",
    "0000-01-01T00:00:00Z",
    "10000-01-01T00:00:00Z",
    "+2026-11-22T08:06:25Z",
    "-2026-11-22T08:06:25Z",
    "26-11-22T08:06:25Z",
    "2026-1-22T08:06:25Z",
    "20261122T080625Z",
    "2026-W47-7T08:06:25Z",
    "2026-326T08:06:25Z",
    "\u0662\u0660\u0662\u0666-11-22T08:06:25Z",
    "2026-11-22T08:06:25.\u0661Z",
    "2026-11-22T08:06:25\u221201:00",
    "2026-11-22T08:06:25\0Z",
]


@pytest.mark.parametrize(("text", "instant"), GOOD)
def test_a_time_with_an_offset_is_read(text: str, instant: int) -> None:
    assert parse_instant(text) == instant


@pytest.mark.parametrize("text", BAD)
def test_anything_else_is_no_instant(text: str) -> None:
    assert parse_instant(text) is None


@given(text=st.text(max_size=40))
def test_no_text_makes_the_parser_fail(text: str) -> None:
    parse_instant(text)


def test_an_instant_is_written_as_utc_with_milliseconds() -> None:
    assert format_instant(NOW) == "2026-11-22T08:06:25.123Z"
    assert format_instant(Instant(0)) == "1970-01-01T00:00:00.000Z"
    assert format_instant(Instant(7)) == "1970-01-01T00:00:00.007Z"
    assert format_instant(LAST) == "9999-12-31T23:59:59.999Z"


@given(instant=st.integers(0, LAST))
def test_what_is_written_is_read_back_to_the_millisecond(instant: int) -> None:
    text = format_instant(Instant(instant))

    assert parse_instant(text) == instant
    assert len(text) == 24


@given(instant=st.integers(0, LAST))
def test_later_instants_sort_later_as_text(instant: int) -> None:
    assert format_instant(Instant(instant)) < format_instant(LAST) or instant == LAST


@given(
    moment=st.datetimes(datetime(1970, 1, 1), datetime(9998, 12, 31)),  # noqa: DTZ001 - made aware
    minutes=st.integers(-1_439, 1_439),
)
def test_offsets_agree_with_the_standard_library(moment: datetime, minutes: int) -> None:
    aware = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))

    read = parse_instant(aware.isoformat())

    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    assert read == (aware - epoch) // timedelta(milliseconds=1)


@given(wait=st.integers(-DAY, DAY))
def test_a_wait_is_rounded_up_and_at_least_a_second(wait: int) -> None:
    seconds = seconds_until(Instant(NOW + wait), NOW)

    assert seconds >= 1
    assert seconds * SECOND >= wait
    assert seconds == 1 or (seconds - 1) * SECOND < wait


@given(left=st.integers(-DAY, DAY))
def test_what_is_left_is_rounded_down_and_never_negative(left: int) -> None:
    seconds = seconds_left(Instant(NOW + left), NOW)

    assert seconds >= 0
    assert seconds == 0 or seconds * SECOND <= left < (seconds + 1) * SECOND
