"""Whatever PayPal does wrong comes to a documented answer, and nobody pays twice for it."""

import msgspec
import pytest

from tests.databases import Trouble
from tests.http.callers import Json, Response, advice, ok, recommended, recovered, refused
from tests.http.market import Buyer

A_TOKENS_LIFE = 40_000
# What may go wrong with any call.
BROKEN = (
    *("status", "status_after", "unauthorized", "redirect", "redirect_after", "cut", "malformed"),
    *("empty", "huge", "packed"),
)
# Those that a deadline ends.
HELD = ("hold_before", "hold", "slow")
DECLINES = ("INSTRUMENT_DECLINED", "PAYER_CANNOT_PAY", "TRANSACTION_REFUSED", "SOMETHING_NEW")
NOT_YET = ("ORDER_NOT_APPROVED", "PAYER_ACTION_REQUIRED")
WRONG = ("wrong_amount", "wrong_currency", "wrong_custom_id")


def behave(buyer: Buyer, point: str, what: str) -> None:
    # A token that is refused once is fetched anew.
    times = 2 if what == "unauthorized" and point != "token" else 1
    buyer.pretend.behave(point, what, times=times)


def told_to_wait(response: Response) -> None:
    answer = refused(response, 503, "server_error")
    assert response.headers["retry-after"] == "5"
    assert answer["agent_contract"]["retryable"] is True
    assert advice(answer) == ["retry_after_wait"]
    assert "PayPal" in answer["message"]
    assert_nothing_foreign(response)


def declined(response: Response) -> None:
    answer = refused(response, 402, "payment_failed")
    assert answer["agent_contract"]["retryable"] is False
    assert advice(answer) == ["retry_checkout", "check_billing_status"]
    assert_nothing_foreign(response)


def assert_nothing_foreign(response: Response) -> None:
    """Nothing of what PayPal said gets to the caller."""
    for word in ("debug", "INSTRUMENT", "PAYER_", "REFUSED", "SOMETHING", "elsewhere"):
        assert word not in response.text


async def settles(buyer: Buyer, purchase: Json) -> None:
    """Hold the next verify to make good what went wrong, once."""
    assert ok(await buyer.verify(purchase["purchaseId"]))["outcome"] == "activated"
    assert buyer.captured(purchase) == 1
    assert await buyer.plan() == "pro"


@pytest.mark.parametrize("what", [*BROKEN, *HELD, "wrong_order"])
@pytest.mark.parametrize("point", ["order", "capture"])
async def test_verify_meets_a_broken_answer(point: str, what: str, buyer: Buyer) -> None:
    purchase = await buyer.approved()
    behave(buyer, point, what)

    told_to_wait(await buyer.verify(purchase["purchaseId"]))

    buyer.pretend.release(point)
    await settles(buyer, purchase)


@pytest.mark.parametrize("what", [*BROKEN, *HELD])
async def test_verify_gets_no_token(what: str, buyer: Buyer) -> None:
    purchase = await buyer.approved()
    buyer.service.clock.advance(A_TOKENS_LIFE)
    behave(buyer, "token", what)

    told_to_wait(await buyer.verify(purchase["purchaseId"]))

    buyer.pretend.release("token")
    await settles(buyer, purchase)


@pytest.mark.parametrize("what", [*BROKEN, *HELD, "foreign_link", "no_link"])
async def test_checkout_meets_a_broken_answer(what: str, buyer: Buyer) -> None:
    behave(buyer, "create", what)
    before = sum(buyer.pretend.captures().values())

    told_to_wait(await buyer.start())

    # Whatever became of that order, nobody was given its address.
    buyer.pretend.release("create")
    await settles(buyer, await buyer.approved())
    assert sum(buyer.pretend.captures().values()) == before + 1


async def test_checkout_gets_no_token(buyer: Buyer) -> None:
    buyer.pretend.behave("token", "status")

    told_to_wait(await buyer.start())

    await settles(buyer, await buyer.approved())


async def test_an_older_kind_of_link_is_as_good(buyer: Buyer) -> None:
    buyer.pretend.behave("create", "approve_link")

    await settles(buyer, await buyer.approved())


