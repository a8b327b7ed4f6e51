"""The policy of repeats, by itself."""

import itertools

import pytest

from orchestrion.client.call import Repeat
from orchestrion.client.contract import AgentContract
from orchestrion.client.errors import Refusal
from orchestrion.client.retrying import PAUSE_SECONDS_MAX, Attempts, Limits, Trouble, repeatable

SILENT = Trouble(message="no answer", sent=True)
UNSENT = Trouble(message="refused", sent=False)


def refused(
    status: int, *, retryable: bool = True, wait: float | None = None, own: bool = True
) -> Trouble:
    """Give a refusal as trouble."""
    refusal = Refusal(
        code="any",
        status=status,
        message="",
        contract=AgentContract(retryable=retryable),
        retry_after=wait,
        own=own,
    )
    return Trouble(message="", sent=not own, refusal=refusal)


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_what_passes_is_repeated(status: int) -> None:
    assert repeatable(refused(status), Repeat.ALWAYS)
    assert repeatable(refused(status), Repeat.UNSENT)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_the_server_says_is_in_vain_is_not_repeated(status: int) -> None:
    assert not repeatable(refused(status, retryable=False), Repeat.ALWAYS)


@pytest.mark.parametrize("status", [400, 401, 402, 404, 409, 410, 413])
def test_what_needs_another_request_is_not_repeated(status: int) -> None:
    # 402 and 409 may say that a later try can succeed: that is for the caller to decide.
    assert not repeatable(refused(status), Repeat.ALWAYS)


def test_who_answers_for_the_server_cannot_say_that_nothing_happened() -> None:
    assert repeatable(refused(502, own=False), Repeat.ALWAYS)
    assert not repeatable(refused(502, own=False), Repeat.UNSENT)


def test_silence_is_repeated_where_that_is_harmless() -> None:
    assert repeatable(SILENT, Repeat.ALWAYS)
    assert not repeatable(SILENT, Repeat.UNSENT)
    assert repeatable(UNSENT, Repeat.UNSENT)


def test_pauses_are_drawn_from_spans_that_double_up_to_a_limit() -> None:
    full = Attempts(Limits(max_retries=8, retry_seconds=1000), lambda: 1.0)
    none = Attempts(Limits(max_retries=8, retry_seconds=1000), lambda: 0.0)

    spans = [full.pause_after(SILENT, Repeat.ALWAYS, 0.0) for _ in range(8)]

    assert spans == [0.5, 1, 2, 4, *([PAUSE_SECONDS_MAX] * 4)]
    assert [none.pause_after(SILENT, Repeat.ALWAYS, 0.0) for _ in range(8)] == [0.0] * 8


def test_no_more_repeats_than_allowed() -> None:
    attempts = Attempts(Limits(max_retries=2), lambda: 0.5)

    pauses = [attempts.pause_after(SILENT, Repeat.ALWAYS, 0.0) for _ in range(3)]

    assert [pause is None for pause in pauses] == [False, False, True]
    assert attempts.retries == 2


def test_the_wait_the_server_asks_for_is_kept_and_spread() -> None:
    attempts = Attempts(Limits(), lambda: 0.5)

    assert attempts.pause_after(refused(429, wait=7), Repeat.ALWAYS, 0.0) == pytest.approx(7.25)


def test_a_wait_beyond_the_budget_is_not_begun() -> None:
    attempts = Attempts(Limits(retry_seconds=60), lambda: 0.0)

    assert attempts.pause_after(refused(429, wait=61), Repeat.ALWAYS, 0.0) is None
    assert attempts.retries == 0


def test_the_budget_begins_with_the_first_failure() -> None:
    attempts = Attempts(Limits(max_retries=100, retry_seconds=10), lambda: 1.0)

    clock = itertools.count(1000, 3)
    pauses = [attempts.pause_after(UNSENT, Repeat.ALWAYS, float(next(clock))) for _ in range(5)]

    assert pauses == [0.5, 1, 2, None, None]


def test_who_waits_counts_seconds_and_not_tries() -> None:
    attempts = Attempts(Limits(max_retries=1, retry_seconds=60), lambda: 0.0, 100.0)

    assert all(attempts.pause_after(UNSENT, Repeat.ALWAYS, 59.0) == 0 for _ in range(500))
    assert attempts.pause_after(UNSENT, Repeat.ALWAYS, 59.0 + 61.0) is None


def test_who_waits_is_not_kept_longer_than_they_wait() -> None:
    attempts = Attempts(Limits(max_retries=100, retry_seconds=60), lambda: 0.0, 5.0)

    assert attempts.pause_after(UNSENT, Repeat.ALWAYS, 0.0) == 0
    assert attempts.pause_after(UNSENT, Repeat.ALWAYS, 5.1) is None


def test_no_retries_means_none() -> None:
    for patience in (None, 100.0):
        attempts = Attempts(Limits(max_retries=0), lambda: 0.0, patience)

        assert attempts.pause_after(UNSENT, Repeat.ALWAYS, 0.0) is None
