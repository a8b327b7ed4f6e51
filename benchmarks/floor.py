"""The floor: a bare route under the service's Uvicorn settings; `python -m benchmarks.floor PORT`.

No application on this stack can answer faster, so ratios to it carry over between machines.
"""

import sys

import uvicorn
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router

ANSWER_BYTES = 900
PATH = "/v1/tasks"
_ANSWER = b"x" * ANSWER_BYTES


async def answer(_: Request) -> Response:
    """Answer with constant bytes, whatever was sent."""
    return Response(_ANSWER, media_type="application/json")


def main(port: int) -> None:
    """Serve until killed. A router alone: an application object would add two middlewares."""
    uvicorn.run(
        Router([Route(PATH, answer, methods=["POST"])]),
        port=port,
        interface="asgi3",
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
    )


if __name__ == "__main__":
    main(int(sys.argv[1]))
