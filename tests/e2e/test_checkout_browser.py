"""The whole way once: an agent gets an address, a human approves in a browser, it verifies."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.e2e.browser import Browser, browsing
from tests.e2e.counter import Agent, Json
from tests.e2e.serving import PATIENCE_SECONDS, Served, serving
from tests.ports import free_port


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    flags = ("--port", str(free_port()), "--plans", "hosted", "--payments", "pretend")
    with serving(tmp_path / "orchestrion.db", *flags) as served:
        yield served


@pytest.fixture
def agent(served: Served) -> Iterator[Agent]:
    url, key = served.url(), served.first_key()
    with httpx2.Client(
        base_url=url,
        headers={"Authorization": f"Bearer {key}"},
        timeout=PATIENCE_SECONDS,
        trust_env=False,
    ) as client:
        yield Agent(served, client)


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    with browsing(tmp_path) as browser:
        yield browser


def landed_well(browser: Browser, title: str) -> None:
    """Hold the page a human lands on to what it promises, in a browser that knows all the rules."""
    assert browser.evaluate("document.title") == title
    heard = browser.heard()
    assert ("heading", title) in heard
    assert ("heading", "What happens next") in heard
    # The style is let in by its hash, and nothing else is.
    assert browser.evaluate("getComputedStyle(document.body).maxWidth") == "576px"
    assert browser.evaluate("document.querySelectorAll('script, a, form, img').length") == 0
    assert browser.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert browser.complaints == []


def paid(agent: Agent, purchase: Json) -> None:
    assert agent.outcome(purchase["purchaseId"]) == "activated"
    status = agent.client.get("/v1/billing/status").json()
    assert (status["plan"]["id"], status["plan"]["purchasable"]) == (purchase["planId"], True)
    assert agent.outcome(purchase["purchaseId"]) == "already_confirmed"


def test_a_human_approves_and_the_agent_has_its_plan(agent: Agent, browser: Browser) -> None:
    purchase = agent.opened("pro")

    browser.open(purchase["checkoutUrl"])
    assert "24.99 USD" in browser.text
    assert "Pro" in browser.text
    assert agent.verify(purchase["purchaseId"]).status_code == 402
    browser.click("#pay")

    assert browser.url.startswith(f"{agent.served.url()}/billing/approved?token=")
    assert "Tell your agent" in browser.text
    assert purchase["orderId"] not in browser.text
    landed_well(browser, "Payment approved")
    paid(agent, purchase)


def test_a_human_who_cancels_can_come_back_with_the_keyboard_alone(
    agent: Agent, browser: Browser
) -> None:
    purchase = agent.opened("basic")

    browser.open(purchase["checkoutUrl"])
    browser.press_enter_on("#cancel")
    assert browser.url.startswith(f"{agent.served.url()}/billing/cancelled?token=")
    assert "not charged" in browser.text
    landed_well(browser, "Payment not approved")
    assert agent.verify(purchase["purchaseId"]).status_code == 402

    browser.open(purchase["checkoutUrl"])
    browser.press_enter_on("#pay")
    landed_well(browser, "Payment approved")
    paid(agent, purchase)


def test_the_pretend_paypal_says_where_it_is_and_ends_with_the_server(agent: Agent) -> None:
    (line,) = [one for one in agent.served.lines if one["event"] == "payments_are_pretended"]
    agent.served.wait_until(lambda: "no money moves" in agent.served.stdout)
    assert line["url"] in agent.served.stdout
    assert json.loads(httpx2.get(f"{line['url']}/pretend/calls").text)["counts"]["create"] == 0

    agent.served.kill()

    # It ends by itself once nobody holds its other end.
    for _ in range(10_000):
        try:
            httpx2.get(f"{line['url']}/pretend/calls", trust_env=False)
        except httpx2.TransportError:
            return
    raise AssertionError
