"""The pretend PayPal speaks as the published API does, and no service could tell by its words."""

import signal
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from tests.pretend_paypal import PATIENCE_SECONDS, PROGRAM, PretendPayPal, pretending

ORDERS = "/v2/checkout/orders"
HOUR = 3_600
Json = dict[str, Any]


class Caller:
    """Calls the API as somebody does who has read PayPal's documentation alone."""

    def __init__(self, pretend: PretendPayPal) -> None:
        pair = f"{pretend.client_id}:{pretend.secret}".encode()
        self._basic = {"Authorization": "Basic " + b64encode(pair).decode()}
        self._client = httpx2.Client(base_url=pretend.url, trust_env=False)
        self.renew()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def renew(self) -> None:
        token = self.token().json()
        self._client.headers["Authorization"] = f"{token['token_type']} {token['access_token']}"

    def token(self, **headers: str) -> httpx2.Response:
        data = {"grant_type": "client_credentials"}
        return self._client.post("/v1/oauth2/token", data=data, headers=headers or self._basic)

    def create(self, body: Json, request_id: str | None) -> httpx2.Response:
        headers = {"PayPal-Request-Id": request_id} if request_id else {}
        return self._client.post(ORDERS, json=body, headers=headers)

    def order(self, order_id: str) -> httpx2.Response:
        return self._client.get(f"{ORDERS}/{order_id}")

    def capture(self, order_id: str, request_id: str, **headers: str) -> httpx2.Response:
        return self._client.post(
            f"{ORDERS}/{order_id}/capture",
            json={},
            headers={"PayPal-Request-Id": request_id, **headers},
        )

    def plain(self, method: str, path: str, **more: Any) -> httpx2.Response:  # noqa: ANN401
        return self._client.request(method, path, **more)


@pytest.fixture
def caller(pretend: PretendPayPal) -> Iterator[Caller]:
    with Caller(pretend) as caller:
        yield caller


@pytest.fixture
def body(request: pytest.FixtureRequest) -> Json:
    return wanted(request.node.name)


def wanted(purchase: str) -> Json:
    """Write a request for an order."""
    return {
        "intent": "CAPTURE",
        "purchase_units": [
            {
                "reference_id": purchase,
                "custom_id": purchase,
                "invoice_id": purchase,
                "amount": {"currency_code": "USD", "value": "9.99"},
            }
        ],
        "payment_source": {
            "paypal": {
                "experience_context": {
                    "return_url": "https://shop.example/back?a=b",
                    "cancel_url": "https://shop.example/away",
                }
            }
        },
    }


def links(answer: httpx2.Response) -> dict[str, str]:
    return {link["rel"]: link["href"] for link in answer.json()["links"]}


def issue(answer: httpx2.Response) -> tuple[int, str, str]:
    """Read a refusal; it must have everything a refusal of PayPal's has."""
    refused = answer.json()
    assert refused["message"]
    assert refused["debug_id"] == answer.headers["paypal-debug-id"]
    return answer.status_code, refused["name"], refused["details"][0]["issue"]


def test_a_token_says_how_long_it_holds(caller: Caller) -> None:
    token = caller.token()

    assert token.status_code == 200
    assert set(token.json()) == {
        *("scope", "access_token", "token_type", "app_id", "expires_in", "nonce")
    }


@pytest.mark.parametrize("header", ["Basic d3Jvbmc6d3Jvbmc=", "Basic ???", "Bearer x", ""])
def test_wrong_credentials_are_refused(caller: Caller, header: str) -> None:
    refused = caller.token(Authorization=header)

    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")


def test_a_token_runs_out(caller: Caller, pretend: PretendPayPal) -> None:
    pretend.tell("advance", {"seconds": 32_400})

    refused = caller.order("5O190127TN364715T")

    assert (refused.status_code, refused.json()["name"]) == (401, "AUTHENTICATION_FAILURE")


def test_an_order_is_created_once_for_a_request_id(caller: Caller, body: Json) -> None:
    first, again = (caller.create(body, f"{body}") for _ in range(2))

    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert first.json()["status"] == "PAYER_ACTION_REQUIRED"
    assert set(first.json()) == {"id", "status", "payment_source", "links"}
    assert set(links(first)) == {"self", "payer-action"}


