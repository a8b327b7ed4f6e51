"""The access token: one for many calls, and another in time."""

import asyncio

import pytest
from msgspec.structs import replace

from orchestrion.core.faults import PaymentsUnavailable
from orchestrion.core.payment import NewOrder
from orchestrion.payments.tokens import Credentials
from tests.payments.conftest import Client, Clients
from tests.pretend_paypal import PretendPayPal

TOKEN_SECONDS = 32_400
UNKNOWN_ORDER = "5O190127TN364715T"


async def test_one_token_serves_many_calls(client: Client, pretend: PretendPayPal) -> None:
    for _ in range(3):
        await client.paypal.order(UNKNOWN_ORDER)

    assert pretend.count("token") == 1


@pytest.mark.parametrize(("seconds", "tokens"), [(TOKEN_SECONDS - 61, 1), (TOKEN_SECONDS - 60, 2)])
async def test_a_token_is_kept_until_a_minute_before_its_end(
    client: Client, pretend: PretendPayPal, seconds: int, tokens: int
) -> None:
    await client.paypal.order(UNKNOWN_ORDER)
    client.clock.advance(seconds)
    await client.paypal.order(UNKNOWN_ORDER)

    assert pretend.count("token") == tokens


async def test_a_token_that_is_no_longer_taken_is_replaced_once(
    client: Client, pretend: PretendPayPal, new_order: NewOrder
) -> None:
    await client.paypal.order(UNKNOWN_ORDER)
    pretend.tell("advance", {"seconds": TOKEN_SECONDS})

    await client.paypal.create_order(new_order)

    assert (pretend.count("token"), pretend.count("create")) == (2, 2)


async def test_a_new_token_that_is_not_taken_either_is_a_fault(
    client: Client, pretend: PretendPayPal
) -> None:
    pretend.behave("order", "unauthorized", times=3)

    with pytest.raises(PaymentsUnavailable, match="a new token was refused"):
        await client.paypal.order(UNKNOWN_ORDER)

    assert (pretend.count("token"), pretend.count("order")) == (2, 2)


async def test_calls_at_the_same_time_fetch_one_token(
    client: Client, pretend: PretendPayPal
) -> None:
    pretend.behave("token", "hold")

    calls = [asyncio.create_task(client.paypal.order(UNKNOWN_ORDER)) for _ in range(20)]
    await asyncio.to_thread(pretend.wait_until_held, "token")
    pretend.release("token")
    await asyncio.gather(*calls)

    assert (pretend.count("token"), pretend.count("order")) == (1, 20)


async def test_calls_whose_token_is_refused_at_the_same_time_fetch_one_more(
    client: Client, pretend: PretendPayPal
) -> None:
    await client.paypal.order(UNKNOWN_ORDER)
    pretend.tell("advance", {"seconds": TOKEN_SECONDS})

    await asyncio.gather(*(client.paypal.order(UNKNOWN_ORDER) for _ in range(20)))

    assert pretend.count("token") == 2


async def test_a_refusal_of_an_old_token_that_comes_late_leaves_the_new_one(
    client: Client, pretend: PretendPayPal
) -> None:
    await client.paypal.order(UNKNOWN_ORDER)
    pretend.tell("advance", {"seconds": TOKEN_SECONDS})
    pretend.behave("order", "hold")
    late = asyncio.create_task(client.paypal.order(UNKNOWN_ORDER))
    await asyncio.to_thread(pretend.wait_until_held, "order")

    await client.paypal.order(UNKNOWN_ORDER)
    pretend.release("order")
    await late

    assert pretend.count("token") == 2


async def test_whoever_gives_up_waiting_leaves_the_token_to_the_others(
    client: Client, pretend: PretendPayPal
) -> None:
    pretend.behave("token", "hold")
    hasty, patient = (asyncio.create_task(client.paypal.order(UNKNOWN_ORDER)) for _ in range(2))
    await asyncio.to_thread(pretend.wait_until_held, "token")

    hasty.cancel()
    await asyncio.wait({hasty})
    pretend.release("token")

    assert await patient is None
    assert pretend.count("token") == 1


async def test_all_who_wait_are_told_that_there_is_no_token(
    client: Client, pretend: PretendPayPal
) -> None:
    pretend.behave("token", "status", status=503)
    pretend.behave("token", "hold_before")
    # The first that was told comes first: one call meets it, the next one waits.
    with pytest.raises(PaymentsUnavailable):
        await client.paypal.order(UNKNOWN_ORDER)
    calls = [asyncio.create_task(client.paypal.order(UNKNOWN_ORDER)) for _ in range(5)]
    await asyncio.to_thread(pretend.wait_until_held, "token")
    pretend.release("token")

    assert await asyncio.gather(*calls) == [None] * 5
    assert pretend.count("token") == 2


async def test_a_token_that_cannot_be_had_is_asked_for_again(
    client: Client, pretend: PretendPayPal
) -> None:
    pretend.behave("token", "cut")

    with pytest.raises(PaymentsUnavailable):
        await client.paypal.order(UNKNOWN_ORDER)

    assert await client.paypal.order(UNKNOWN_ORDER) is None


async def test_wrong_credentials_are_a_fault_that_says_so(
    clients: Clients, pretend: PretendPayPal
) -> None:
    wrong = Credentials(client_id=pretend.client_id, secret="wrong")
    client = clients.of(replace(pretend.options, credentials=wrong))

    with pytest.raises(PaymentsUnavailable, match="client id and the secret"):
        await client.paypal.order(UNKNOWN_ORDER)

    assert pretend.count("order") == 0


async def test_a_client_closes_in_the_midst_of_fetching(
    client: Client, pretend: PretendPayPal
) -> None:
    pretend.behave("token", "hold")
    call = asyncio.create_task(client.paypal.order(UNKNOWN_ORDER))
    await asyncio.to_thread(pretend.wait_until_held, "token")

    await client.paypal.close()
    await asyncio.wait({call})

    assert call.cancelled()


def test_credentials_are_not_shown() -> None:
    credentials = Credentials(client_id="id-to-hide", secret="secret-to-hide")

    assert "hide" not in f"{credentials!r} {credentials}"
