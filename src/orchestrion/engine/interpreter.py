"""Sets the interpreter up for a server: when threads take turns, and when garbage is looked for."""

import gc
import sys
from typing import Final

# The loop and the threads of the database hand over sooner than usual.
SWITCH_SECONDS: Final = 0.001
GARBAGE_THRESHOLDS: Final = (50_000, 20, 20)


def settle() -> None:
    """Call once everything is imported and built.

    What is there stays for good, so the collector need not look at it again; and the little that
    requests leave behind in cycles can wait for larger rounds.
    """
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GARBAGE_THRESHOLDS)
