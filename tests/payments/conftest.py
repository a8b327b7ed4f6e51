"""A pretend PayPal that all tests here share, and a client of it with a clock they move."""

import secrets
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal

import pytest
from msgspec.structs import replace

from orchestrion.core.ids import PurchaseId
from orchestrion.core.payment import NewOrder
from orchestrion.payments.calls import CallLimits, CallRecord
from orchestrion.payments.paypal import PayPal, PayPalOptions
from tests.clocks import SettableClock
from tests.pretend_paypal import PretendPayPal, pretending


class Client:
    """A client, the clock it goes by, and what it told of its calls."""

    def __init__(self, options: PayPalOptions) -> None:
        self.clock = SettableClock()
        self.records: list[CallRecord] = []
        self.paypal = PayPal(options, self.clock, self.records.append)


class Clients:
    """Makes clients of the pretend PayPal."""

    def __init__(self, pretend: PretendPayPal) -> None:
        self._pretend = pretend
        self._made: list[Client] = []

    def client(self, limits: CallLimits | None = None) -> Client:
        """Make a client with limits of its own."""
        return self.of(replace(self._pretend.options, limits=limits or CallLimits()))

    def of(self, options: PayPalOptions) -> Client:
        """Make a client with options of its own."""
        client = Client(options)
        self._made.append(client)
        return client

    async def close(self) -> None:
        """Close them all."""
        for client in self._made:
            await client.paypal.close()


@pytest.fixture(scope="session")
def pretend_process() -> Iterator[PretendPayPal]:
    with pretending() as pretend:
        yield pretend


@pytest.fixture
def pretend(pretend_process: PretendPayPal) -> PretendPayPal:
    pretend_process.tell("reset")
    return pretend_process


@pytest.fixture
async def clients(pretend: PretendPayPal) -> AsyncIterator[Clients]:
    clients = Clients(pretend)
    yield clients
    await clients.close()


@pytest.fixture
def client(clients: Clients) -> Client:
    return clients.client()


@pytest.fixture
def paypal(client: Client) -> PayPal:
    return client.paypal


@pytest.fixture
def new_order() -> NewOrder:
    return NewOrder(
        purchase_id=PurchaseId(f"pur_{secrets.token_hex(13).upper()}"),
        plan_name="Pro",
        amount=Decimal("24.99"),
        return_url="https://tasks.example/billing/approved",
        cancel_url="https://tasks.example/billing/cancelled",
    )
