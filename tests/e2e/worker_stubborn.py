"""A worker that blocks its event loop for longer than its lease."""

import os
import time
from typing import Any

from orchestrion import Context, Worker

worker = Worker(name="stubborn", concurrency=2)


@worker.task("stubborn")
async def stubborn(payload: dict[str, Any], ctx: Context) -> dict[str, Any]:
    began = time.monotonic()
    while time.monotonic() < began + payload["seconds"]:
        # What no coroutine should do.
        time.sleep(0.5)  # noqa: ASYNC251
    return {"attempt": ctx.attempt, "by": os.getpid()}
