"""Nobody sees or changes what is another account's; built from the table of operations."""

import re
from collections.abc import AsyncIterator, Iterator, Mapping
from importlib.resources import files
from pathlib import Path

import msgspec
import pytest

from orchestrion.core.operations import OPERATIONS, PAGES, Access, Operation
from orchestrion.store.named import load_statements
from tests.databases import KINDS, Database, Databases, add_key, revoke_key
from tests.harness import Account
from tests.http.asking import Answer, Ask
from tests.http.world import World, claimed, peopled


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """How an operation is called so that its owner gets `status`; `task` names a task of his."""

    status: int = 200
    task: str = ""
    body: Mapping[str, object] | None = None


_PUBLIC = Row()
_TOKEN = {"lease_token": "<token>"}
ROWS: Mapping[str, Row] = {
    "claim_next_task": Row(body={"type": "report"}),
    "complete_task": Row(task="claimed", body={"result": {"pages": 3}, **_TOKEN}),
    "create_task": Row(status=201, body={"type": "report", "payload": {}}),
    "list_tasks": Row(),
    "heartbeat": Row(task="claimed", body=_TOKEN),
    "fail_task": Row(task="claimed", body={"reason": "no paper", **_TOKEN}),
    "release_task": Row(task="claimed", body={"reason": "stopping", **_TOKEN}),
    "claim_task": Row(task="pending", body={"worker_id": "worker-8"}),
    "check_task_status": Row(task="completed"),
    "explain_task": Row(task="scheduled"),
    "get_stats": Row(),
    "wait_for_tasks": Row(body={"ids": ["<pending>", "<completed>"], "mode": "any"}),
    "create_tasks": Row(body={"items": [{"type": "report", "payload": {}}]}),
    "complete_tasks": Row(body={"items": [{"id": "<claimed>", **_TOKEN}]}),
    "fail_tasks": Row(body={"items": [{"id": "<claimed>", **_TOKEN}]}),
    "heartbeat_tasks": Row(body={"items": [{"id": "<claimed>", **_TOKEN}]}),
    "cancel_task": Row(task="pending"),
    "requeue_task": Row(task="dead"),
    "list_plans": _PUBLIC,
    "check_billing_status": Row(),
    "start_checkout": Row(status=503, body={"planId": "pro"}),
    "verify_payment": Row(status=404, body={"purchaseId": "pur_1"}),
    "register_key": Row(status=201, body={"email": "owner@example.com"}),
    "check_health": _PUBLIC,
    "get_agent_manifest": _PUBLIC,
    "get_capabilities": _PUBLIC,
    "get_tool_manifest": _PUBLIC,
    "get_schema": _PUBLIC,
    "read_llms_txt": _PUBLIC,
    "read_agents_guide": _PUBLIC,
    "read_contract_guide": _PUBLIC,
    "read_approved_page": _PUBLIC,
    "read_cancelled_page": _PUBLIC,
    "receive_payment_event": Row(status=404, body={}),
    "check_liveness": _PUBLIC,
    "check_readiness": _PUBLIC,
}
ALL = OPERATIONS + PAGES
KEYED = tuple(row for row in ALL if row.access is Access.KEYED)
OPEN = tuple(row for row in ALL if row.access is Access.PUBLIC)
BY_ID = tuple(row for row in KEYED if "{id}" in row.path)
OF_ACCOUNT = tuple(row for row in KEYED if "{id}" not in row.path)
MALFORMED = ("x", "tsk_", "<pending>0", "%00", "..%2e", "<KEY>", "<foreign>%0A", "0" * 10_240)
BAD_KEYS = {
    "mistyped": "orch_live_" + "0" * 64,
    "unknown": "orch_live_" + "0" * 56 + "cb612bfd",
    "revoked": "<revoked_key>",
    "in capitals": "<KEY>",
    "cut": "orch_live_0",
}
STORES = ("orchestrion.store.sqlite", "orchestrion.store.postgres")
# Statements over tenants' tables that name no account, and why each may do so.
_EXCUSED = {
    "next_ended_account": "the purge asks which account comes next, and nothing of it",
    "list_idempotency_before": "the purge names keys by age; the delete names the account",
    "list_minutes_before": "the purge names minutes by age; the delete names the account",
    "count_by_status": "numbers for the operator's metrics",
    "load_request_counts": "counters of all keys, read once at the start of a process",
    "load_principal": "finds out which account a key belongs to",
    "load_purchase_of_order": "asked for orders alone that PayPal says an event is about",
    "list_unsettled_purchases": "the job names purchases by age; what settles them names accounts",
    "any_key": "asks whether the server is new",
    "list_keys": "for the operator on the machine",
    "revoke_key": "for the operator on the machine",
}
WITHOUT_ACCOUNT = {
    STORES[0]: {
        **_EXCUSED,
        "next_overdue_account": "the sweep asks which account comes next, and nothing of it",
    },
    STORES[1]: {
        **_EXCUSED,
        "list_overdue": "the sweep names accounts and tasks; its writes name the account",
    },
}


