"""Puts one service together from its parts, whatever serves it: a real server or a test."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

import msgspec
from msgspec.structs import replace
from starlette.types import ASGIApp

from orchestrion import __version__
from orchestrion.api.address import Addresses, Network
from orchestrion.api.app import NO_OPERATION, create_app
from orchestrion.api.attempts import AttemptHandlers
from orchestrion.api.auth import Authenticator
from orchestrion.api.awaiting import Awaiting, AwaitingHandlers
from orchestrion.api.batches import BatchHandlers
from orchestrion.api.billing import BillingHandlers
from orchestrion.api.buying import BuyingHandlers
from orchestrion.api.claiming import Claims
from orchestrion.api.discovery import documents
from orchestrion.api.emptying import EmptyClaims
from orchestrion.api.endpoint import Handler, Reception
from orchestrion.api.explaining import ExplainHandlers
from orchestrion.api.finishing import FinishingHandlers
from orchestrion.api.health import HealthHandlers, Watched
from orchestrion.api.http import Request
from orchestrion.api.key_watch import KeyWatch
from orchestrion.api.keys import KeyHandlers
from orchestrion.api.landing import APPROVED_PATH, CANCELLED_PATH, landing_pages
from orchestrion.api.limits import Limiter
from orchestrion.api.manifests import Site
from orchestrion.api.reading import ReadingHandlers
from orchestrion.api.respond import Responder
from orchestrion.api.stats import StatsHandlers
from orchestrion.api.tasks import TaskHandlers
from orchestrion.api.webhook import WebhookHandlers
from orchestrion.core.contract import Guide
from orchestrion.core.ids import RequestId
from orchestrion.core.instants import SECOND, Instant
from orchestrion.core.limits import WINDOW_SECONDS
from orchestrion.core.outcomes import Rejection
from orchestrion.core.plans import SELF_HOSTED, Catalogue
from orchestrion.core.purchasing import for_sale
from orchestrion.engine.asked import Asked
from orchestrion.engine.checkout import Checkout, Landing, Till
from orchestrion.engine.door import Door, DoorLimits
from orchestrion.engine.lookout import Lookout
from orchestrion.engine.mint import Mint
from orchestrion.engine.overload import QueueLimits
from orchestrion.engine.ports import (
    Clock,
    JobStatus,
    Observer,
    Payments,
    Reader,
    Store,
    Wakeups,
)
from orchestrion.engine.statistics import Statistics
from orchestrion.engine.turns import Turns
from orchestrion.engine.waiters import Waiters
from orchestrion.engine.watches import ALONE_POLL_SECONDS, SHARED_POLL_SECONDS, Watches
from orchestrion.engine.writer import Writer
from orchestrion.jobs import count_requests, expire_leases, finish_checkouts, note_asks, purge
from orchestrion.jobs.runner import Job, Runner


class ServiceOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What varies between services, as plain values."""

    catalogue: Catalogue = SELF_HOSTED
    registration: str = "open"
    public_url: str = ""
    trusted_proxies: Sequence[Network] = ()
    cors_origins: Sequence[str] = ()
    artifact_base_url: str = "https://api.outputlayer.dev"
    queue: QueueLimits = QueueLimits()
    door: DoorLimits = DoorLimits()
    # Whether PayPal's events are taken, where there are payments.
    payment_events: bool = False
    # Where people come back to from paying.
    landing_url: str = ""


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What a service runs in: a database, a clock, and who watches."""

    store: Store
    reader: Reader
    clock: Clock
    observer: Observer
    jobs: JobStatus
    wakeups: Wakeups | None = None
    payments: Payments | None = None


class Service:
    """The writer, the application and the jobs of one process."""

    def __init__(self, options: ServiceOptions, around: Surroundings) -> None:
        self.options = options
        self.around = around
        self.stopping = False
        self.mint = Mint(around.clock)
        self.writer = Writer(
            around.store, options.catalogue, around.clock, around.observer, options.queue
        )
        self.waiters = Waiters(self.writer, around.clock)
        self.lookout = Lookout(self.waiters, around.reader, around.wakeups, around.observer)
        self.lookout.attend(self.writer)
        self.watches = Watches(self.writer, around.reader, around.clock, self.waiters.room)
        self.turns = Turns(around.reader)
        self.statistics = Statistics(around.reader, around.clock)
        self.asked = Asked(around.clock, self.waiters)
        self.door = Door(
            options.door, around.clock, around.observer, lambda: self.waiters.room.taken
        )
        self.authenticator = Authenticator(around.reader, around.clock)
        self.key_watch = KeyWatch(self.authenticator, around.observer)
        self.limiter = Limiter(options.catalogue, around.clock)
        self.responder = Responder(
            Guide(
                artifact_base_url=options.artifact_base_url,
                sells_plans=around.payments is not None
                and any(
                    for_sale(plan_id, options.catalogue) for plan_id in options.catalogue.plans
                ),
                registration=options.registration,
            )
        )
        self.checkout = self._checkout()
        self.app = self._app()
        self.runner = Runner(self._jobs(), around.jobs, around.observer)
        self._writing: asyncio.Task[None] | None = None
        self._looking: set[asyncio.Task[None]] = set()

    async def start(self, on_broken: Callable[[], None] | None = None) -> None:
        """Begin to commit; raises Unavailable where the database does not answer.

        `on_broken` is called should the writer ever end by itself.
        """
        since = Instant(self.around.clock.now() - WINDOW_SECONDS * SECOND)
        self.limiter.load(await self.around.reader.request_counts(since))
        self._writing = asyncio.create_task(self.writer.run(), name="writer")
        self._writing.add_done_callback(lambda task: self._writer_ended(task, on_broken))
        self._looking = {
            asyncio.create_task(self.lookout.run(), name="lookout"),
            asyncio.create_task(self._poll_watches(), name="watches"),
            asyncio.create_task(self.key_watch.run(), name="key watch"),
        }
        for looking in self._looking:
            looking.add_done_callback(self._looking_ended)

    def stop_waiting(self) -> None:
        """Answer whoever waits; from now on nobody does."""
        self.waiters.stop()
        self.watches.stop()

    async def stop(self) -> None:
        """Commit what was accepted, then commit no more."""
        self.stop_waiting()
        for looking in self._looking:
            looking.cancel()
        await asyncio.gather(*self._looking, return_exceptions=True)
        await self.statistics.stop()
        for job in self.runner.jobs:
            if job.name in _LAST_JOBS:
                await self.runner.once(job)
        self.writer.stop()
        if self._writing is not None:
            await self._writing

    async def _poll_watches(self) -> None:
        # Where other processes write there are wake-ups between them, which name no tasks.
        alone = self.around.wakeups is None
        every_seconds = ALONE_POLL_SECONDS if alone else SHARED_POLL_SECONDS
        await self.watches.run(every_seconds, self.around.observer)

    def _looking_ended(self, task: asyncio.Task[None]) -> None:
        # Only a bug ends it. What is announced still wakes, so the service goes on.
        if not task.cancelled() and (error := task.exception()) is not None:
            self.around.observer.fault(f"{task.get_name()}_died", "", error)

    def _writer_ended(self, task: asyncio.Task[None], on_broken: Callable[[], None] | None) -> None:
        if task.cancelled() or task.exception() is None:
            return
        self.around.observer.fault("writer_died", "", task.exception() or RuntimeError())
        self.writer.stop()
        if on_broken is not None:
            on_broken()

    def refusal(self, rejection: Rejection, message: str, request_id: str) -> bytes:
        """Write the body of a refusal for a request that never reached the application."""
        request = Request(operation=NO_OPERATION, request_id=RequestId(request_id), headers={})
        return self.responder.refused(replace(rejection, message=message), request).body

    def _app(self) -> ASGIApp:
        reception = Reception(
            authenticator=self.authenticator,
            limiter=self.limiter,
            addresses=Addresses(self.options.trusted_proxies),
            responder=self.responder,
            mint=self.mint,
            clock=self.around.clock,
            observer=self.around.observer,
            door=self.door,
        )
        return create_app(self._handlers(), reception, self.options.cors_origins)

    def _checkout(self) -> Checkout:
        around, site = self.around, self.options.landing_url
        return Checkout(
            Till(
                writer=self.writer,
                reader=around.reader,
                payments=around.payments,
                catalogue=self.options.catalogue,
                clock=around.clock,
                mint=self.mint,
                landing=Landing(return_url=site + APPROVED_PATH, cancel_url=site + CANCELLED_PATH),
                observer=around.observer,
            )
        )

    def _handlers(self) -> Mapping[str, Handler]:
        options, around = self.options, self.around
        tasks = TaskHandlers(self.writer, self.responder, self.mint)
        empty = EmptyClaims(self.turns, self.limiter, around.observer, self.asked)
        claims = Claims(self.waiters, options.catalogue, around.clock, self.key_watch)
        attempts = AttemptHandlers(self.writer, claims, self.responder, self.mint, empty)
        finishing = FinishingHandlers(
            writer=self.writer,
            claims=claims,
            responder=self.responder,
            mint=self.mint,
            empty=empty,
            observer=around.observer,
        )
        batches = BatchHandlers(self.writer, self.responder, self.mint, self.limiter)
        awaiting = Awaiting(self.watches, options.catalogue, around.clock, self.key_watch)
        waiting = AwaitingHandlers(awaiting, self.turns, self.responder)
        reading = ReadingHandlers(around.reader, self.turns, self.responder, awaiting)
        explaining = ExplainHandlers(around.reader, self.responder, options.catalogue, self.asked)
        numbers = StatsHandlers(self.statistics)
        billing = BillingHandlers(around.reader, self.responder, options.catalogue, around.clock)
        buying = BuyingHandlers(self.checkout, self.responder, options.catalogue, around.clock)
        events = around.payments if options.payment_events else None
        webhook = WebhookHandlers(events, around.reader, self.checkout, self.responder)
        keys = KeyHandlers(self.writer, self.responder, self.mint, options.registration)
        watched = Watched(
            job=expire_leases.NAME,
            every_seconds=expire_leases.EVERY_SECONDS,
            stopping=lambda: self.stopping,
        )
        health = HealthHandlers(around.reader, around.clock, around.jobs, self.responder, watched)
        return {
            **_methods(tasks, attempts, finishing, batches, reading, waiting, explaining),
            **_methods(numbers, billing, buying, webhook, keys, health),
            **landing_pages(),
            **documents(self._site()),
        }

    def _site(self) -> Site:
        return Site(
            version=__version__,
            catalogue=self.options.catalogue,
            public_url=self.options.public_url,
            sells_plans=self.responder.guide.sells_plans,
            registration=self.options.registration,
            artifact_base_url=self.options.artifact_base_url,
        )

    def _jobs(self) -> Sequence[Job]:
        writer, reader = self.writer, self.around.reader
        purging = purge.Purge(writer, reader, self.options.catalogue, self.around.clock)
        return (
            Job(
                name=expire_leases.NAME,
                seconds=expire_leases.EVERY_SECONDS,
                run=lambda: expire_leases.expire_leases(writer, reader),
            ),
            Job(name=purge.FINISHED, seconds=purge.EVERY_SECONDS, run=purging.finished),
            Job(name=purge.MINUTES, seconds=purge.EVERY_SECONDS, run=purging.minutes),
            Job(name=purge.KEYS, seconds=purge.EVERY_SECONDS, run=purging.idempotency_keys),
            Job(
                name=count_requests.NAME,
                seconds=count_requests.EVERY_SECONDS,
                run=lambda: count_requests.count_requests(writer, self.limiter),
            ),
            Job(
                name=note_asks.NAME,
                seconds=note_asks.EVERY_SECONDS,
                run=lambda: note_asks.note_asks(writer, self.asked),
            ),
            Job(
                name=finish_checkouts.NAME,
                seconds=finish_checkouts.EVERY_SECONDS,
                run=finish_checkouts.FinishCheckouts(self.checkout, reader).run,
            ),
        )


# What only this process knows, and tells the others before it ends.
_LAST_JOBS = frozenset({count_requests.NAME, note_asks.NAME})


def _methods(*parts: object) -> dict[str, Handler]:
    """Map each public coroutine method by its name, which is its operation's."""
    return {
        name: getattr(part, name)
        for part in parts
        for name in dir(part)
        if not name.startswith("_")
    }
