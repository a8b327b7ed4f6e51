"""The two pages where a human comes back from PayPal."""

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest

from tests.harness import Harness
from tests.http.callers import refused
from tests.http.market import Buyer

PAGES = ["/billing/approved", "/billing/cancelled"]
# What PayPal appends.
FROM_PAYPAL = "?token=5O190127TN364715T&PayerID=QYR5Z8XDVJNXQ"


class Outline(HTMLParser):
    """The elements of a page, and what it says."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.headings: list[str] = []
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = tag

    def handle_data(self, data: str) -> None:
        if self._inside in ("h1", "h2", "title") and data.strip():
            self.headings.append(data.strip())
        self._inside = ""

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.elements]


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_is_the_same_whatever_its_address_says(path: str, service: Harness) -> None:
    plain = await service.client.get(path)
    from_paypal = await service.client.get(path + FROM_PAYPAL)
    foreign = await service.client.get(path + "?token=<script>alert(1)</script>&name=me")

    assert plain.status_code == 200
    assert plain.headers["content-type"] == "text/html; charset=utf-8"
    assert plain.content == from_paypal.content == foreign.content
    assert "5O190127TN364715T" not in from_paypal.text


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_runs_nothing_loads_nothing_and_leads_nowhere(
    path: str, service: Harness
) -> None:
    response = await service.client.get(path)

    policy = response.headers["content-security-policy"]
    style = re.search(r"<style>(.*?)</style>", response.text, re.DOTALL)
    assert style
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
    assert response.headers["referrer-policy"] == "no-referrer"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["cache-control"] == "no-store"
    assert "access-control-allow-origin" not in response.headers
    page = Outline(response.text)
    assert not {"script", "img", "link", "iframe", "form", "a"} & set(page.names)
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_is_built_for_every_reader(path: str, service: Harness) -> None:
    page = Outline((await service.client.get(path)).text)

    assert ("html", {"lang": "en"}) in page.elements
    assert page.names.count("h1") == page.names.count("main") == page.names.count("title") == 1
    assert any(attributes.get("name") == "viewport" for _, attributes in page.elements)
    title, heading, following = page.headings
    assert title == heading
    assert following == "What happens next"


async def test_the_pages_say_what_happened(service: Harness) -> None:
    approved, cancelled = [(await service.client.get(path)).text for path in PAGES]

    assert "<h1>Payment approved</h1>" in approved
    assert "Tell your agent" in approved
    assert "<h1>Payment not approved</h1>" in cancelled
    assert "not charged" in cancelled


@pytest.mark.parametrize("path", PAGES)
async def test_a_key_of_ours_has_no_place_in_their_address(path: str, service: Harness) -> None:
    for query in ("?token=orch_live_1", "?x=orch_live_1", "?api_key=1", "?key=1", "?Token=1"):
        refused(await service.client.get(path + query), 400, "invalid_request")


async def test_elsewhere_a_token_still_has_no_place_in_the_address(service: Harness) -> None:
    refused(await service.client.get("/v1/billing/plans?token=1"), 400, "invalid_request")


@pytest.mark.parametrize("path", PAGES)
async def test_a_human_is_never_turned_away(path: str, buyer: Buyer) -> None:
    for _ in range(70):
        assert (await buyer.client.get(path + FROM_PAYPAL)).status_code == 200


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_is_only_read(path: str, service: Harness) -> None:
    head = await service.client.head(path)
    posted = await service.client.post(path)

    assert (head.status_code, head.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert refused(posted, 405, "invalid_request")
    assert posted.headers["allow"] == "GET, HEAD"
