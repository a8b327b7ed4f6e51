"""Puts the pretend PayPal together and serves it on this machine alone."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route

from orchestrion.payments.pretend.api import PretendApi
from orchestrion.payments.pretend.behaviours import Behaviours, Point
from orchestrion.payments.pretend.control import Control
from orchestrion.payments.pretend.orders import Ledger
from orchestrion.payments.pretend.page import ApprovalPage
from orchestrion.payments.pretend.wall import Wall
from orchestrion.payments.pretend.webhooks import Notary

HOST = "127.0.0.1"
STOP_SECONDS = 1
KEPT_SECONDS = 75


async def serve(port: int, stop: asyncio.Event, started: Callable[[str], None]) -> None:
    """Serve until `stop` is set; `started` is told the address. Port 0 means any free one."""
    listener = socket.create_server((HOST, port))
    url = f"http://{HOST}:{listener.getsockname()[1]}"
    app, behaviours = application(url)
    server = _Server(
        uvicorn.Config(
            app,
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            # An answer that is cut off on purpose is a fault to the server; it need not say so.
            log_level="critical",
            access_log=False,
            # Longer than any client keeps a connection it does not use.
            timeout_keep_alive=KEPT_SECONDS,
            timeout_graceful_shutdown=STOP_SECONDS,
        ),
        lambda: started(url),
    )
    serving = asyncio.create_task(server.serve([listener]))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    behaviours.reset()
    server.should_exit = True
    stopping.cancel()
    await serving


def application(url: str) -> tuple[Starlette, Behaviours]:
    """Make a pretend PayPal that has seen nothing yet."""
    wall = Wall()
    ledger = Ledger(url, wall)
    notary = Notary(url, wall, ledger)
    api = PretendApi(ledger, notary, wall)
    page = ApprovalPage(ledger)
    orders = "/v2/checkout/orders"
    verify = "/v1/notifications/verify-webhook-signature"
    routes = [
        Route("/v1/oauth2/token", api.endpoint(Point.TOKEN), methods=["POST"]),
        Route(orders, api.endpoint(Point.CREATE), methods=["POST"]),
        Route(f"{orders}/{{order_id}}", api.endpoint(Point.ORDER), methods=["GET"]),
        Route(f"{orders}/{{order_id}}/capture", api.endpoint(Point.CAPTURE), methods=["POST"]),
        Route(verify, api.endpoint(Point.VERIFY), methods=["POST"]),
        Route("/checkoutnow", page.show, methods=["GET"]),
        Route("/checkoutnow/pay", page.pay, methods=["POST"]),
        Route("/checkoutnow/cancel", page.cancel, methods=["POST"]),
        *Control(api, ledger, notary, wall).routes(),
    ]
    return Starlette(routes=routes), api.behaviours


class _Server(uvicorn.Server):
    """Uvicorn's server, with the signals left to others."""

    def __init__(self, config: uvicorn.Config, on_started: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_started = on_started

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_started()
