"""Which names were probably meant: those a few slips away, compared without case and hyphens."""

from collections.abc import Iterable, Sequence
from typing import Final

from orchestrion.core.limits import SIMILAR_TYPES_MAX

SLIPS_MAX: Final = 3
_SIGNS: Final = str.maketrans("", "", "-_")
_LETTERS_PER_SLIP: Final = 4


def similar(names: Sequence[str], known: Iterable[str]) -> list[str]:
    """Give the nearest of the known names, the best first; few, and none that is far off."""
    asked = [(folded := _folded(name), _slips_allowed(folded)) for name in names]
    near = []
    for other in known:
        against = _folded(other)
        slips = [
            counted
            for name, allowed in asked
            if (counted := distance(name, against, allowed)) <= allowed
        ]
        if slips and other not in names:
            near.append((min(slips), other))
    return [other for _, other in sorted(near)[:SIMILAR_TYPES_MAX]]


def _slips_allowed(name: str) -> int:
    return max(1, min(SLIPS_MAX, len(name) // _LETTERS_PER_SLIP))


def distance(one: str, other: str, limit: int) -> int:
    """Count the slips between two words: letters wrong, missing, too many or transposed.

    More than the limit is given as one more than it, and costs little to find out.
    """
    if abs(len(one) - len(other)) > limit:
        return limit + 1
    one, other = _without_ends(one, other)
    before: list[int] = []
    last = list(range(len(other) + 1))
    for row, letter in enumerate(one, 1):
        # Beyond this band every distance is above the limit.
        low, high = max(1, row - limit), min(len(other), row + limit)
        line = [limit + 1] * (len(other) + 1)
        line[0] = row
        for column in range(low, high + 1):
            same = letter == other[column - 1]
            best = min(last[column] + 1, line[column - 1] + 1, last[column - 1] + (not same))
            if _transposed(one, other, row, column):
                best = min(best, before[column - 2] + 1)
            line[column] = best
        if min(line[low - 1 : high + 1]) > limit:
            return limit + 1
        before, last = last, line
    return min(last[-1], limit + 1)


def _transposed(one: str, other: str, row: int, column: int) -> bool:
    return (
        min(row, column) > 1
        and one[row - 1] == other[column - 2]
        and one[row - 2] == other[column - 1]
    )


def _without_ends(one: str, other: str) -> tuple[str, str]:
    """Leave out what both begin and end with."""
    shortest = min(len(one), len(other))
    begin = 0
    while begin < shortest and one[begin] == other[begin]:
        begin += 1
    end = 0
    while end < shortest - begin and one[-1 - end] == other[-1 - end]:
        end += 1
    return one[begin : len(one) - end], other[begin : len(other) - end]


def _folded(name: str) -> str:
    return name.lower().translate(_SIGNS)
