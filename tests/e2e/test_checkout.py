"""Real servers sell through a pretend PayPal: at any crash, nobody pays twice or for nothing."""

import asyncio
import base64
from collections import Counter as Tally
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import httpx2
import msgspec
import pytest

from tests.databases import POSTGRES, SQLITE, Database, Databases, PostgresDatabase
from tests.e2e.counter import SITE, Agent, Counter, selling_config
from tests.e2e.fleet import fleet_on
from tests.e2e.serving import PATIENCE_SECONDS
from tests.pretend_paypal import PretendPayPal

VERIFIES = 100
MINUTE, HOUR = 60, 3_600
CHECKOUT, VERIFY = "/v1/billing/checkout", "/v1/billing/verify"


@pytest.fixture(params=[SQLITE, POSTGRES])
def database(databases: Databases, request: pytest.FixtureRequest) -> Iterator[Database]:
    with databases.fresh(request.param) as database:
        yield database


@pytest.fixture
def counter(database: Database, pretend: PretendPayPal, tmp_path: Path) -> Counter:
    return Counter(database, selling_config(tmp_path, pretend), pretend)


# --- a crowd


async def verify_at_once(urls: Sequence[str], key: str, purchase_id: str) -> Tally[str]:
    """Verify a purchase a hundred times at once, then once more whatever was still being taken."""
    limits = httpx2.Limits(max_connections=VERIFIES)
    async with httpx2.AsyncClient(
        headers={"Authorization": f"Bearer {key}"},
        timeout=PATIENCE_SECONDS,
        limits=limits,
        trust_env=False,
    ) as client:

        async def ask(number: int) -> httpx2.Response:
            url = urls[number % len(urls)] + VERIFY
            return await client.post(url, json={"purchaseId": purchase_id})

        answers = list(await asyncio.gather(*map(ask, range(VERIFIES))))
        for number, answer in enumerate(answers):
            if answer.status_code == 503:
                assert answer.json()["agent_contract"]["retryable"] is True
                answers[number] = await ask(number)
    assert [answer.status_code for answer in answers] == [200] * VERIFIES
    return Tally(answer.json()["outcome"] for answer in answers)


async def test_of_a_hundred_verifies_at_once_one_activates(
    counter: Counter, pretend: PretendPayPal
) -> None:
    with counter.open() as agent:
        purchase = agent.opened()
        pretend.change(purchase["orderId"], "approve")

        outcomes = await verify_at_once([agent.served.url()], counter.key, purchase["purchaseId"])

    assert outcomes == {"activated": 1, "already_confirmed": VERIFIES - 1}
    assert counter.captured(purchase["purchaseId"]) == 1
    assert counter.plan() == ("pro", 30)


@pytest.mark.parametrize("replicas", [2, 3])
async def test_of_a_hundred_verifies_on_replicas_one_activates(
    replicas: int, databases: Databases, pretend: PretendPayPal, tmp_path: Path
) -> None:
    with databases.fresh(POSTGRES) as database:
        assert isinstance(database, PostgresDatabase)
        config = selling_config(tmp_path, pretend)
        counter = Counter(database, config, pretend)
        with fleet_on(database, replicas, "--config", str(config)) as fleet:
            registered = httpx2.post(f"{fleet.urls[0]}/v1/keys/register").json()
            counter.key = registered["apiKey"]
            account_id = registered["accountId"]
            headers = {"Authorization": f"Bearer {counter.key}"}
            purchase = httpx2.post(
                fleet.urls[-1] + CHECKOUT, json={"planId": "pro"}, headers=headers
            ).json()
            pretend.change(purchase["orderId"], "approve")

            outcomes = await verify_at_once(fleet.urls, counter.key, purchase["purchaseId"])

        assert outcomes == {"activated": 1, "already_confirmed": VERIFIES - 1}
        assert counter.captured(purchase["purchaseId"]) == 1
        plans = database.fetch("select plan from accounts where id = $1", account_id)
        assert plans == [("pro",)]


# --- crashes


class Crash(msgspec.Struct, frozen=True):
    """Where a server dies: while PayPal holds an answer, or once the database says so."""

    path: str
    point: str
    what: str
    until_stage: str = ""


BEFORE_THE_ORDER = Crash(CHECKOUT, "create", "hold_before")
BEFORE_IT_IS_RECORDED = Crash(CHECKOUT, "create", "hold")
ONCE_IT_IS_RECORDED = Crash(CHECKOUT, "create", "hold", "open")
BEFORE_THE_CAPTURE = Crash(VERIFY, "order", "hold")
AS_THE_CAPTURE_BEGINS = Crash(VERIFY, "capture", "hold_before")
BEFORE_IT_IS_CONFIRMED = Crash(VERIFY, "capture", "hold")
ONCE_IT_IS_CONFIRMED = Crash(VERIFY, "capture", "hold", "confirmed")

