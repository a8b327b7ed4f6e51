"""Fixtures that several folders of tests share, and how hypothesis draws in all of them."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

import pytest
from hypothesis import settings

from tests.databases import BY_ACCOUNT, KINDS, POSTGRES, Database, Databases, Trouble
from tests.harness import Account, Harness, running
from tests.pretend_paypal import PretendPayPal, pretending

# The same everywhere, and never refused for a slow machine.
settings.register_profile("steady", deadline=None, derandomize=True, database=None, max_examples=60)
settings.load_profile("steady")

TESTS: Final = Path(__file__).parent
# Where a database decides most of what is tested; the others run on PostgreSQL in full runs only,
# and in its mode of one-account batches in `make test-postgres` only.
QUICK_ON_POSTGRES: Final = frozenset(
    {
        *("test_cancel_and_requeue", "test_claim", "test_create", "test_crowds", "test_faults"),
        *("test_finish", "test_idempotency", "test_lists", "test_windows", "test_workers"),
    }
)
# What starts many processes or servers, fills a database first, or asks very often.
FULL_RUNS_ONLY: Final = frozenset(
    {
        "chaos/test_postgres.py",
        "chaos/test_sqlite.py",
        "cli/test_bench.py",
        "cli/test_cli_db_copy.py",
        "cli/test_cli_pgbouncer.py",
        "cli/test_cli_serve_settings.py",
        "cli/test_dlq.py",
        "cli/test_doctor.py",
        "cli/test_exit_codes.py",
        "cli/test_init.py",
        "cli/test_passing_trouble.py",
        "cli/test_plan.py",
        "cli/test_stats.py",
        "cli/test_tasks_following.py",
        "cli/test_tasks_table.py",
        "client/test_broken_wires.py",
        "client/test_connection.py",
        "client/test_keeping.py",
        "client/test_lost_answers.py",
        "client/test_waiting.py",
        "copying/test_continuing.py",
        "copying/test_copy.py",
        "copying/test_served.py",
        "crash/test_power_cuts.py",
        "e2e/test_checkout.py",
        "e2e/test_checkout_browser.py",
        "e2e/test_demo.py",
        "e2e/test_disk.py",
        "e2e/test_herd.py",
        "e2e/test_keys.py",
        "e2e/test_kill.py",
        "e2e/test_killed_migration.py",
        "e2e/test_limits.py",
        "e2e/test_pages.py",
        "e2e/test_postgres_faults.py",
        "e2e/test_replicas.py",
        "e2e/test_secrets.py",
        "e2e/test_start.py",
        "e2e/test_start_postgres.py",
        "e2e/test_stop.py",
        "e2e/test_time.py",
        "e2e/test_typist.py",
        "e2e/test_waiting.py",
        "e2e/test_wiring.py",
        "e2e/test_worker_proof.py",
        "e2e/test_workers.py",
        "engine/test_checkout.py",
        "engine/test_checkout_doubt.py",
        "engine/test_checkout_trouble.py",
        "fuzz/test_every_link.py",
        "fuzz/test_links.py",
        "fuzz/test_schema.py",
        "fuzz/test_slow_clients.py",
        "http/test_bad_input.py",
        "http/test_buying.py",
        "http/test_good_input.py",
        "http/test_no_dead_ends.py",
        "http/test_payment_trouble.py",
        "http/test_races.py",
        "http/test_truth.py",
        "jobs/test_finish_checkouts.py",
        "model/test_broken_worlds.py",
        "model/test_every_world.py",
        "overload/test_overload.py",
        "payments/test_events.py",
        "payments/test_misbehaviour.py",
        "payments/test_pretend.py",
        "payments/test_selling.py",
        "properties/test_strict_json_at_length.py",
        "security/test_agent_texts.py",
        "security/test_canaries.py",
        "security/test_database_errors.py",
        "security/test_matrix.py",
        "security/test_outbound.py",
        "security/test_same_work.py",
        "security/test_surface.py",
        "statemachine/test_finds_faults.py",
        "statemachine/test_state_machine.py",
        "statemachine/test_state_machine_on_postgres.py",
        "store/postgres/test_blocked.py",
        "store/postgres/test_connecting.py",
        "store/postgres/test_fronts.py",
        "store/postgres/test_interleavings.py",
        "store/postgres/test_operator.py",
        "store/postgres/test_operator_unknown.py",
        "store/postgres/test_plans.py",
        "store/postgres/test_reaching.py",
        "store/postgres/test_roles.py",
        "store/sqlite/test_wal.py",
        "store/test_counted_tasks.py",
        "store/test_leases.py",
        "store/test_upgrades.py",
        "testing/test_plugin.py",
        "typing/test_typing.py",
        "worker/test_commands.py",
        "worker/test_gateways.py",
        "worker/test_hard_endings.py",
        "worker/test_health.py",
        "worker/test_odd_endings.py",
        "worker/test_server_trouble.py",
        "worker/test_stopping.py",
    }
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out of the quick subset what takes long or says little more."""
    for item in items:
        if is_long(item) or is_repetition(item):
            item.add_marker(pytest.mark.slow)
        if is_mode(item):
            item.add_marker(pytest.mark.mode)


def is_long(item: pytest.Item) -> bool:
    """Tell whether a test belongs to a file that takes long."""
    return item.path.relative_to(TESTS).as_posix() in FULL_RUNS_ONLY


def is_mode(item: pytest.Item) -> bool:
    """Tell whether a test of the application is repeated for a mode of one of its databases."""
    drawn = list(item.callspec.params.values()) if hasattr(item, "callspec") else []
    in_http = TESTS / "http" in item.path.parents
    return BY_ACCOUNT in drawn and in_http and item.path.stem not in QUICK_ON_POSTGRES


def is_repetition(item: pytest.Item) -> bool:
    """Tell whether a test says more of the application than of the database it runs on."""
    drawn = list(item.callspec.params.values()) if hasattr(item, "callspec") else []
    in_http = TESTS / "http" in item.path.parents
    return BY_ACCOUNT in drawn or (
        POSTGRES in drawn and in_http and item.path.stem not in QUICK_ON_POSTGRES
    )


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run async tests on asyncio."""
    return "asyncio"


@pytest.fixture(scope="session")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    """Hand out databases; servers for them start when they are needed."""
    databases = Databases(tmp_path_factory.mktemp("databases"))
    yield databases
    databases.close()


@pytest.fixture(params=KINDS)
def database(databases: Databases, request: pytest.FixtureRequest) -> Iterator[Database]:
    """Lend an empty database of each kind in turn."""
    with databases.fresh(request.param) as database:
        if "trouble" in request.fixturenames:
            # What opens the database must do so where the trouble can reach it.
            database.trouble.heal()
        yield database


@pytest.fixture
def trouble(database: Database) -> Iterator[Trouble]:
    """Break the database for those who use it."""
    yield database.trouble
    database.trouble.heal()


@pytest.fixture(scope="session")
def pretend_process() -> Iterator[PretendPayPal]:
    """Run a pretend PayPal that is started when it is needed."""
    with pretending() as pretend:
        yield pretend


@pytest.fixture
def pretend(pretend_process: PretendPayPal) -> PretendPayPal:
    """Give the pretend PayPal as it is when it has just been started."""
    pretend_process.tell("reset")
    return pretend_process


@pytest.fixture
async def service(database: Database) -> AsyncIterator[Harness]:
    """Run the service on an empty database."""
    async with running(database) as harness:
        yield harness


@pytest.fixture
async def account(service: Harness) -> Account:
    """Register an account."""
    return await service.account()