@pytest.mark.parametrize("issue", DECLINES)
async def test_a_declined_payment_is_no_payment(issue: str, buyer: Buyer) -> None:
    purchase = await buyer.approved()
    buyer.pretend.behave("capture", "issue", issue=issue)

    declined(await buyer.verify(purchase["purchaseId"]))

    assert await buyer.plan() == "free"
    assert buyer.captured(purchase) == 0


async def test_who_was_declined_may_start_anew_at_once(buyer: Buyer) -> None:
    first = await buyer.approved()
    buyer.pretend.behave("capture", "issue")
    declined(await buyer.verify(first["purchaseId"]))

    second = await buyer.approved()

    await settles(buyer, second)
    refused(await buyer.verify(first["purchaseId"]), 410, "payment_failed")
    assert buyer.captured(first) == 0


async def test_who_was_declined_may_approve_again_with_other_means(buyer: Buyer) -> None:
    purchase = await buyer.approved()
    buyer.pretend.behave("capture", "issue")
    declined(await buyer.verify(purchase["purchaseId"]))

    await settles(buyer, purchase)


async def test_a_capture_that_is_declined_is_no_payment(buyer: Buyer) -> None:
    purchase = await buyer.approved()
    buyer.pretend.behave("capture", "capture_declined")

    declined(await buyer.verify(purchase["purchaseId"]))

    assert await buyer.plan() == "free"


@pytest.mark.parametrize("issue", NOT_YET)
async def test_an_approval_that_is_taken_back_is_waited_for(issue: str, buyer: Buyer) -> None:
    purchase = await buyer.approved()
    buyer.pretend.behave("capture", "issue", issue=issue)

    answer = refused(await buyer.verify(purchase["purchaseId"]), 402, "payment_failed")
    assert answer["agent_contract"]["retryable"] is True
    assert recommended(answer)["retry_after_seconds"] == 30

    await settles(buyer, purchase)


async def test_a_payment_that_is_being_taken_is_waited_for(buyer: Buyer) -> None:
    purchase = await buyer.approved()
    buyer.pretend.behave("capture", "issue", issue="ORDER_COMPLETION_IN_PROGRESS")

    response = await buyer.verify(purchase["purchaseId"])
    answer = refused(response, 503, "server_error")
    assert response.headers["retry-after"] == "5"
    assert advice(answer) == ["retry_after_wait"]

    await settles(buyer, purchase)


@pytest.mark.parametrize("issue", ["ORDER_ALREADY_CAPTURED", "DUPLICATE_INVOICE_ID"])
async def test_what_was_taken_before_is_looked_up(issue: str, buyer: Buyer) -> None:
    purchase = await buyer.approved()
    buyer.pretend.behave("capture", "hold")
    told_to_wait(await buyer.verify(purchase["purchaseId"]))
    buyer.pretend.release("capture")
    buyer.pretend.behave("capture", "issue", issue=issue)

    await settles(buyer, purchase)


@pytest.mark.parametrize("what", WRONG)
async def test_money_that_was_not_asked_for_buys_nothing_and_an_operator_hears_of_it(
    what: str, buyer: Buyer
) -> None:
    purchase = await buyer.approved()
    buyer.pretend.behave("capture", what)

    for _ in range(3):
        answer = refused(await buyer.verify(purchase["purchaseId"]), 402, "payment_failed")
        # Another checkout would take more money.
        assert advice(answer) == ["check_billing_status"]
        assert answer["agent_contract"]["retryable"] is False

    assert await buyer.plan() == "free"
    events = [event for event, _, _ in buyer.service.observer.faults]
    assert events.count("payment_does_not_count") == 1


@pytest.mark.parametrize("change", ["void", "expire"])
async def test_an_order_that_is_gone_cannot_be_paid(change: str, buyer: Buyer) -> None:
    purchase = await buyer.opened()
    buyer.pretend.change(purchase["orderId"], change)
    # An order that is new may not be found yet.
    buyer.pass_time(300)

    for _ in range(2):
        answer = refused(await buyer.verify(purchase["purchaseId"]), 410, "payment_failed")
        assert advice(answer) == ["retry_checkout", "check_billing_status"]
    await settles(buyer, await buyer.approved())


