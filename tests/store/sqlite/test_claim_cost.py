"""A claim costs the same whatever else is in the file, counted in steps of SQLite's machine."""

from collections.abc import Iterator
from pathlib import Path

import apsw
import msgspec
import pytest

from orchestrion.core.commands import ClaimNext
from orchestrion.core.decide import decide_all
from orchestrion.core.ids import AccountId, ulid
from orchestrion.core.needs import needs_of
from orchestrion.core.outcomes import Held
from orchestrion.core.plans import SELF_HOSTED
from orchestrion.store.sqlite.loading import Loader
from orchestrion.store.sqlite.saving import Saver
from tests.factories import NOW, an_account, expect
from tests.store.sqlite.crowds import Steps, a_database, add_tasks, steps_of
from tests.unit import asks

FEW = 1_000
SOON = f"{NOW + 60_000}"


def account_of(number: int) -> AccountId:
    return AccountId("acct_" + ulid(NOW, number))


SMALL, LARGE, SCHEDULED, SCHEDULED_FEW, FINISHED, LEASED = map(account_of, range(6))


class Crowd(msgspec.Struct, frozen=True):
    """A file in which each account has a mixture of its own."""

    connection: apsw.Connection
    loader: Loader

    def claims(self, account_id: AccountId, count: int = 1) -> list[Held]:
        """Claim as a batch does, and save; the next claim finds the file as it was."""
        commands = [asks.claim_next(n, account_id=account_id) for n in range(count)]
        self.connection.execute("begin immediate")
        view = self.loader.load(needs_of(commands), NOW)
        outcomes = decide_all(commands, SELF_HOSTED, view)
        Saver(self.connection).save(view)
        self.connection.execute("rollback")
        return [expect(Held, outcome) for outcome in outcomes]

    def steps(self, account_id: AccountId, count: int = 1) -> Steps:
        """Count what claims cost."""
        return steps_of(self.connection, lambda: self.claims(account_id, count))


@pytest.fixture(
    scope="module",
    params=[100_000, pytest.param(1_000_000, marks=pytest.mark.slow)],
    ids=["hundred thousand", "million"],
)
def crowd(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Crowd]:
    many: int = request.param
    path: Path = tmp_path_factory.mktemp("crowd") / "orchestrion.db"
    accounts = [an_account(id=account_of(number)) for number in range(6)]
    connection = a_database(path, *accounts)

    def add(account_id: AccountId, first: int, count: int, **columns: str) -> None:
        add_tasks(connection, first, count, account_id=f"'{account_id}'", **columns)

    add(SMALL, 0, FEW)
    add(LARGE, 0, many)
    later = {"priority": "100", "scheduled_at": SOON, "due_at": SOON}
    for account_id, count in ((SCHEDULED, many), (SCHEDULED_FEW, FEW)):
        add(account_id, 0, FEW)
        add(account_id, FEW, count, **later)
    add(FINISHED, 0, FEW)
    add(FINISHED, FEW, many, status="'completed'", completed_at=f"{NOW}")
    add(LEASED, 0, FEW)
    held = {"status": "'claimed'", "attempt_count": "1", "lease_expires_at": SOON}
    add(LEASED, FEW, 50_000, **held)
    bounds = SELF_HOSTED.lease_bounds
    crowd = Crowd(connection, Loader(connection, bounds))
    for number in range(6):
        # The first claim of an account counts its leases; the later ones remember.
        crowd.connection.execute("begin")
        crowd.loader.committed(crowd.loader.load(needs_of([claim(account_of(number))]), NOW))
        crowd.connection.execute("rollback")
    yield crowd
    connection.close()
    path.unlink()


def claim(account_id: AccountId) -> ClaimNext:
    return asks.claim_next(1, account_id=account_id)


def test_a_claim_costs_the_same_with_many_pending(crowd: Crowd) -> None:
    assert crowd.steps(LARGE).taken <= crowd.steps(SMALL).taken + 10


def test_many_claims_cost_the_same_with_many_pending(crowd: Crowd) -> None:
    assert crowd.steps(LARGE, 64).taken <= crowd.steps(SMALL, 64).taken + 10


def test_a_claim_costs_the_same_with_many_scheduled_for_later_at_the_top(crowd: Crowd) -> None:
    assert crowd.steps(SCHEDULED).taken <= crowd.steps(SCHEDULED_FEW).taken + 10
    assert crowd.steps(SCHEDULED).taken <= crowd.steps(SMALL).taken * 1.3


def test_a_claim_costs_the_same_with_many_finished(crowd: Crowd) -> None:
    assert crowd.steps(FINISHED).taken <= crowd.steps(SMALL).taken + 10


def test_a_claim_costs_the_same_with_many_leases(crowd: Crowd) -> None:
    assert crowd.steps(LEASED).taken <= crowd.steps(SMALL).taken + 10


@pytest.mark.parametrize("account_id", [SMALL, LARGE, SCHEDULED, FINISHED, LEASED])
def test_a_claim_walks_through_no_table(crowd: Crowd, account_id: AccountId) -> None:
    assert crowd.steps(account_id).scanned == 0


def test_a_claim_takes_the_oldest_though_a_million_wait(crowd: Crowd) -> None:
    held = [outcome.task.id for outcome in crowd.claims(LARGE, 3)]

    assert held == [f"tsk_{number:026d}" for number in range(3)]
