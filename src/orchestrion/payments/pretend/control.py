"""How tests and developers command the pretend PayPal, beside its API."""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from orchestrion.payments.pretend.api import PretendApi
from orchestrion.payments.pretend.behaviours import Behaviour, Point
from orchestrion.payments.pretend.orders import Ledger, PretendOrder
from orchestrion.payments.pretend.wall import Wall
from orchestrion.payments.pretend.webhooks import APPROVED, CAPTURED, Notary

T = TypeVar("T")

HELD_WAIT_SECONDS_MAX: Final = 30.0
_EVENTS: Final = (APPROVED, CAPTURED)


class At(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A point."""

    point: Point


class Ahead(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Time that passes."""

    seconds: Annotated[float, Meta(ge=0, le=10**9)]


class Happened(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an event is to tell."""

    order_id: str
    event_type: str


class Control:
    """The commands, each POST /pretend/… with a JSON body, or a GET to look."""

    def __init__(self, api: PretendApi, ledger: Ledger, notary: Notary, wall: Wall) -> None:
        self._api = api
        self._ledger = ledger
        self._notary = notary
        self._wall = wall

    def routes(self) -> list[Route]:
        """Name the commands."""
        return [
            Route("/pretend/calls", self._calls, methods=["GET"]),
            Route("/pretend/tokens", self._tokens, methods=["GET"]),
            Route("/pretend/orders", self._orders, methods=["GET"]),
            Route("/pretend/held", self._held, methods=["GET"]),
            Route("/pretend/behave", self._behave, methods=["POST"]),
            Route("/pretend/release", self._release, methods=["POST"]),
            Route("/pretend/reset", self._reset, methods=["POST"]),
            Route("/pretend/advance", self._advance, methods=["POST"]),
            Route("/pretend/events", self._event, methods=["POST"]),
            Route("/pretend/orders/{order_id}/{change}", self._change, methods=["POST"]),
        ]

    async def _calls(self, _request: Request) -> Response:
        return _json(
            {
                "calls": list(self._api.calls),
                "counts": self._api.counts(),
                "captures": self._ledger.captures(),
            }
        )

    async def _tokens(self, _request: Request) -> Response:
        return _json({"tokens": list(self._api.tokens())})

    async def _orders(self, _request: Request) -> Response:
        return _json({"orders": [self._ledger.shown(one) for one in self._ledger.orders()]})

    async def _held(self, request: Request) -> Response:
        try:
            point = Point(request.query_params.get("point", Point.CAPTURE))
            count = int(request.query_params.get("count", "1"))
        except ValueError:
            return _json({"error": "no such point or count"}, 400)
        try:
            async with asyncio.timeout(HELD_WAIT_SECONDS_MAX):
                await self._api.behaviours.wait_until_held(point, count)
        except TimeoutError:
            return _json({"held": self._api.behaviours.held(point)}, 408)
        return _json({"held": self._api.behaviours.held(point)})

    async def _behave(self, request: Request) -> Response:
        told = _read(await request.body(), Behaviour)
        if told is None or not self._api.behaviours.tell(told):
            return _json({"error": "no such behaviour at that point"}, 400)
        return _json({})

    async def _release(self, request: Request) -> Response:
        at = _read(await request.body(), At)
        if at is None:
            return _json({"error": "no such point"}, 400)
        return _json({"released": self._api.behaviours.release(at.point)})

    async def _reset(self, _request: Request) -> Response:
        self._api.reset()
        return _json({})

    async def _advance(self, request: Request) -> Response:
        ahead = _read(await request.body(), Ahead)
        if ahead is None:
            return _json({"error": "how many seconds?"}, 400)
        self._wall.advance(ahead.seconds)
        return _json({})

    async def _event(self, request: Request) -> Response:
        happened = _read(await request.body(), Happened)
        order = self._ledger.find(happened.order_id) if happened else None
        if happened is None or order is None or happened.event_type not in _EVENTS:
            return _json({"error": "no such order or event"}, 400)
        if happened.event_type == CAPTURED and not order.captures:
            return _json({"error": "not captured"}, 400)
        return _json(self._notary.event(order, happened.event_type))

    async def _change(self, request: Request) -> Response:
        order = self._ledger.find(request.path_params["order_id"])
        if order is None or not self._changed(order, request.path_params["change"]):
            return _json({"error": "no such order or change"}, 400)
        return _json(self._ledger.shown(order))

    def _changed(self, order: PretendOrder, change: str) -> bool:
        match change:
            case "approve":
                self._ledger.approve(order)
            case "void":
                self._ledger.void(order)
            case "expire":
                order.gone = True
            case "settle":
                self._ledger.settle(order, "COMPLETED")
            case "decline":
                self._ledger.settle(order, "DECLINED")
            case _:
                return False
        return True


def _read(body: bytes, shape: type[T]) -> T | None:
    try:
        return msgspec.json.decode(body, type=shape)
    except msgspec.DecodeError:
        return None


def _json(body: Mapping[str, Any], status: int = 200) -> Response:
    return Response(msgspec.json.encode(body), status, media_type="application/json")
