"""A worker whose handlers write down every run, so that a test can tell what ran and how often."""

import asyncio
import os
from typing import Any

from orchestrion import Context, Worker

RUNS = os.open(os.environ["RUNS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

worker = Worker(
    name=f"counting-{os.getpid()}",
    concurrency=int(os.environ["CONCURRENCY"]),
    grace=float(os.environ["GRACE"]),
)


def note(word: str, ctx: Context) -> None:
    # One write each: lines of several processes do not mix, and a kill tears none.
    os.write(RUNS, f"{word} {ctx.task.id} {ctx.attempt} {os.getpid()}\n".encode())


@worker.task("count")
async def count(payload: dict[str, Any], ctx: Context) -> dict[str, Any]:
    note("began", ctx)
    await asyncio.sleep(payload["seconds"])
    note("ended", ctx)
    number = payload["number"]
    return {"square": number * number, "attempt": ctx.attempt, "by": os.getpid()}
