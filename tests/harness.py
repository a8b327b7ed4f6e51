"""The real application on a real database, in process, with a clock that tests move.

Every answer that comes through `Harness.client` is validated against the served schema.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import msgspec

from orchestrion.engine.ports import Payments
from orchestrion.jobs.runner import Job
from orchestrion.observe.jobs import JobHistory
from orchestrion.service import Service, ServiceOptions, Surroundings
from tests.answers import AnswerCheck
from tests.clocks import SettableClock
from tests.databases import Backend, Database
from tests.observers import KeepingObserver

BASE_URL = "http://orchestrion.test"


class Account(msgspec.Struct, frozen=True):
    """A registered account as its owner knows it."""

    id: str
    key: str

    @property
    def headers(self) -> dict[str, str]:
        """The header that proves it."""
        return {"Authorization": f"Bearer {self.key}"}


class Opened(msgspec.Struct, frozen=True):
    """A database and what a service has of it."""

    database: Database
    backend: Backend


class Harness:
    """A running service and a client of it."""

    def __init__(self, service: Service, opened: Opened, client: httpx2.AsyncClient) -> None:
        self.service = service
        self.database = opened.database
        self.backend = opened.backend
        self.client = client
        clock, observer = service.around.clock, service.around.observer
        assert isinstance(clock, SettableClock)
        assert isinstance(observer, KeepingObserver)
        self.clock = clock
        self.observer = observer
        self._registered = 0

    async def account(self) -> Account:
        """Register an account; each from an address of its own, which the limit counts."""
        self._registered += 1
        answer = await self._from(f"192.0.2.{self._registered % 250}").post("/v1/keys/register")
        assert answer.status_code == 201, answer.text
        body = answer.json()
        return Account(body["accountId"], body["apiKey"])

    async def run_job(self, name: str) -> None:
        """Run a background job now."""
        job = next(job for job in self.jobs if job.name == name)
        await self.service.runner.once(job)

    @property
    def jobs(self) -> tuple[Job, ...]:
        """The jobs of the service."""
        return self.service.runner.jobs

    def _from(self, address: str) -> httpx2.AsyncClient:
        transport = httpx2.ASGITransport(self.service.app, client=(address, 1234))
        return httpx2.AsyncClient(transport=transport, base_url=BASE_URL)


@asynccontextmanager
async def running(
    database: Database, options: ServiceOptions | None = None, payments: Payments | None = None
) -> AsyncIterator[Harness]:
    """Run the service on a database, with no server and no jobs on a timer."""
    options = options or ServiceOptions()
    backend = await database.open(options.catalogue)
    service = Service(
        options,
        Surroundings(
            store=backend.store,
            reader=backend.reader,
            clock=backend.clock,
            observer=KeepingObserver(),
            jobs=JobHistory(backend.clock),
            payments=payments,
        ),
    )
    check = AnswerCheck()

    async def validate(response: httpx2.Response) -> None:
        await response.aread()
        check.check(
            response.request.method,
            f"{response.request.url.path}?{response.request.url.query.decode()}",
            response.status_code,
            response.headers,
            response.content,
        )

    transport = httpx2.ASGITransport(service.app, client=("192.0.2.250", 1234))
    client = httpx2.AsyncClient(
        transport=transport, base_url=BASE_URL, event_hooks={"response": [validate]}
    )
    try:
        await service.start()
        async with client:
            yield Harness(service, Opened(database, backend), client)
        await service.stop()
    finally:
        await backend.close()
