"""The page where a human approves an order of the pretend PayPal, or does not."""

from html import escape
from typing import Final
from urllib.parse import parse_qs, urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from orchestrion.payments.pretend.orders import PAYER_ID, Ledger, PretendOrder

FORM_BYTES_MAX: Final = 1_024
_WAITING: Final = ("CREATED", "PAYER_ACTION_REQUIRED")
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}
_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 1.1rem/1.5 system-ui, sans-serif; max-width: 34rem; margin: 3rem auto;
  padding: 0 1rem; color: #16202c; background: #fff; }}
dt {{ font-weight: 600; }}
dd {{ margin: 0 0 .75rem; }}
form {{ display: inline-block; margin: 1rem 1rem 0 0; }}
button {{ font: inherit; min-width: 8rem; padding: .75rem 1.5rem; border: 2px solid #0a4a8f;
  border-radius: .4rem; color: #0a4a8f; background: #fff; cursor: pointer; }}
button.pay {{ color: #fff; background: #0a4a8f; }}
button:focus-visible {{ outline: 3px solid #b35900; outline-offset: 3px; }}
</style>
</head>
<body>
<main>
<h1>{title}</h1>
<p>This is a pretend PayPal. No money moves.</p>
{content}
</main>
</body>
</html>
"""
_ORDER: Final = """<dl>
<dt>For</dt><dd>{description}</dd>
<dt>Amount</dt><dd>{value} {currency}</dd>
</dl>
<form method="post" action="/checkoutnow/pay"><input type="hidden" name="token" value="{order_id}">
<button class="pay" id="pay" type="submit">Pay</button></form>
<form method="post" action="/checkoutnow/cancel">
<input type="hidden" name="token" value="{order_id}">
<button id="cancel" type="submit">Cancel</button></form>"""


class ApprovalPage:
    """Shows an order, and takes the human's decision."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def show(self, request: Request) -> Response:
        """Show what is to be paid."""
        order = self._ledger.find(request.query_params.get("token", ""))
        return _answer(order) if order is None or order.status not in _WAITING else _ask(order)

    async def pay(self, request: Request) -> Response:
        """Approve it, and lead the human back."""
        order = await self._decided(request)
        if order is None or order.status not in _WAITING or order.request.places is None:
            return _answer(order)
        self._ledger.approve(order)
        return _back(order.request.places.return_url, {"token": order.id, "PayerID": PAYER_ID})

    async def cancel(self, request: Request) -> Response:
        """Leave it unapproved, and lead the human back."""
        order = await self._decided(request)
        if order is None or order.status not in _WAITING or order.request.places is None:
            return _answer(order)
        return _back(order.request.places.cancel_url, {"token": order.id})

    async def _decided(self, request: Request) -> PretendOrder | None:
        body = await request.body()
        form = parse_qs(body.decode("ascii", "replace") if len(body) <= FORM_BYTES_MAX else "")
        return self._ledger.find(form.get("token", [""])[0])


def _ask(order: PretendOrder) -> Response:
    unit = order.request.unit
    content = _ORDER.format(
        description=escape(unit.description or "An order"),
        value=escape(unit.amount.value),
        currency=escape(unit.amount.currency_code),
        order_id=escape(order.id),
    )
    return _written("Pay with pretend PayPal", content, 200)


def _answer(order: PretendOrder | None) -> Response:
    if order is None:
        return _written("This order is gone", "<p>It ran out, or there never was one.</p>", 404)
    if order.status == "VOIDED":
        return _written("This order was voided", "<p>It can no longer be paid.</p>", 410)
    return _written("This order is approved", "<p>You need do nothing more here.</p>", 200)


def _written(title: str, content: str, status: int) -> Response:
    return HTMLResponse(_PAGE.format(title=title, content=content), status, _HEADERS)


def _back(address: str, query: dict[str, str]) -> Response:
    joint = "&" if "?" in address else "?"
    return RedirectResponse(f"{address}{joint}{urlencode(query)}", 303, _HEADERS)
