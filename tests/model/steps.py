"""Everything that can happen next in a world."""

from collections.abc import Collection, Iterator, Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from orchestrion.core.instants import Instant
from orchestrion.core.view import IdempotencyRow
from tests.model.past import Past
from tests.model.rules import Broken, Rule, judge
from tests.model.serving import Served, serve
from tests.model.world import (
    AND_CLAIM,
    CLAIMS,
    OF_HOLDER,
    OF_OWNER,
    SMALL,
    Bounds,
    Key,
    Request,
    Verb,
    Worker,
    World,
)

_OF_OWNER: Final = tuple(Request(verb) for verb in OF_OWNER if verb is not Verb.CREATE)
_CREATE: Final = Request(Verb.CREATE)


class Step(msgspec.Struct, frozen=True):
    """One thing that happened: who and what to tell it by, what was served, where it led."""

    what: str
    worker: int
    world: World
    served: Sequence[Served] = ()
    broken: Broken | None = None


class Decided(msgspec.Struct, frozen=True):
    """Requests as the core decided them, as the rules judged them, and what holds after them."""

    served: Sequence[Served]
    created: IdempotencyRow | None
    past: Past
    broken: Broken | None


class Steps:
    """Finds what can happen and judges it by some rules.

    `late`: the core is told the time at which a request was sent.
    The same requests on the same rows at the same time are decided once: workers that believe
    other things make other worlds of it, and the core is a function.
    """

    def __init__(self, bounds: Bounds, rules: Collection[Rule], *, late: bool) -> None:
        self._bounds = bounds
        self._rules = rules
        self._late = late
        self._decided: dict[Key, Decided] = {}

    def of(self, world: World) -> Iterator[Step]:
        """Give every step out of a world."""
        yield from self._clock(world)
        for request in (_CREATE, *(_OF_OWNER if world.row else ())):
            yield self._serve(world, "asks and is answered", [request])
        for number, worker in enumerate(world.workers):
            yield from self._of_worker(world, number, worker)
        yield from self._together(world)

    def _clock(self, world: World) -> Iterator[Step]:
        now, past = world.now, world.past
        instants = {now + SMALL}
        if past.until is not None:
            instants |= {past.until - 1, past.until}
        if past.due is not None:
            instants |= {past.due - 1, past.due}
        for instant in sorted(one for one in instants if one > now):
            yield Step("time passes", -1, replace(world, now=Instant(instant)))
        if world.backs:
            earlier = replace(world, now=Instant(now - SMALL), backs=world.backs - 1)
            yield Step("the clock is set back", -1, earlier)

    def _of_worker(self, world: World, number: int, worker: Worker) -> Iterator[Step]:
        if worker.idle:
            for verb in self._verbs(world, worker):
                token = 0 if verb in CLAIMS else worker.token
                asked = Request(verb, number, token, world.now if self._late else 0)
                went = _with(world, number, replace(worker, asked=asked))
                yield Step(f"asks: {verb}", number, went)
        if worker.asked is not None:
            if self._allowed(world, worker.asked):
                freed = _with(world, number, replace(worker, asked=None))
                yield self._serve(freed, "is served", [worker.asked])
            if sum(one.stray is not None for one in world.workers) < self._bounds.strays:
                gone = replace(worker, asked=None, stray=worker.asked)
                yield Step("gives up waiting", number, _with(world, number, gone))
        if worker.coming:
            heard = replace(worker, token=worker.coming, coming=0)
            yield Step("hears the answer", number, _with(world, number, heard))
            lost = replace(worker, coming=0)
            yield Step("never hears the answer", number, _with(world, number, lost))
        if worker.stray is not None and self._allowed(world, worker.stray):
            freed = _with(world, number, replace(worker, stray=None))
            yield self._serve(freed, "is served a request it gave up", [worker.stray], unheard=True)

    def _verbs(self, world: World, worker: Worker) -> Iterator[Verb]:
        if world.row is None:
            return
        yield from (verb for verb in CLAIMS if verb in self._bounds.verbs)
        if worker.token:
            holder = (*OF_HOLDER, *AND_CLAIM)
            yield from (verb for verb in holder if verb in self._bounds.verbs)

    def _allowed(self, world: World, request: Request) -> bool:
        return request.verb is not Verb.RELEASE or world.past.releases < self._bounds.releases

    def _together(self, world: World) -> Iterator[Step]:
        """Serve what both workers wait for in one batch, in either order."""
        asked = [worker.asked for worker in world.workers]
        first, second = asked
        if first is None or second is None or self._late:
            return
        if not (self._allowed(world, first) and self._allowed(world, second)):
            return
        workers = world.workers
        freed = replace(
            world,
            workers=(replace(workers[0], asked=None), replace(workers[1], asked=None)),
        )
        yield self._serve(freed, "are served in one batch", [first, second])
        yield self._serve(freed, "are served in one batch", [second, first])

    def _serve(
        self, world: World, what: str, requests: Sequence[Request], *, unheard: bool = False
    ) -> Step:
        decided = self._decide(world, requests)
        after = replace(
            world,
            row=decided.served[-1].after,
            remembered=decided.created or world.remembered,
            past=decided.past,
        )
        if not unheard:
            for one in decided.served:
                after = _answered(after, one)
        return Step(what, requests[0].worker, after, decided.served, decided.broken)

    def _decide(self, world: World, requests: Sequence[Request]) -> Decided:
        key = (world.now, world.row, world.remembered is None, world.past, *requests)
        decided = self._decided.get(key)
        if decided is None:
            sent_at = requests[0].sent_at
            seen_at = Instant(sent_at) if sent_at else world.now
            served, created = serve(world, requests, seen_at)
            decided = self._decided[key] = Decided(served, created, *self._judged(world, served))
        return decided

    def _judged(self, world: World, served: Sequence[Served]) -> tuple[Past, Broken | None]:
        past = world.past
        for one in served:
            past, broken = judge(past, one, self._rules)
            if broken:
                return past, broken
        return past, None

    @property
    def decided(self) -> int:
        """Count the different batches that the core has decided."""
        return len(self._decided)


def _answered(world: World, served: Served) -> World:
    request = served.request
    task = served.handed_out
    if task is None or task.lease_token is None:
        # Other answers teach a worker nothing that it would have to heed.
        return world
    coming = int(task.lease_token.removeprefix("lse_"), 16)
    return _with(world, request.worker, replace(world.workers[request.worker], coming=coming))


def _with(world: World, number: int, worker: Worker) -> World:
    first, second = world.workers
    workers = (worker, second) if number == 0 else (first, worker)
    return replace(world, workers=workers)
