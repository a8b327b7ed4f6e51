"""One service per store for all examples of a machine; each example has accounts of its own."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, Final, TypeVar

from starlette.types import ASGIApp

from orchestrion.core.instants import Instant
from orchestrion.core.plans import Catalogue, Plan
from orchestrion.service import ServiceOptions
from tests.databases import Databases
from tests.harness import Account, Harness, running
from tests.statemachine.model import RETENTION_DAYS
from tests.statemachine.task import HOUR
from tests.statemachine.telling import WORKERS_MAX
from tests.statemachine.wire import Asked, Reply, Wire

Found = TypeVar("Found")

# What an example leaves behind; accounts stay, for the service remembers them.
_LEFT: Final = ("idempotency_keys", "tasks", "task_counts", "task_minutes")
CATALOGUE: Final = Catalogue(
    plans={
        "free": Plan(
            name="Small",
            price_usd=Decimal(0),
            max_workers=WORKERS_MAX,
            tasks_per_cycle=10**9,
            claims_per_hour=10**9,
            creates_per_hour=10**9,
            retention_days=RETENTION_DAYS,
        )
    }
)


class World:
    """A running service, asked from code that is not asynchronous."""

    def __init__(self, runner: asyncio.Runner, harness: Harness) -> None:
        self._loop = runner.get_loop()
        self._harness = harness
        self._registered = 0
        self._wire = Wire(harness.service.app)
        self.examples = 0
        self.steps = 0

    @property
    def now(self) -> int:
        """The present instant, in milliseconds."""
        return self._harness.clock.now()

    def go_to(self, now: int) -> None:
        """Let time pass until an instant."""
        assert now >= self.now
        self._harness.clock.set(Instant(now))

    def put_in_front(self, wrap: Callable[[ASGIApp], ASGIApp]) -> None:
        """Put something between the requests and the application."""
        self._wire = Wire(wrap(self._harness.service.app))

    def begin(self) -> tuple[Account, Account]:
        """Forget the last example and register two accounts."""
        self.examples += 1
        self._harness.observer.requests.clear()
        self._harness.observer.batches.clear()
        present = set(self._harness.database.tables)
        for table in _LEFT:
            assert table in present
            self._harness.database.execute(f"delete from {table}")
        self.go_to((self.now // HOUR + 2) * HOUR)
        return self._register(), self._register()

    def ask(self, asked: Asked) -> Reply:
        """Send a request."""
        self.steps += 1
        return self._wait(self._wire.send(asked))

    def run_job(self, name: str) -> None:
        """Run a background job."""
        self._wait(self._harness.run_job(name))
        assert not self._harness.observer.faults, self._harness.observer.faults

    def _register(self) -> Account:
        # Registrations are limited by address.
        self._registered += 1
        number = self._registered
        address = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
        asked = Asked(method="POST", path="/v1/keys/register")
        body = self._wait(self._wire.send(asked, address)).json()
        return Account(body["accountId"], body["apiKey"])

    def _wait(self, work: Coroutine[Any, Any, Found]) -> Found:
        return self._loop.run_until_complete(work)


@contextmanager
def opened(databases: Databases, kind: str) -> Iterator[World]:
    """Run a service on an empty database."""
    with databases.fresh(kind) as database, asyncio.Runner() as runner:
        context = running(database, ServiceOptions(catalogue=CATALOGUE))
        harness = runner.run(context.__aenter__())
        try:
            yield World(runner, harness)
        finally:
            runner.run(context.__aexit__(None, None, None))
