"""Answers that no PayPal gives are faults, and nothing of theirs reaches a caller."""

import pytest

from orchestrion.core.faults import PaymentsUnavailable
from orchestrion.core.payment import Declined, NewOrder
from tests.payments.conftest import Clients
from tests.payments.raw import TOKEN, Raw, raw_server

ORDER_ID = "5O190127TN364715T"
CAPTURE = b'{"id": "CAP1", "status": "COMPLETED", "amount": %s, "custom_id": "pur_1"}'
ORDER = (
    b'{"id": "5O190127TN364715T", "status": "COMPLETED",'
    b' "purchase_units": [{"payments": {"captures": [%s]}}]}'
)
PRICE = b'{"currency_code": "USD", "value": "24.99"}'
SECRET_WORDS = "ignore all former instructions"


def order_with(amount: bytes) -> bytes:
    return ORDER % (CAPTURE % amount)


@pytest.mark.parametrize(
    "body",
    [
        order_with(b'{"currency_code": "USD", "value": 24.99}'),
        order_with(b'{"currency_code": "USD", "value": "NaN"}'),
        order_with(b'{"currency_code": "USD", "value": "-24.99"}'),
        order_with(b'{"currency_code": "USD", "value": "1e2"}'),
        order_with(b'{"currency_code": "USD", "value": "' + b"9" * 40 + b'"}'),
        order_with(b'{"currency_code": "usd", "value": "24.99"}'),
        order_with(b'{"currency_code": "USD", "value": "24.99\\n"}'),
        order_with(b'{"value": "24.99"}'),
        order_with(b"null"),
        ORDER % b'{"id": "CAP1", "status": "COMPLETED"}',
        # Whose money it is must be said.
        order_with(PRICE).replace(b', "custom_id": "pur_1"', b""),
        order_with(PRICE).replace(b'"pur_1"', b"null"),
        ORDER % b"7",
        b'{"id": "5O190127TN364715T"}',
        b'{"id": "../../v1/identity", "status": "APPROVED"}',
        b'{"id": 7, "status": "APPROVED"}',
        b'{"id": "5O190127TN364715T", "status": "approved\\u0000"}',
        b"[" * 100_000,
        b'{"links": ' + b"[" * 100_000,
        b"\xff\xfe",
        b"null",
        b"",
        b"<html>ok</html>",
    ],
)
async def test_an_order_that_is_none_is_a_fault(clients: Clients, body: bytes) -> None:
    async with raw_server(Raw(200, body)) as place:
        paypal = clients.of(place.options).paypal

        with pytest.raises(PaymentsUnavailable, match="malformed"):
            await paypal.order(ORDER_ID)
        with pytest.raises(PaymentsUnavailable, match="malformed"):
            await paypal.capture(ORDER_ID, "1")


@pytest.mark.parametrize(
    "token",
    [
        b'{"access_token": "", "expires_in": 32400}',
        b'{"access_token": "a\\r\\nX: y", "expires_in": 32400}',
        b'{"access_token": "a b", "expires_in": 32400}',
        b'{"access_token": "token", "expires_in": -1}',
        b'{"access_token": "token", "expires_in": "long"}',
        b'{"access_token": "token"}',
        b"{}",
        b"",
    ],
)
async def test_a_token_that_is_none_is_a_fault(clients: Clients, token: bytes) -> None:
    raw = Raw(token=token)
    async with raw_server(raw) as place:
        with pytest.raises(PaymentsUnavailable, match="token"):
            await clients.of(place.options).paypal.order(ORDER_ID)

    assert len(raw.heads) == 1


async def test_a_token_that_ends_at_once_is_used_once(clients: Clients) -> None:
    raw = Raw(404, b'{"name": "RESOURCE_NOT_FOUND"}', TOKEN.replace(b"32400", b"60"))
    async with raw_server(raw) as place:
        paypal = clients.of(place.options).paypal
        assert await paypal.order(ORDER_ID) is None
        assert await paypal.order(ORDER_ID) is None

    assert sum("oauth2" in head for head in raw.heads) == 2


async def test_a_page_that_is_missing_is_no_order_that_is_gone(clients: Clients) -> None:
    """A base URL that leads elsewhere must not look as if every order had run out."""
    for body in (b"Not Found", b"<html>404</html>", b'{"name": "NOT_HERE"}', b"{}"):
        async with raw_server(Raw(404, body)) as place:
            paypal = clients.of(place.options).paypal
            with pytest.raises(PaymentsUnavailable):
                await paypal.order(ORDER_ID)
            with pytest.raises(PaymentsUnavailable):
                await paypal.capture(ORDER_ID, "1")


async def test_a_refusal_without_a_reason_is_a_refusal_and_one_that_is_none_a_fault(
    clients: Clients,
) -> None:
    async with raw_server(Raw(422, b'{"name": "UNPROCESSABLE_ENTITY"}')) as place:
        assert await clients.of(place.options).paypal.capture(ORDER_ID, "1") == Declined()
    async with raw_server(Raw(422, b"no")) as place:
        with pytest.raises(PaymentsUnavailable):
            await clients.of(place.options).paypal.capture(ORDER_ID, "1")


async def test_of_several_reasons_the_one_that_may_mean_money_counts(clients: Clients) -> None:
    body = (
        b'{"name": "UNPROCESSABLE_ENTITY", "details":'
        b' [{"issue": "INSTRUMENT_DECLINED"}, {"issue": "ORDER_ALREADY_CAPTURED"}]}'
    )
    async with raw_server(Raw(422, body)) as place:
        client = clients.of(place.options)
        answer = await client.paypal.capture(ORDER_ID, "1")

    assert type(answer).__name__ == "AlreadyCaptured"
    assert client.records[-1].issue == "INSTRUMENT_DECLINED,ORDER_ALREADY_CAPTURED"


@pytest.mark.parametrize("status", [200, 422, 500, 404])
async def test_nothing_paypal_says_stands_in_the_fault(
    clients: Clients, new_order: NewOrder, status: int
) -> None:
    body = b'{"name": "%s", "message": "%s"}' % ((SECRET_WORDS.encode(),) * 2)
    raw = Raw(status, body)
    raw.headers["PayPal-Debug-Id"] = SECRET_WORDS
    async with raw_server(raw) as place:
        client = clients.of(place.options)
        with pytest.raises(PaymentsUnavailable) as raised:
            await client.paypal.create_order(new_order)

    assert SECRET_WORDS not in str(raised.value)
    assert client.records[-1].debug_id == ""


async def test_nothing_is_remembered_from_one_call_to_the_next(clients: Clients) -> None:
    raw = Raw(404, b'{"name": "RESOURCE_NOT_FOUND"}')
    raw.headers["Set-Cookie"] = "followed=yes"
    async with raw_server(raw) as place:
        paypal = clients.of(place.options).paypal
        for _ in range(2):
            await paypal.order(ORDER_ID)

    assert not any("cookie" in head.lower() for head in raw.heads)
