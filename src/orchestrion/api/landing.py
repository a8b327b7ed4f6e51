"""The two pages where a human comes back from PayPal: constant, without scripts or links."""

import base64
import hashlib
from typing import Final

import msgspec

from orchestrion.api.http import Header, Request, Response

APPROVED_PATH: Final = "/billing/approved"
CANCELLED_PATH: Final = "/billing/cancelled"
HTML_TYPE: Final = "text/html; charset=utf-8"

_STYLE: Final = """
body { font: 1.125rem/1.6 system-ui, sans-serif; max-width: 36rem; margin: 3rem auto;
  padding: 0 1.25rem; color: #16202c; background: #fff; color-scheme: light dark; }
h1 { font-size: 1.75rem; line-height: 1.25; }
h2 { font-size: 1.25rem; }
li { margin: 0 0 .75rem; }
@media (prefers-color-scheme: dark) { body { color: #e8edf2; background: #10161d; } }
"""
_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
<h1>{title}</h1>
{content}
</main>
</body>
</html>
"""
# Events may be faster than the human, so neither page knows whether the money was taken by now.
_APPROVED: Final = """<p>Thank you. Your approval by itself charges nothing.</p>
<h2>What happens next</h2>
<ol>
<li>Tell your agent that you have approved the payment.</li>
<li>Your agent has the payment verified. Then the amount you saw is charged, once, and the plan is
in force.</li>
<li>The plan does not renew itself: nothing more is charged unless you approve another payment.</li>
</ol>
<p>If your agent never asks, the payment you approved may still be taken and the plan put into
force. You can close this page.</p>"""
_CANCELLED: Final = """<p>What is not approved is not charged: the plan stays as it was.</p>
<h2>What happens next</h2>
<ul>
<li>If this is what you wanted, you need do nothing.</li>
<li>If you change your mind, open the address your agent gave you again. It works for three
hours from when the agent got it; after that, ask your agent for a new one.</li>
</ul>
<p>You can close this page.</p>"""


class LandingPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page for a human, whoever led them here and whatever the address says."""

    body: bytes

    async def __call__(self, _: Request) -> Response:
        """Answer with the page."""
        return Response(status=200, body=self.body, headers=_HEADERS)


def landing_pages() -> dict[str, LandingPage]:
    """Give both pages, by operation."""
    return {
        "read_approved_page": _written("Payment approved", _APPROVED),
        "read_cancelled_page": _written("Payment not approved", _CANCELLED),
    }


def _written(title: str, content: str) -> LandingPage:
    return LandingPage(body=_PAGE.format(title=title, style=_STYLE, content=content).encode())


def _policy() -> str:
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )


_HEADERS: Final[tuple[Header, ...]] = (
    (b"content-type", HTML_TYPE.encode()),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", _policy().encode()),
    # The address names the order.
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)
