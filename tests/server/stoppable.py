"""A server in a process of its own: says where it listens, then what happens to it."""

import asyncio
import sys

import uvloop

from orchestrion.api.serving.server import ServerLifecycle, ServerOptions, serve_http
from orchestrion.api.serving.stopping import stop_on_signals
from tests.server.loopback import QUICK, Application, Record, hooks


def say(*words: object) -> None:
    sys.stdout.write(" ".join(str(word) for word in words) + "\n")
    sys.stdout.flush()


async def main() -> None:
    record, app = Record(), Application()
    asyncio.get_running_loop().run_in_executor(None, lambda: say(app.events.get()))
    options = ServerOptions(host="127.0.0.1", port=0, hooks=hooks(record), limits=QUICK)

    def stopping() -> None:
        say("stopping")
        if sys.argv[1] == "release":
            app.release.set()

    with stop_on_signals(same_signal_seconds=0.01) as stop:
        lifecycle = ServerLifecycle(
            stop=stop, on_started=lambda _host, port: say(port), on_stopping=stopping
        )
        await serve_http(app, options, lifecycle)
    say("saved")


if __name__ == "__main__":
    uvloop.run(main())
