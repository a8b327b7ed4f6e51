"""Which names were probably meant: those a few slips away, compared without case and hyphens.

What is compared is bounded, whatever the names are: they are chosen by whoever asks.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec

from orchestrion.core.limits import SIMILAR_LETTERS_MAX, SIMILAR_TYPES_MAX

SLIPS_MAX: Final = 3
_SIGNS: Final = str.maketrans("", "", "-_")
_LETTERS_PER_SLIP: Final = 4
# Of each letter so much of its number is looked at when two words are compared at a glance.
_GLANCE_BITS: Final = 63


class _Word(msgspec.Struct, frozen=True):
    """A name as it is compared; `letters` has a bit for each letter that occurs."""

    name: str
    folded: str
    letters: int


def similar(names: Sequence[str], known: Iterable[str]) -> list[str]:
    """Give the nearest of the known names, the best first; few, and none that is far off."""
    words = [_word(other) for other in known if other not in names]
    left = SIMILAR_LETTERS_MAX
    slips: dict[str, int] = {}
    for _, _, one, other in sorted(_at_a_glance(list(map(_word, names)), words)):
        left -= len(one) + len(other)
        if left < 0:
            break
        allowed = _slips_allowed(one)
        counted = distance(one, other, allowed)
        if counted <= allowed:
            slips[other] = min(counted, slips.get(other, counted))
    near = [(slips[word.folded], word.name) for word in words if word.folded in slips]
    return [name for _, name in sorted(near)[:SIMILAR_TYPES_MAX]]


def distance(one: str, other: str, limit: int) -> int:
    """Count the slips between two words: letters wrong, missing, too many or transposed.

    More than the limit is given as one more than it.
    """
    if abs(len(one) - len(other)) > limit:
        return limit + 1
    if not one:
        return len(other)
    # Column by column of the usual table, and each column in a few numbers: a bit for each place
    # where the count goes up or down from the place before (Hyyrö 2003, with transpositions).
    places: dict[str, int] = {}
    for place, letter in enumerate(one):
        places[letter] = places.get(letter, 0) | 1 << place
    everywhere = (1 << len(one)) - 1
    end = 1 << (len(one) - 1)
    up, down, same, before = everywhere, 0, 0, 0
    count = len(one)
    for letter in other:
        here = places.get(letter, 0)
        transposed = ((~same & here) << 1) & before
        same = (((here & up) + up) ^ up) | here | down | transposed
        across_up = down | ~(same | up)
        across_down = same & up
        count += bool(across_up & end) - bool(across_down & end)
        across_up = across_up << 1 | 1
        up = (across_down << 1 | ~(same | across_up)) & everywhere
        down = across_up & same & everywhere
        before = here
    return min(count, limit + 1)


def _at_a_glance(
    asked: Sequence[_Word], known: Sequence[_Word]
) -> Iterator[tuple[int, int, str, str]]:
    """Give the pairs that may be near, with what tells them apart at a glance."""
    for one in asked:
        allowed = _slips_allowed(one.folded)
        length, letters = len(one.folded), one.letters
        for other in known:
            # A slip changes the length by one at most, and which letters occur by two.
            longer = abs(length - len(other.folded))
            if longer <= allowed:
                others = (letters ^ other.letters).bit_count()
                if others <= 2 * allowed:
                    yield others, longer, one.folded, other.folded


def _slips_allowed(name: str) -> int:
    return max(1, min(SLIPS_MAX, len(name) // _LETTERS_PER_SLIP))


def _word(name: str) -> _Word:
    folded = name.lower().translate(_SIGNS)
    letters = 0
    for letter in set(folded):
        letters |= 1 << (ord(letter) & _GLANCE_BITS)
    return _Word(name, folded, letters)
