"""How a worker reaches its server: one client to talk with, another one for heartbeats."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import msgspec

from orchestrion.client.aio import AsyncOrchestrion
from orchestrion.client.sync import Orchestrion

# Between two heartbeats of the shortest lease there must be time for another try.
BEAT_TIMEOUT_SECONDS: Final = 5.0
TALK_TIMEOUT_SECONDS: Final = 10.0


class Connections(msgspec.Struct, frozen=True, kw_only=True):
    """Makes the two clients. They repeat nothing: the worker does, for as long as it takes."""

    talking: Callable[[], AsyncOrchestrion]
    beating: Callable[[], Orchestrion]
    clock: Callable[[], float] = time.monotonic

    def __repr__(self) -> str:
        # What makes the clients holds the key.
        return f"{type(self).__name__}()"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Give nothing to who prints it in colours."""
        return []


def connections_to(url: str | None, api_key: str | None) -> Connections:
    """Give connections to a server; without an address that of the environment or profile."""
    return Connections(
        talking=partial(
            AsyncOrchestrion, url, api_key, timeout=TALK_TIMEOUT_SECONDS, max_retries=0
        ),
        beating=partial(Orchestrion, url, api_key, timeout=BEAT_TIMEOUT_SECONDS, max_retries=0),
    )
