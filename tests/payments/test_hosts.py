"""Which addresses are believed to be PayPal's."""

import pytest

from orchestrion.payments.hosts import BaseUrl

LIVE = BaseUrl.parse("https://api-m.paypal.com")
PRETENDED = BaseUrl.parse("http://127.0.0.1:8099")


@pytest.mark.parametrize(
    "address",
    [
        "https://www.paypal.com/checkoutnow?token=5O190127TN364715T",
        "https://www.sandbox.paypal.com/checkoutnow?token=5O190127TN364715T",
        "https://paypal.com/",
        "https://WWW.PayPal.COM/",
        "https://www.paypal.com:443/",
        "https://www.paypal.com",
        "https://www.paypal.com?token=1",
    ],
)
def test_paypal_and_its_subdomains_are_paypals(address: str) -> None:
    assert LIVE.trusts(address)


@pytest.mark.parametrize(
    "address",
    [
        "http://www.paypal.com/",
        "https://paypal.com.example/",
        "https://notpaypal.com/",
        "https://example/paypal.com",
        "https://paypal.com@example/",
        "https://user:word@www.paypal.com/",
        "https://example\\.paypal.com/",
        "https://example/\\.paypal.com/",
        "https://www.paypal.com:8443/",
        "https://www.paypal.com:/",
        "https://www.paypal.com:0/",
        "https://www.paypal.com:00443/",
        "https://www.paypal.com:0443/",
        "https://www.paypal.com:65536/",
        "https://.paypal.com/",
        "https://..paypal.com/",
        "https://www..paypal.com/",
        "https://www.paypal.com./",
        "https://www.paypal.com\u3002example/",
        "https://www.p\u0430ypal.com/",
        "https://www.paypal.com/ x",
        "https://www.paypal.com/\n",
        "https://www.paypal.com/<script>",
        'https://www.paypal.com/"',
        "https://www.paypal.com/#fragment",
        " https://www.paypal.com/",
        "https:www.paypal.com",
        "//www.paypal.com/",
        "javascript://www.paypal.com/%0aalert(1)",
        "https://www.paypal.com/" + "a" * 2_048,
        "https://127.0.0.1:8099/",
        "http://127.0.0.1:8099/",
        "",
    ],
)
def test_everything_else_is_not(address: str) -> None:
    assert not LIVE.trusts(address)


@pytest.mark.parametrize(
    ("address", "trusted"),
    [
        ("http://127.0.0.1:8099/checkoutnow?token=1", True),
        ("http://127.0.0.1:8098/checkoutnow?token=1", False),
        ("http://localhost:8099/", False),
        ("https://127.0.0.1:8099/", False),
        ("http://127.0.0.1:08099/", False),
        ("https://www.paypal.com/", False),
    ],
)
def test_a_pretended_paypal_leads_to_itself_alone(address: str, *, trusted: bool) -> None:
    assert PRETENDED.trusts(address) is trusted


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("https://api-m.paypal.com", "https://api-m.paypal.com"),
        ("https://api-m.sandbox.paypal.com/", "https://api-m.sandbox.paypal.com"),
        ("https://127.0.0.1:8443", "https://127.0.0.1:8443"),
        ("http://127.0.0.1:8099", "http://127.0.0.1:8099"),
        ("http://localhost:8099/", "http://localhost:8099"),
        ("http://[::1]:8099", "http://[::1]:8099"),
    ],
)
def test_a_base_url_is_paypals_or_this_machines(text: str, kept: str) -> None:
    assert BaseUrl.parse(text).text == kept


@pytest.mark.parametrize(
    "text",
    [
        "http://api-m.paypal.com",
        "http://192.0.2.7:8099",
        "https://192.0.2.7",
        "https://gateway.example",
        "https://paypal.com.example",
        "https://notpaypal.com",
        "https://api-m.paypal.com:8443",
        "https://api-m.paypal.com:0",
        "https://..paypal.com",
        "http://127.0.0.1:0",
        "http://127.0.0.1:65536",
        "https://api-m.paypal.com/v2",
        "https://api-m.paypal.com?x=1",
        "https://us:secret@api-m.paypal.com",
        "api-m.paypal.com",
        "ftp://127.0.0.1",
        "https://",
        "",
    ],
)
def test_another_base_url_is_refused_in_one_line_that_repeats_nothing(text: str) -> None:
    with pytest.raises(ValueError, match="https") as raised:
        BaseUrl.parse(text)

    assert "secret" not in str(raised.value)
    assert "\n" not in str(raised.value)