def test_an_order_of_the_former_kind_has_a_link_of_the_former_kind(
    caller: Caller, body: Json
) -> None:
    context = body.pop("payment_source")["paypal"]["experience_context"]
    created = caller.create(body | {"application_context": context}, None)

    assert created.json()["status"] == "CREATED"
    assert set(links(created)) == {"self", "approve", "capture"}


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"intent": "AUTHORIZE"}, (422, "UNPROCESSABLE_ENTITY", "UNSUPPORTED_INTENT")),
        ({"purchase_units": []}, (400, "INVALID_REQUEST", "INVALID_PARAMETER_SYNTAX")),
        ({"value": 9.99}, (400, "INVALID_REQUEST", "INVALID_PARAMETER_SYNTAX")),
        ({"value": "9.999"}, (422, "UNPROCESSABLE_ENTITY", "DECIMAL_PRECISION")),
        ({"value": "0.00"}, (422, "UNPROCESSABLE_ENTITY", "CANNOT_BE_ZERO_OR_NEGATIVE")),
        ({"request_id": None}, (400, "INVALID_REQUEST", "PAYPAL_REQUEST_ID_REQUIRED")),
    ],
)
def test_a_wrong_order_is_refused_with_the_reason(
    caller: Caller, body: Json, change: Json, refusal: tuple[int, str, str]
) -> None:
    request_id = change.pop("request_id", "one")
    if "value" in change:
        body["purchase_units"][0]["amount"]["value"] = change.pop("value")

    assert issue(caller.create(body | change, request_id)) == refusal


def test_an_approved_order_is_captured_once(
    caller: Caller, body: Json, pretend: PretendPayPal
) -> None:
    order_id = caller.create(body, f"{body}").json()["id"]
    pretend.change(order_id, "approve")
    whole = {"Prefer": "return=representation"}

    brief = caller.capture(order_id, f"{order_id}-1")
    again = caller.capture(order_id, f"{order_id}-1", **whole)

    assert (brief.status_code, again.status_code) == (201, 200)
    assert "purchase_units" not in brief.json()
    assert again.json() == caller.order(order_id).json()
    (unit,) = again.json()["purchase_units"]
    (capture,) = unit["payments"]["captures"]
    assert capture["amount"] == {"currency_code": "USD", "value": "9.99"}
    assert issue(caller.capture(order_id, f"{order_id}-2")) == (
        *(422, "UNPROCESSABLE_ENTITY", "ORDER_ALREADY_CAPTURED"),
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (None, (422, "UNPROCESSABLE_ENTITY", "ORDER_NOT_APPROVED")),
        ("void", (422, "UNPROCESSABLE_ENTITY", "TRANSACTION_REFUSED")),
        ("expire", (404, "RESOURCE_NOT_FOUND", "INVALID_RESOURCE_ID")),
    ],
)
def test_an_order_that_is_not_approved_is_not_captured(
    caller: Caller,
    body: Json,
    pretend: PretendPayPal,
    change: str | None,
    reason: tuple[int, str, str],
) -> None:
    order_id = caller.create(body, f"{body}").json()["id"]
    if change:
        pretend.change(order_id, change)

    assert issue(caller.capture(order_id, f"{order_id}-1")) == reason


def test_an_order_too_early_to_capture_is_captured_by_the_same_request_later(
    caller: Caller, body: Json, pretend: PretendPayPal
) -> None:
    order_id = caller.create(body, f"{body}").json()["id"]

    early = caller.capture(order_id, f"{order_id}-1")
    pretend.change(order_id, "approve")
    late = caller.capture(order_id, f"{order_id}-1")

    assert (early.status_code, late.status_code) == (422, 201)


def test_an_invoice_is_paid_once(caller: Caller, body: Json, pretend: PretendPayPal) -> None:
    orders = [caller.create(body, f"{body}-{n}").json()["id"] for n in range(2)]
    for order_id in orders:
        pretend.change(order_id, "approve")

    paid = caller.capture(orders[0], f"{orders[0]}-1")

    assert paid.status_code == 201
    assert issue(caller.capture(orders[1], f"{orders[1]}-1")) == (
        *(422, "UNPROCESSABLE_ENTITY", "DUPLICATE_INVOICE_ID"),
    )
    assert pretend.captures()[body["purchase_units"][0]["custom_id"]] == 1


def test_an_order_runs_out_three_hours_after_its_creation_and_after_its_approval(
    caller: Caller, body: Json, pretend: PretendPayPal
) -> None:
    forgotten, approved = (caller.create(body, f"{body}-{n}").json()["id"] for n in range(2))
    pretend.tell("advance", {"seconds": 2 * HOUR})
    pretend.change(approved, "approve")
    seen = []
    for _ in range(3):
        seen.append((caller.order(forgotten).status_code, caller.order(approved).status_code))
        pretend.tell("advance", {"seconds": 2 * HOUR})

    assert seen == [(200, 200), (404, 200), (404, 404)]


