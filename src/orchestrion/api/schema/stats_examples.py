"""Examples of numbers, written by the code that answers."""

import msgspec

from orchestrion.api.respond import encode
from orchestrion.api.schema import scenes
from orchestrion.core.instants import SECOND, Instant
from orchestrion.core.stats import NONE, NOTHING, Counts, Happened, Stats, TypeStats
from orchestrion.core.stats_bodies import stats_answer

_REQUEST_ID = "req_01M814R1QWD3M9S346Q3D25VT4"
_COUNTS = Counts(pending=3, claimed=1, completed=9, dead_letter=1)
_RATES = Happened(created=4, claimed=3.5, completed=2.5, failed=0.5)
_SOME = Stats(
    now=scenes.LATER,
    counts=_COUNTS,
    oldest_pending_at=scenes.NOW,
    oldest_due_at=scenes.NOW,
    next_lease_ends_at=Instant(scenes.LATER + 240 * SECOND),
    rates=_RATES,
    types=(
        TypeStats(type=scenes.PENDING.type, counts=_COUNTS, oldest_due_at=scenes.NOW, rates=_RATES),
    ),
    types_truncated=False,
)
_NOTHING = Stats(
    now=scenes.NOW,
    counts=NONE,
    oldest_pending_at=None,
    oldest_due_at=None,
    next_lease_ends_at=None,
    rates=NOTHING,
    types=(),
    types_truncated=False,
)


def stats_examples() -> dict[str, object]:
    """Give each example by name."""
    shown = {"stats": _SOME, "stats_of_nothing": _NOTHING}
    return {
        name: msgspec.json.decode(encode(stats_answer(found, _REQUEST_ID)))
        for name, found in shown.items()
    }