Resume = Callable[[Counter, str], None]


def die(counter: Counter, agent: Agent, crash: Crash, purchase_id: str = "") -> None:
    """Let the server die at a point of a request whose answer nobody gets."""
    body = {"planId": "pro"} if crash.path == CHECKOUT else {"purchaseId": purchase_id}
    counter.pretend.behave(crash.point, crash.what)
    with agent.asking(crash.path, body) as asked:
        counter.pretend.wait_until_held(crash.point)
        if crash.until_stage:
            counter.pretend.release(crash.point)
            counter.wait_for_stage(crash.until_stage)
        agent.served.kill()
        # At the last points the answer may have been on its way.
        assert asked.exception() is not None or crash.until_stage
    counter.pretend.tell("reset")


def check_paid_once(counter: Counter, purchase_id: str) -> None:
    assert counter.stage(purchase_id) == "confirmed"
    assert counter.captured(purchase_id) == 1
    # Activated twice, it would have more.
    assert counter.plan() == ("pro", 30)


@pytest.mark.parametrize("crash", [BEFORE_THE_ORDER, BEFORE_IT_IS_RECORDED])
@pytest.mark.parametrize("ended_by", ["the job", "the next checkout"])
def test_a_crash_before_the_order_is_known_costs_a_minute(
    crash: Crash, ended_by: str, counter: Counter, pretend: PretendPayPal
) -> None:
    with counter.open() as agent:
        die(counter, agent, crash)
    lost = counter.purchase_id()
    assert counter.stage() == "started"

    with counter.open() as agent:
        answer = agent.start()
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert agent.verify(lost).status_code == 402
        if ended_by == "the next checkout":
            counter.let_pass(MINUTE)
            second = agent.opened()
    if ended_by == "the job":
        counter.let_pass(MINUTE)
        with counter.open() as agent:
            counter.wait_for_stage("expired", lost)
            second = agent.opened()

    with counter.open() as agent:
        # Nobody was given the address of that order; even if it is approved, it is never taken.
        if order := counter.order_of(lost):
            pretend.change(order, "approve")
        assert agent.verify(lost).status_code == 410
        pretend.change(second["orderId"], "approve")
        assert agent.outcome(second["purchaseId"]) == "activated"
    assert counter.stage(lost) == "expired"
    assert counter.captured(lost) == 0
    check_paid_once(counter, second["purchaseId"])


def test_a_crash_before_the_answer_of_a_checkout_loses_nothing(
    counter: Counter, pretend: PretendPayPal
) -> None:
    with counter.open() as agent:
        die(counter, agent, ONCE_IT_IS_RECORDED)

    with counter.open() as agent:
        refused = agent.start()
        pending = refused.json()
        assert (refused.status_code, pending["planId"]) == (400, "pro")
        pretend.page(pending["checkoutUrl"].removeprefix(pretend.url))
        pretend.change(counter.order_of(pending["purchaseId"]), "approve")
        assert agent.outcome(pending["purchaseId"]) == "activated"

    check_paid_once(counter, pending["purchaseId"])


def test_what_is_approved_after_such_a_crash_is_settled_by_the_job(
    counter: Counter, pretend: PretendPayPal
) -> None:
    with counter.open() as agent:
        die(counter, agent, ONCE_IT_IS_RECORDED)
    purchase_id = counter.purchase_id()
    pretend.change(counter.order_of(purchase_id), "approve")
    counter.let_pass(3 * HOUR)

    with counter.open():
        counter.wait_for_stage("confirmed")

    check_paid_once(counter, purchase_id)


VERIFYING = pytest.mark.parametrize(
    "crash",
    [BEFORE_THE_CAPTURE, AS_THE_CAPTURE_BEGINS, BEFORE_IT_IS_CONFIRMED, ONCE_IT_IS_CONFIRMED],
    ids=["before the capture", "as it begins", "captured", "confirmed"],
)


@VERIFYING
def test_a_crash_while_verifying_is_settled_by_the_next_verify(
    crash: Crash, counter: Counter, pretend: PretendPayPal
) -> None:
    with counter.open() as agent:
        purchase = agent.opened()
        pretend.change(purchase["orderId"], "approve")
        die(counter, agent, crash, purchase["purchaseId"])

    with counter.open() as agent:
        first = agent.outcome(purchase["purchaseId"])
        second = agent.outcome(purchase["purchaseId"])

    known = crash is ONCE_IT_IS_CONFIRMED
    assert (first, second) == (
        "already_confirmed" if known else "activated",
        "already_confirmed",
    )
    check_paid_once(counter, purchase["purchaseId"])


