"""An event loop that is blocked does not lose the lease that is worked on in it."""

import time
from pathlib import Path

from orchestrion.client.aio import AsyncOrchestrion
from orchestrion.client.keeping import Keeper
from orchestrion.client.sync import Orchestrion
from tests.e2e.serving import serving

PATIENCE_SECONDS = 10


class Clock:
    """The keeper's clock, which a test moves."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


async def test_heartbeats_go_on_while_the_loop_is_blocked(tmp_path: Path) -> None:
    with serving(tmp_path / "orchestrion.db") as served:
        url, key, clock = served.url(), served.first_key(), Clock()
        with Orchestrion(url, key) as looking:
            async with AsyncOrchestrion(url, key) as client:
                client.keeper = Keeper(client.beat, clock=clock)
                task = await client.tasks.create("report", {}, lease_seconds=30)
                async with client.claim("report") as lease:
                    assert lease is not None
                    clock.seconds += 12
                    client.keeper.wake()
                    block_until_renewed(looking, task.id)
                    lease.result = {"n": 1}

            assert looking.tasks.get(task.id).result == {"n": 1}


def block_until_renewed(client: Orchestrion, task_id: str) -> None:
    """Let nothing else run on this thread until the server has heard of the lease."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while client.tasks.get(task_id).last_heartbeat_at is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
