"""What the store remembers of live leases is never below what there is."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrion.core.commands import ClaimNext, ClaimTask, Command
from orchestrion.core.errors import ErrorCode
from orchestrion.core.needs import needs_of
from orchestrion.core.outcomes import Held, Outcome, Rejection
from orchestrion.core.plans import Catalogue
from tests.databases import SHARED, SQLITE, Database, Databases
from tests.engine.engines import Engine, EngineOptions, running_engine
from tests.factories import ACCOUNT_ID, a_plan, a_task_id, expect
from tests.unit import asks

Wave = tuple[int, list[Command]]
Run = tuple[int, list[Wave]]

TASKS = 12
LED_THROUGH = [SQLITE, *(pytest.param(kind, marks=pytest.mark.slow) for kind in SHARED)]
LIVE = "select count(*) from tasks where status = 'claimed' and lease_expires_at > "

numbers = st.integers(min_value=0, max_value=TASKS - 1)
commands = st.one_of(
    st.builds(asks.claim_next, st.integers(min_value=0, max_value=10**9)),
    st.builds(lambda n: asks.claim_task(a_task_id(n), n), numbers),
    st.builds(lambda n: asks.complete(a_task_id(n)), numbers),
    st.builds(lambda n: asks.fail(a_task_id(n)), numbers),
    st.builds(lambda n: asks.heartbeat(a_task_id(n)), numbers),
    st.builds(lambda n: asks.requeue(a_task_id(n)), numbers),
    st.builds(lambda n: asks.request_cancel(a_task_id(n)), numbers),
    st.builds(
        lambda n, key: asks.claim_next(lease=asks.a_keyed_lease(n, key)),
        st.integers(min_value=0, max_value=10**9),
        st.sampled_from(["k1", "k2"]),
    ),
)
waves = st.tuples(st.sampled_from([0, 0, 1, 20, 40]), st.lists(commands, min_size=1, max_size=8))
runs = st.tuples(st.integers(min_value=1, max_value=6), st.lists(waves, max_size=8))


def allowing(workers: int) -> EngineOptions:
    plan = a_plan(
        max_workers=workers, claims_per_hour=10**6, creates_per_hour=10**6, tasks_per_cycle=10**6
    )
    return EngineOptions(catalogue=Catalogue(plans={"free": plan}))


def live(engine: Engine) -> int:
    return engine.count(LIVE + str(engine.clock.now()))


async def believed(engine: Engine) -> int:
    needs = needs_of([asks.claim_next(1)])
    return await engine.store.transact(needs, lambda view: view.live_leases[ACCOUNT_ID])


def was_claim(command: Command, outcome: Outcome) -> bool:
    if not isinstance(command, ClaimNext | ClaimTask):
        return False
    # A repeat hands nothing out, and is answered even if the plan has shrunk since.
    return isinstance(outcome, Held) and not outcome.replayed


async def lead_through(database: Database, plan: list[Run]) -> None:
    for workers, steps in plan:
        async with running_engine(database, allowing(workers)) as engine:
            if engine.count("select count(*) from tasks") == 0:
                await engine.together(asks.create(n, lease_seconds=30) for n in range(TASKS))
            for seconds, wave in steps:
                engine.clock.advance(seconds)
                outcomes = await engine.together(wave)
                # Beyond the limit it does not matter by how much.
                assert await believed(engine) >= min(live(engine), workers + 1)
                if any(was_claim(*one) for one in zip(wave, outcomes, strict=True)):
                    assert live(engine) <= workers


@pytest.mark.parametrize("kind", LED_THROUGH)
@given(st.lists(runs, min_size=1, max_size=3))
def test_the_remembered_number_is_an_upper_bound_whatever_happens(
    kind: str, databases: Databases, plan: list[Run]
) -> None:
    """Through restarts too, with plans that allow more or less than before."""
    with databases.fresh(kind) as database:
        asyncio.run(lead_through(database, plan))


async def test_a_plan_that_shrank_is_exact_in_a_batch_that_ends_many_leases(
    database: Database,
) -> None:
    """Leases are counted no further than is needed, and this batch ends more than were counted."""
    async with running_engine(database, allowing(10)) as engine:
        await engine.together(asks.create(number) for number in range(11))
        await engine.together(asks.claim_next(number) for number in range(10))

    async with running_engine(database, allowing(2)) as engine:
        ends = [asks.complete(a_task_id(number)) for number in range(5)]
        outcomes = await engine.together([*ends, asks.claim_next(10)])

        assert expect(Rejection, outcomes[-1]).code is ErrorCode.MAX_WORKERS_REACHED
        assert live(engine) == 5
        assert await believed(engine) == 3


async def test_workers_that_end_and_begin_in_turn_are_never_refused(database: Database) -> None:
    async with running_engine(database, allowing(3)) as engine:
        await engine.together(asks.create(number) for number in range(30))

        for number in range(30):
            outcome = (await engine.together([asks.claim_next(number)]))[0]
            held = expect(Held, outcome).task
            await engine.together([asks.complete(held.id)])