class Page(HTMLParser):
    """What of a page counts for whoever cannot see it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def has(self, tag: str, **attributes: str) -> bool:
        return any(name == tag and attributes.items() <= attrs.items() for name, attrs in self.tags)


def test_the_page_of_an_order_can_be_read_and_used_by_anybody(
    caller: Caller, body: Json, pretend: PretendPayPal
) -> None:
    body["purchase_units"][0]["description"] = "<script>Pro</script>"
    shown = pretend.page(links(caller.create(body, f"{body}"))["payer-action"])

    page = Page(shown.text)
    assert shown.headers["content-security-policy"].startswith("default-src 'none'")
    assert page.has("html", lang="en")
    assert all(page.has(tag) for tag in ("title", "main", "h1"))
    assert page.has("button", id="pay", type="submit")
    assert page.has("button", id="cancel", type="submit")
    assert not page.has("script")
    assert {"Pay", "Cancel", "9.99 USD", "<script>Pro</script>"} <= set(page.text)


def test_a_human_who_pays_is_led_back_and_the_order_is_approved(
    caller: Caller, body: Json, pretend: PretendPayPal
) -> None:
    order_id = caller.create(body, f"{body}").json()["id"]

    led = pretend.page("/checkoutnow/pay", token=order_id)

    place = urlsplit(led.headers["location"])
    assert (led.status_code, place.netloc, place.path) == (303, "shop.example", "/back")
    assert parse_qs(place.query) == {"a": ["b"], "token": [order_id], "PayerID": ["PRETENDPAYER1"]}
    assert caller.order(order_id).json()["status"] == "APPROVED"


def test_a_human_who_cancels_is_led_away_and_may_come_back(
    caller: Caller, body: Json, pretend: PretendPayPal
) -> None:
    order_id = caller.create(body, f"{body}").json()["id"]

    led = pretend.page("/checkoutnow/cancel", token=order_id)

    assert led.headers["location"] == f"https://shop.example/away?token={order_id}"
    assert caller.order(order_id).json()["status"] == "PAYER_ACTION_REQUIRED"
    assert pretend.page(f"/checkoutnow?token={order_id}").status_code == 200


@pytest.mark.parametrize(("change", "status"), [("approve", 200), ("void", 410), ("expire", 404)])
@pytest.mark.parametrize("button", ["pay", "cancel"])
def test_what_can_no_longer_be_decided_is_said_so(
    caller: Caller, body: Json, pretend: PretendPayPal, *, change: str, status: int, button: str
) -> None:
    order_id = caller.create(body, f"{body}").json()["id"]
    pretend.change(order_id, change)

    pages = [
        pretend.page(f"/checkoutnow?token={order_id}"),
        pretend.page(f"/checkoutnow/{button}", token=order_id),
    ]

    assert [page.status_code for page in pages] == [status, status]
    assert not any(Page(page.text).has("button") for page in pages)


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("behave", {"point": "order", "what": "wrong_amount"}),
        ("behave", {"point": "capture", "what": "no_link"}),
        ("behave", {"point": "nowhere", "what": "status"}),
        ("behave", {"point": "order", "what": "status", "times": 0}),
        ("behave", {"point": "order", "what": "status", "typo": 1}),
        ("release", {"point": "nowhere"}),
        ("advance", {"seconds": -1}),
        ("events", {"order_id": "5O190127TN364715T", "event_type": "CHECKOUT.ORDER.APPROVED"}),
        ("orders/5O190127TN364715T/approve", {}),
    ],
)
def test_a_command_that_makes_no_sense_is_refused(caller: Caller, command: str, told: Json) -> None:
    """Else a test would pass because nothing went wrong."""
    assert caller.plain("POST", f"/pretend/{command}", json=told).status_code == 400


def test_what_is_told_is_done_as_often_as_told(caller: Caller, pretend: PretendPayPal) -> None:
    pretend.behave("order", "status", status=503, times=2)

    statuses = [caller.order("5O190127TN364715T").status_code for _ in range(3)]

    assert statuses == [503, 503, 404]


def test_what_is_not_pretended_is_not_there(caller: Caller) -> None:
    assert caller.plain("GET", "/v2/payments/captures/1").status_code == 404
    assert caller.plain("GET", ORDERS).status_code == 405


def test_a_port_that_is_taken_is_said_in_one_line(pretend: PretendPayPal) -> None:
    port = str(urlsplit(pretend.url).port)

    refused = subprocess.run([*PROGRAM, "--port", port], capture_output=True, check=False)

    assert refused.returncode == 2
    assert f"cannot listen on port {port}" in refused.stderr.decode().splitlines()[-1]


def test_it_ends_when_it_is_asked_to_even_with_an_answer_held() -> None:
    with pretending() as pretend, Caller(pretend) as caller:
        pretend.behave("order", "hold_before")
        with pytest.raises(httpx2.ReadTimeout):
            caller.plain("GET", f"{ORDERS}/5O190127TN364715T", timeout=0.2)
        pretend.process.send_signal(signal.SIGTERM)

        assert pretend.process.wait(PATIENCE_SECONDS) == 0


def test_it_ends_with_whoever_started_it() -> None:
    """Also if that one is killed, and has no time to end anybody."""
    starter = (
        "import subprocess, sys; subprocess.Popen([sys.executable, '-m',"
        " 'orchestrion.payments.pretend', '--until-stdin-closes'], stdin=subprocess.PIPE);"
        " sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", starter], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdin is not None
    with process.stdin, process.stdout:
        assert b"url" in process.stdout.readline()
        process.kill()
        process.wait(PATIENCE_SECONDS)
        # The pretend PayPal has this pipe too, until it ends.
        assert process.stdout.read() == b""
