"""All mutants by their code."""

import sys
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from tests.chaos.mutants import paying, rules, stores
from tests.chaos.mutants.seams import Seams

# The service as it is: what every mutant is compared with.
SOUND: Final = "M0"

MUTANTS: Final[Mapping[str, Callable[[Seams], None]]] = MappingProxyType(
    {
        "M1": rules.no_lease_check,
        "M2": stores.lease_judged_by_the_servers_clock,
        "M3": stores.time_of_the_begin,
        "M4": stores.answer_before_the_commit,
        "M5": stores.no_flush,
        "M6": stores.claim_without_locks,
        "M7": stores.keys_are_not_unique,
        "M8": rules.sweeper_without_recheck,
        "M9": rules.attempts_off_by_one,
        "M10": rules.heartbeat_banks_time,
        "M11": rules.fail_skips_the_lease_check,
        "M12": rules.lease_released_twice,
        "M13": rules.retention_ignores_status,
        "M14": stores.a_read_forgets_the_account,
        "M15": paying.every_capture_is_new,
        "M16": rules.late_heartbeat_changes_the_end,
    }
)


def about(code: str) -> str:
    """Say in one line what is broken."""
    words = MUTANTS[code].__doc__ or ""
    return words.partition(": ")[2]


def program(code: str) -> tuple[str, ...]:
    """Give the command that serves as a mutant, or as the sound service."""
    return (sys.executable, "-m", "tests.chaos.mutants", code)