@VERIFYING
def test_a_crash_while_verifying_is_settled_by_the_job(
    crash: Crash, counter: Counter, pretend: PretendPayPal
) -> None:
    with counter.open() as agent:
        purchase = agent.opened()
        pretend.change(purchase["orderId"], "approve")
        die(counter, agent, crash, purchase["purchaseId"])
    # Where the capture had begun, the job looks within a minute; else when the checkout is over.
    counter.let_pass(3 * HOUR if crash is BEFORE_THE_CAPTURE else MINUTE)

    with counter.open() as agent:
        counter.wait_for_stage("confirmed")
        assert agent.outcome(purchase["purchaseId"]) == "already_confirmed"

    check_paid_once(counter, purchase["purchaseId"])


@VERIFYING
def test_a_crash_of_one_replica_is_settled_by_another(
    crash: Crash, databases: Databases, pretend: PretendPayPal, tmp_path: Path
) -> None:
    with databases.fresh(POSTGRES) as database:
        counter = Counter(database, selling_config(tmp_path, pretend), pretend)
        with counter.open() as one, counter.open() as other:
            purchase = one.opened()
            pretend.change(purchase["orderId"], "approve")
            die(counter, one, crash, purchase["purchaseId"])

            first = other.outcome(purchase["purchaseId"])
            second = other.outcome(purchase["purchaseId"])

        known = crash is ONCE_IT_IS_CONFIRMED
        assert (first, second) == (
            "already_confirmed" if known else "activated",
            "already_confirmed",
        )
        check_paid_once(counter, purchase["purchaseId"])


def test_a_stop_waits_for_no_payment_and_loses_none(
    counter: Counter, pretend: PretendPayPal
) -> None:
    with counter.open("--shutdown-seconds", "1") as agent:
        purchase = agent.opened()
        pretend.change(purchase["orderId"], "approve")
        pretend.behave("capture", "hold")
        with agent.asking(VERIFY, {"purchaseId": purchase["purchaseId"]}) as asked:
            pretend.wait_until_held("capture")
            assert agent.served.stop() == 0
            # Whoever is cut off is told that it may have happened.
            assert asked.result().json()["error"] == "server_error"
    pretend.tell("reset")

    with counter.open() as agent:
        assert agent.outcome(purchase["purchaseId"]) == "activated"
    check_paid_once(counter, purchase["purchaseId"])


# --- late


def test_who_approves_after_the_checkout_ran_out_gets_what_they_pay_for(
    counter: Counter, pretend: PretendPayPal
) -> None:
    with counter.open() as agent:
        purchase = agent.opened()
    counter.let_pass(3 * HOUR)

    with counter.open() as agent:
        counter.wait_for_stage("expired")
        assert agent.verify(purchase["purchaseId"]).status_code == 410
        pretend.change(purchase["orderId"], "approve")
        assert agent.outcome(purchase["purchaseId"]) == "activated"

    check_paid_once(counter, purchase["purchaseId"])


def test_the_pages_stand_where_paypal_is_told(counter: Counter, pretend: PretendPayPal) -> None:
    with counter.open() as agent:
        purchase = agent.opened()
        led = pretend.page("/checkoutnow/pay", token=purchase["orderId"]).headers["location"]
        assert led.startswith(f"{SITE}/billing/approved?token={purchase['orderId']}&PayerID=")
        # Here the site is the server itself.
        landed = agent.client.get(led.removeprefix(SITE))

    assert (landed.status_code, "Payment approved" in landed.text) == (200, True)


# --- what is told of it


def test_the_log_names_paypals_calls_and_never_a_secret(
    counter: Counter, pretend: PretendPayPal
) -> None:
    with counter.open() as agent:
        purchase = agent.opened()
        pretend.behave("order", "status")
        assert agent.verify(purchase["purchaseId"]).status_code == 503
        tokens = pretend.look("tokens")["tokens"]
        pretend.behave("order", "unauthorized")
        pretend.behave("token", "unauthorized")
        assert agent.verify(purchase["purchaseId"]).status_code == 503
        served = agent.served

    calls = [line for line in served.lines if line["event"] == "paypal_call"]
    assert [line["call"] for line in calls] == ["token", "create", "order", "order", "token"]
    assert [line["level"] for line in calls] == ["info", "info", *["warning"] * 3]
    assert all(line["debug_id"] for line in calls)
    said = served.log.decode() + served.stdout
    assert tokens
    pair = base64.b64encode(f"{pretend.client_id}:{pretend.secret}".encode()).decode()
    assert [one for one in (pretend.secret, pair, *tokens) if one in said] == []
    assert "Basic" not in said
    assert counter.key not in served.log.decode()
    assert "Bearer" not in said.replace("Authorization: Bearer", "")