def named(operations: tuple[Operation, ...]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("operation", operations, ids=[row.name for row in operations])


@pytest.fixture(scope="module", params=KINDS)
async def shared(databases: Databases, request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """A world in which nothing may change."""
    with databases.fresh(request.param) as database:
        async with peopled(database) as world:
            before, faults = world.dump(), list(world.service.observer.faults)
            yield world
            assert world.dump() == before
            assert world.service.observer.faults == faults


@pytest.fixture
async def world(database: Database) -> AsyncIterator[World]:
    """A world of the test's own."""
    async with peopled(database) as own:
        yield own


async def call(world: World, operation: Operation, key: str | None, task: str = "") -> Answer:
    """Call an operation as its row says; every answer carries the same request id."""
    row = ROWS[operation.name]
    target = operation.path.replace("{id}", task or world.names.get(row.task, ""))
    body = b"" if row.body is None else msgspec.json.encode(row.body)
    headers = [(b"x-request-id", b"the-same-for-all"), (b"content-type", b"application/json")]
    if key is not None:
        headers.append((b"authorization", f"Bearer {fill(world, key)}".encode()))
    return await world.asker.ask(
        Ask(
            method=operation.method,
            target=fill(world, target).encode(),
            headers=tuple(headers),
            body=fill(world, body.decode()).encode(),
            address=world.address(),
        )
    )


def fill(world: World, text: str) -> str:
    for name, value in world.names.items():
        text = text.replace(f"<{name}>", value)
    return text


def test_every_operation_has_its_row() -> None:
    assert set(ROWS) == {row.name for row in ALL}
    assert {name for name, row in ROWS.items() if row.task} == {row.name for row in BY_ID}


@named(ALL)
async def test_the_owner_is_served(world: World, operation: Operation) -> None:
    answer = await call(world, operation, "<key>")

    assert answer.status == ROWS[operation.name].status


@named(BY_ID)
async def test_a_task_of_another_account_an_unknown_and_a_malformed_one_get_one_answer(
    shared: World, operation: Operation
) -> None:
    of_another = await call(shared, operation, "<other_key>")

    assert (of_another.status, of_another.error) == (404, "task_not_found")
    for task in (shared.names["unknown"], *MALFORMED):
        assert await call(shared, operation, "<other_key>", task) == of_another


@named(OF_ACCOUNT)
async def test_another_account_gets_nothing_of_the_owners(
    world: World, operation: Operation
) -> None:
    private = ("pending", "scheduled", "claimed", "completed", "dead", "cancelled", "token", "key")
    before = rows_of(world, world.owner)

    answer = await call(world, operation, "<other_key>")

    assert answer.status == ROWS[operation.name].status
    sent = fill(world, msgspec.json.encode(ROWS[operation.name].body).decode())
    for name in private:
        # What the caller named itself may be named to it as not found.
        assert world.names[name] in sent or world.names[name].encode() not in answer.body
    assert world.owner.id.encode() not in answer.body
    assert rows_of(world, world.owner) == before


@named(KEYED)
@pytest.mark.parametrize("key", BAD_KEYS.values(), ids=BAD_KEYS)
async def test_no_bad_key_opens_anything(shared: World, operation: Operation, key: str) -> None:
    answer = await call(shared, operation, key)

    assert (answer.status, answer.error) == (401, "invalid_api_key")
    assert answer == await call(shared, operation, "nonsense")


@named(KEYED)
async def test_without_a_key_there_is_nothing_to_learn(shared: World, operation: Operation) -> None:
    answer = await call(shared, operation, None)

    assert (answer.status, answer.error) == (401, "missing_api_key")
    if "{id}" in operation.path:
        assert answer == await call(shared, operation, None, shared.names["unknown"])


@named(tuple(row for row in OPEN if row.name != "register_key"))
@pytest.mark.parametrize("key", ["<key>", "<other_key>", *BAD_KEYS.values()])
async def test_a_public_page_is_the_same_for_everybody(
    shared: World, operation: Operation, key: str
) -> None:
    answer = await call(shared, operation, key)

    assert answer.status == ROWS[operation.name].status
    assert answer.body == (await call(shared, operation, None)).body


@pytest.mark.parametrize("key", ["<key>", *BAD_KEYS.values(), None])
async def test_registration_makes_a_new_account_whoever_asks(world: World, key: str | None) -> None:
    before = rows_of(world, world.owner)
    (operation,) = (row for row in OPEN if row.name == "register_key")

    answer = await call(world, operation, key)

    assert answer.status == 201
    assert world.owner.id.encode() not in answer.body
    assert rows_of(world, world.owner) == before


async def test_a_key_in_use_is_refused_within_five_seconds_of_its_end(world: World) -> None:
    key, key_id = add_key(world.database, world.owner.id)
    (operation,) = (row for row in OF_ACCOUNT if row.name == "list_tasks")
    assert (await call(world, operation, key)).status == 200

    revoke_key(world.database, key_id)
    world.service.clock.advance(4.999)

    assert (await call(world, operation, key)).error == "invalid_api_key"
    assert (await call(world, operation, "<key>")).status == 200


async def test_a_claim_never_takes_a_task_of_another_account(world: World) -> None:
    owners = {world.names["pending"], *[await world.create(world.owner, "report") for _ in "abc"]}

    strangers = await claim_all(world, world.stranger, "report")

    assert len(strangers) == 2
    assert not owners & set(strangers)
    assert set(await claim_all(world, world.owner, "report")) == owners


@pytest.mark.parametrize(
    "filters", ["", "?status=pending", "?type=report", "?claimed_by=worker-7", "?limit=100"]
)
async def test_a_list_never_shows_a_task_of_another_account(world: World, filters: str) -> None:
    await claimed(world, world.stranger, "held")

    lists = [await listed(world, account, filters) for account in (world.owner, world.stranger)]

    of_owner, of_stranger = (ids_of(world, account) for account in (world.owner, world.stranger))
    assert set() < lists[0] <= of_owner
    assert set() < lists[1] <= of_stranger
    assert not of_owner & of_stranger


async def test_an_idempotency_key_is_the_accounts_own(world: World) -> None:
    first = await world.create(world.owner, "report", idempotencyKey="the-same")
    other = await world.create(world.stranger, "report", idempotencyKey="the-same")

    assert first != other
    assert other in ids_of(world, world.stranger)


async def test_a_lease_token_is_worth_nothing_under_another_key(shared: World) -> None:
    (operation,) = (row for row in BY_ID if row.name == "heartbeat")

    answer = await call(shared, operation, "<other_key>", shared.names["claimed"])

    assert answer.error == "task_not_found"


async def test_a_cursor_of_another_account_is_refused(shared: World) -> None:
    for account, cursor in (("owner", "foreign_cursor"), ("stranger", "cursor")):
        key = getattr(shared, account).key
        answer = await shared.asker.ask(
            Ask(
                method="GET",
                target=f"/v1/tasks?cursor={shared.names[cursor]}".encode(),
                headers=((b"authorization", f"Bearer {key}".encode()),),
            )
        )

        assert (answer.status, answer.error) == (400, "invalid_request")


@pytest.mark.parametrize("package", STORES)
def test_every_statement_over_tenants_tables_names_the_account(package: str) -> None:
    excused = set()
    for name, statement in load_statements(package).items():
        touched = [
            table for table in tenant_tables(package) if re.search(rf"\b{table}\b", statement)
        ]
        if not touched:
            continue
        chosen = re.search(
            r"\baccount_id = (any \(array\[)?([:?$]|asked\.|gone\.|changed\.)|using \(account_id\b",
            statement,
        )
        inserted = re.search(r"insert into \w+ \([^)]*\baccount_id\b", statement)
        if not (chosen or inserted):
            excused.add(name)

    assert excused == set(WITHOUT_ACCOUNT[package])


def test_no_statement_over_tenants_tables_stands_outside_the_catalogue() -> None:
    tables = "|".join(tenant_tables(STORES[0]))
    sql = re.compile(rf"\b(from|join|into|update) ({tables})\b")

    for source in sources(Path(str(files("orchestrion")))):
        assert not sql.search(source.read_text(encoding="utf-8")), source


def test_both_databases_keep_the_same_tables_of_tenants() -> None:
    one, other = (sorted(tenant_tables(package)) for package in STORES)

    assert one == other


def tenant_tables(package: str) -> list[str]:
    schema = files(package).joinpath("schema.sql").read_text("utf-8")
    tables = re.findall(r"create table (\w+) \((.*?)\n\)", schema, re.DOTALL)
    found = [name for name, columns in tables if "account_id" in columns]
    assert "tasks" in found
    return found


def sources(package: Path) -> Iterator[Path]:
    found = list(package.rglob("*.py"))
    assert len(found) > 50
    yield from found


def rows_of(world: World, account: Account) -> dict[str, list[tuple[object, ...]]]:
    return {
        table: [row for row in rows if account.id in row] for table, rows in world.dump().items()
    }


def ids_of(world: World, account: Account) -> set[object]:
    return {row[1] for row in world.dump()["tasks"] if row[0] == account.id}


async def listed(world: World, account: Account, filters: str) -> set[object]:
    answer = await world.service.client.get(f"/v1/tasks{filters}", headers=account.headers)
    return {task["id"] for task in answer.json()["items"]}


async def claim_all(world: World, account: Account, type_: str) -> list[str]:
    taken: list[str] = []
    while (answer := await world.post("/v1/tasks/claim", account, type=type_))["task"]:
        taken.append(answer["task"]["id"])
    return taken