async def test_an_order_that_is_not_found_ends_nothing_while_money_may_be_taken(
    buyer: Buyer,
) -> None:
    purchase = await buyer.approved()
    buyer.pretend.behave("capture", "cut")
    told_to_wait(await buyer.verify(purchase["purchaseId"]))
    buyer.pretend.behave("order", "status", status=404)

    told_to_wait(await buyer.verify(purchase["purchaseId"]))
    refused(await buyer.start(), 400, "invalid_request")

    await settles(buyer, purchase)


async def test_a_repeated_order_is_not_given_to_a_second_purchase(buyer: Buyer) -> None:
    first = await buyer.opened()
    other = await buyer.another()
    buyer.pretend.behave("create", "repeat")

    response = await other.start()

    assert response.status_code >= 400
    buyer.pretend.change(first["orderId"], "approve")
    await settles(buyer, first)
    assert await other.plan() == "free"


async def test_the_job_goes_on_where_an_answer_was_lost(buyer: Buyer) -> None:
    purchase = await buyer.approved()
    buyer.pretend.behave("capture", "hold")
    told_to_wait(await buyer.verify(purchase["purchaseId"]))
    buyer.pretend.release("capture")
    buyer.service.clock.advance(60)

    await buyer.service.run_job("finish_checkouts")

    assert await buyer.plan() == "pro"
    assert ok(await buyer.verify(purchase["purchaseId"]))["outcome"] == "already_confirmed"
    assert buyer.captured(purchase) == 1


async def test_a_capture_that_may_have_happened_keeps_from_another_checkout(buyer: Buyer) -> None:
    purchase = await buyer.approved()
    buyer.pretend.behave("capture", "hold")
    told_to_wait(await buyer.verify(purchase["purchaseId"]))
    buyer.pretend.release("capture")
    buyer.service.clock.advance(4 * 3_600)

    answer = refused(await buyer.start(), 400, "invalid_request")

    assert recommended(answer)["action"] == "verify_payment"
    assert answer["purchaseId"] == purchase["purchaseId"]
    await settles(buyer, purchase)


async def test_the_human_sees_what_we_asked_for(buyer: Buyer) -> None:
    purchase = await buyer.opened()

    (order,) = [
        one for one in buyer.pretend.look("orders")["orders"] if one["id"] == purchase["orderId"]
    ]

    text = msgspec.json.encode(order).decode()
    assert "24.99" in text
    assert purchase["purchaseId"] in text
    assert buyer.account.key not in text


async def test_a_checkout_of_unknown_fate_may_be_repeated(buyer: Buyer, trouble: Trouble) -> None:
    trouble.loses_commits = True
    of_unknown_fate(await buyer.start())
    trouble.loses_commits = False

    response = await recovered(buyer.start)
    # What was opened unseen stands in the way for a minute at most.
    if response.status_code == 503:
        buyer.service.clock.advance(60)
        response = await buyer.start()

    purchase = ok(response, 201)
    buyer.pretend.change(purchase["orderId"], "approve")
    await settles(buyer, purchase)


async def test_a_verify_of_unknown_fate_may_be_repeated(buyer: Buyer, trouble: Trouble) -> None:
    purchase = await buyer.approved()
    trouble.loses_commits = True
    of_unknown_fate(await buyer.verify(purchase["purchaseId"]))
    trouble.loses_commits = False

    await recovered(lambda: buyer.verify(purchase["purchaseId"]))

    assert ok(await buyer.verify(purchase["purchaseId"]))["outcome"] == "already_confirmed"
    assert buyer.captured(purchase) == 1
    assert await buyer.plan() == "pro"


async def test_a_database_that_does_not_answer_takes_no_money(
    buyer: Buyer, trouble: Trouble
) -> None:
    purchase = await buyer.approved()
    trouble.unreachable = True
    answer = refused(await buyer.verify(purchase["purchaseId"]), 503, "server_error")
    assert answer["agent_contract"]["retryable"] is True
    trouble.unreachable = False

    assert buyer.captured(purchase) == 0
    assert ok(await recovered(lambda: buyer.verify(purchase["purchaseId"])))["outcome"] == (
        "activated"
    )


def of_unknown_fate(response: Response) -> None:
    answer = refused(response, 503, "server_error")
    assert answer["agent_contract"]["retryable"] is True
    assert advice(answer) == ["check_billing_status", "retry_after_wait"]
