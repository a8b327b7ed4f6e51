"""Runs the pretend PayPal: `python -m orchestrion.payments.pretend --port 0`.

Prints where it is, and what it takes for credentials, as one line of JSON.
"""

import argparse
import asyncio
import os
import signal
import sys
import threading

import msgspec

from orchestrion.payments.pretend.api import CLIENT_ID, SECRET
from orchestrion.payments.pretend.server import serve
from orchestrion.payments.pretend.webhooks import WEBHOOK_ID


def main() -> None:
    """Read the flags and serve until asked to stop."""
    parser = argparse.ArgumentParser(prog="python -m orchestrion.payments.pretend")
    parser.add_argument("--port", type=int, default=0, help="0 means any free one")
    parser.add_argument(
        "--until-stdin-closes",
        action="store_true",
        help="end with whoever started it, however that ends",
    )
    flags = parser.parse_args()
    try:
        asyncio.run(_run(flags.port, watched=flags.until_stdin_closes))
    except (OSError, OverflowError) as error:
        parser.error(f"cannot listen on port {flags.port}: {error}")


async def _run(port: int, *, watched: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if watched:
        # A thread, because what stdin is decides whether a loop can watch it.
        watching = threading.Thread(target=_watch, args=(loop, stop), daemon=True)
        watching.start()
    await serve(port, stop, _greet)


def _watch(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    while os.read(sys.stdin.fileno(), 4_096):
        pass
    loop.call_soon_threadsafe(stop.set)


def _greet(url: str) -> None:
    place = {"url": url, "client_id": CLIENT_ID, "secret": SECRET, "webhook_id": WEBHOOK_ID}
    sys.stdout.write(msgspec.json.encode(place).decode() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
