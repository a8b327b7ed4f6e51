import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ulid import ULID

from orchestrion.core import ids
from orchestrion.core.instants import Instant
from orchestrion.core.task import Status, Task
from tests.factories import NOW, a_task

INSTANTS = st.integers(0, 2**48 - 1)
RANDOM = st.integers(0, 2**ids.RANDOM_BITS - 1)
KEY = ids.api_key(bytes(range(ids.KEY_ENTROPY_BYTES)))


@given(instant=INSTANTS, randomness=RANDOM)
def test_a_ulid_reads_back_in_another_implementation(instant: int, randomness: int) -> None:
    text = ids.ulid(Instant(instant), randomness)

    read = ULID.from_str(text)
    assert read.milliseconds == instant
    assert int.from_bytes(read.bytes[6:]) == randomness
    assert str(read) == text
    assert ids.is_ulid(text)


@given(raw=st.binary(min_size=16, max_size=16))
def test_a_ulid_of_another_implementation_is_one_of_ours(raw: bytes) -> None:
    other = ULID(raw)

    assert ids.is_ulid(str(other))
    assert ids.ulid(Instant(other.milliseconds), int.from_bytes(raw[6:])) == str(other)


@given(first=st.tuples(INSTANTS, RANDOM), second=st.tuples(INSTANTS, RANDOM))
def test_ulids_sort_by_time_then_randomness(
    first: tuple[int, int], second: tuple[int, int]
) -> None:
    texts = [ids.ulid(Instant(instant), randomness) for instant, randomness in (first, second)]

    assert (texts[0] < texts[1]) == (first < second)


GOOD_ULID = ids.ulid(NOW, 5)


@pytest.mark.parametrize(
    "text",
    [
        "",
        GOOD_ULID[:-1],
        GOOD_ULID + "0",
        GOOD_ULID + "\n",
        GOOD_ULID.lower(),
        "8" + GOOD_ULID[1:],
        GOOD_ULID[:-1] + "I",
        GOOD_ULID[:-1] + "L",
        GOOD_ULID[:-1] + "O",
        GOOD_ULID[:-1] + "U",
        GOOD_ULID[:-1] + "-",
        GOOD_ULID[:-1] + "\u0663",
    ],
)
def test_a_text_that_is_not_a_canonical_ulid_is_none(text: str) -> None:
    assert not ids.is_ulid(text)
    assert not ids.is_task_id("tsk_" + text)


def test_a_task_id_is_its_prefix_and_a_ulid() -> None:
    assert ids.is_task_id("tsk_" + GOOD_ULID)
    for text in (GOOD_ULID, "acct_" + GOOD_ULID, "TSK_" + GOOD_ULID, "tsk-" + GOOD_ULID, "tsk_"):
        assert not ids.is_task_id(text)


def test_a_purchase_id_is_its_prefix_and_a_ulid() -> None:
    assert ids.is_purchase_id("pur_" + GOOD_ULID)
    for text in (GOOD_ULID, "tsk_" + GOOD_ULID, "PUR_" + GOOD_ULID, "pur_", f"pur_{GOOD_ULID}\n"):
        assert not ids.is_purchase_id(text)


def test_a_lease_token_has_more_entropy_than_a_ulid() -> None:
    token = ids.lease_token(b"\xab" * ids.TOKEN_ENTROPY_BYTES)

    assert token == "lse_" + "ab" * 17
    assert ids.TOKEN_ENTROPY_BYTES * 8 > 130


@given(entropy=st.binary(min_size=ids.KEY_ENTROPY_BYTES, max_size=ids.KEY_ENTROPY_BYTES))
def test_a_key_carries_the_checksum_of_its_digits(entropy: bytes) -> None:
    key = ids.api_key(entropy)

    assert ids.is_api_key(key)
    assert len(key) == len("orch_live_") + 64
    assert key.startswith("orch_live_" + entropy.hex())
    assert int(key[-8:], 16) == zlib.crc32(entropy.hex().encode())


@given(
    entropy=st.binary(min_size=ids.KEY_ENTROPY_BYTES, max_size=ids.KEY_ENTROPY_BYTES),
    place=st.integers(0, 63),
    digit=st.sampled_from("0123456789abcdef"),
)
def test_a_key_with_one_mistyped_digit_is_refused(entropy: bytes, place: int, digit: str) -> None:
    key = ids.api_key(entropy)
    at = len(ids.KEY_PREFIX) + place
    mistyped = key[:at] + digit + key[at + 1 :]

    assert ids.is_api_key(mistyped) == (mistyped == key)


@pytest.mark.parametrize(
    "text",
    [
        "",
        KEY[:-1],
        KEY + "0",
        KEY + "\n",
        " " + KEY,
        KEY.upper(),
        KEY[:-1] + KEY[-1].upper() + "F",
        KEY.replace("orch_live_", "orch_test_"),
        KEY.replace("orch_live_", "ORCH_LIVE_"),
        "orch_live_" + "g" * 64,
        "orch_live_" + "0" * 64,
        "orch_live_" + "\u0660" * 64,
    ],
)
def test_a_text_without_the_form_or_the_checksum_is_no_key(text: str) -> None:
    assert not ids.is_api_key(text)


def test_a_claim_order_compares_ids_last() -> None:
    first: Task = a_task(Status.PENDING, id=ids.TaskId("tsk_A"), priority=3)
    second = a_task(Status.PENDING, id=ids.TaskId("tsk_B"), priority=3)

    assert first.claim_order < second.claim_order
