"""The short form of a campaign on each store: what must have happened before it counts."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from tests.chaos.ground import POSTGRES, SQLITE


class ShortForm(msgspec.Struct, frozen=True, kw_only=True):
    """How many operations and faults there must be, and how long that may take."""

    operations: int
    # Of all clients together, in a second.
    rate: float
    least: Mapping[str, int]
    seconds_max: float


SHORT_FORMS: Final[Mapping[str, ShortForm]] = MappingProxyType(
    {
        SQLITE: ShortForm(operations=5_000, rate=150, least={"kill": 10}, seconds_max=240),
        POSTGRES: ShortForm(
            operations=10_000,
            rate=200,
            least={
                "kill": 6,
                "immediate restart": 1,
                "backend kills": 20,
                "pause": 1,
            },
            seconds_max=300,
        ),
    }
)
