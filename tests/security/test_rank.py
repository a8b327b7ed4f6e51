"""The rank test of benchmarks/timing.py says what it should of samples whose answer is known."""

from random import Random

import pytest

from benchmarks.timing import rank_test


def test_two_samples_of_one_kind_are_not_told_apart() -> None:
    draw = Random(7)
    one, other = ([draw.gauss(1.0, 0.1) for _ in range(2_000)] for _ in "ab")

    rank, p = rank_test(one, other)

    assert rank == pytest.approx(0.5, abs=0.02)
    assert p > 0.05


def test_a_small_shift_in_many_samples_is_seen() -> None:
    draw = Random(7)
    one = [draw.gauss(1.0, 0.1) for _ in range(2_000)]
    other = [draw.gauss(1.02, 0.1) for _ in range(2_000)]

    rank, p = rank_test(one, other)

    assert rank < 0.5
    assert p < 0.001


def test_it_counts_how_often_one_is_greater_and_ties_by_half() -> None:
    one, other = [1.0, 2.0, 2.0, 5.0], [2.0, 3.0, 0.5]

    pairs = [(a > b) + (a == b) / 2 for a in one for b in other]

    assert rank_test(one, other)[0] == pytest.approx(sum(pairs) / len(pairs))
    assert rank_test(one, one) == (0.5, 1.0)
