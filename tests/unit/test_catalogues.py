"""The tables everything else derives from are whole and agree with each other."""

import importlib
import pkgutil
import re

import msgspec
import pytest

from orchestrion import core
from orchestrion.core import bodies
from orchestrion.core.contract import EMPTY_CLAIM
from orchestrion.core.errors import CATALOGUE, ActionCode, ErrorCode
from orchestrion.core.lifecycle import TABLE, Guard
from orchestrion.core.operations import BY_NAME, OPERATIONS, PAGES, Access, Allowance, Operation

STATUSES = {
    "missing_api_key": (401,),
    "invalid_api_key": (401,),
    "invalid_request": (400, 404, 405, 413, 415),
    "task_not_found": (404,),
    "invalid_transition": (409,),
    "lease_expired": (409,),
    "task_currently_claimed": (409,),
    "not_yet_claimable": (409,),
    "idempotency_conflict": (409,),
    "idempotency_in_flight": (503,),
    "quota_exceeded": (402,),
    "plan_expired": (402,),
    "max_workers_reached": (429,),
    "payment_failed": (402, 410),
    "rate_limited": (429,),
    "server_error": (500, 503),
}
ACTIONS_THAT_ARE_OPERATIONS = {
    "create_task",
    "list_tasks",
    "check_task_status",
    "claim_task",
    "heartbeat",
    "complete_task",
    "fail_task",
    "requeue_task",
    "check_billing_status",
    "verify_payment",
}


def test_every_error_code_has_its_statuses() -> None:
    assert {code.value: row.statuses for code, row in CATALOGUE.items()} == STATUSES
    assert set(CATALOGUE) == set(ErrorCode)


def test_every_error_says_what_it_means_and_what_to_do() -> None:
    for row in CATALOGUE.values():
        assert row.message.endswith(".")
        assert row.meaning.endswith(".")
        assert row.action in ActionCode


def test_actions_that_are_operations_bear_their_names() -> None:
    assert set(BY_NAME) >= ACTIONS_THAT_ARE_OPERATIONS
    assert {code.value for code in ActionCode} >= ACTIONS_THAT_ARE_OPERATIONS


def test_operations_are_found_by_unique_names_and_routes() -> None:
    rows = OPERATIONS + PAGES

    assert list(BY_NAME.values()) == list(rows)
    assert len({(row.method, row.path) for row in rows}) == len(rows)
    assert len({row.path for row in OPERATIONS}) == 27


@pytest.mark.parametrize("row", OPERATIONS + PAGES, ids=lambda row: row.name)
def test_an_operation_is_described_and_limited(row: Operation) -> None:
    assert re.fullmatch(r"[a-z_]+", row.name)
    assert row.path.startswith("/")
    assert row.description.endswith(".")
    assert not row.summary.endswith(".")
    assert row.body is None or row.method == "POST"
    assert not row.body_required or row.body is not None
    keyed = row.access is Access.KEYED
    public = {Allowance.DISCOVERY, Allowance.REGISTRATION, Allowance.EVENTS, Allowance.NONE}
    assert (row.allowance in public) != keyed
    assert len(set(row.refusals)) == len(row.refusals)


def test_every_operation_on_a_task_may_not_find_it() -> None:
    for row in OPERATIONS:
        assert (ErrorCode.TASK_NOT_FOUND in row.refusals) == ("{id}" in row.path)


def test_every_module_of_the_core_says_in_one_paragraph_what_it_is_for() -> None:
    for found in pkgutil.iter_modules(core.__path__, "orchestrion.core."):
        first, *_ = (importlib.import_module(found.name).__doc__ or "").partition("\n\n")

        assert first.endswith("."), found.name


def test_every_guard_stands_in_the_table() -> None:
    assert {row.guard for row in TABLE.values()} == set(Guard)


def test_a_claim_answer_without_a_task_has_no_token() -> None:
    wire = msgspec.json.encode(bodies.ClaimAnswer(task=None, agent_contract=EMPTY_CLAIM))

    assert wire.startswith(b'{"task":null,"agent_contract":{"version":"1"')


def test_a_task_stands_on_the_wire_in_camel_case_beside_its_agent_contract() -> None:
    names = [field.encode_name for field in msgspec.structs.fields(bodies.TaskWithContract)]

    assert names[-1] == "agent_contract"
    assert names[:4] == ["id", "type", "payload", "status"]
    assert {"leaseDurationSeconds", "attemptCount", "outputId"} <= set(names)
    assert [name for name in names if "_" in name] == ["agent_contract"]


@pytest.mark.parametrize(
    ("body", "wire"),
    [
        (bodies.CreateBody, b'{"type":"a b","payload":{}}'),
        (bodies.CreateBody, b'{"type":"a\\n","payload":{}}'),
        (bodies.CreateBody, b'{"type":"","payload":{}}'),
        (bodies.CreateBody, b'{"type":"a"}'),
        (bodies.CreateBody, b'{"type":"a","payload":{},"priority":101}'),
        (bodies.CreateBody, b'{"type":"a","payload":{},"priority":-1}'),
        (bodies.CreateBody, b'{"type":"a","payload":{},"priority":true}'),
        (bodies.CreateBody, b'{"type":"a","payload":{},"priority":"1"}'),
        (bodies.CreateBody, b'{"type":"a","payload":{},"priority":null}'),
        (bodies.CreateBody, b'{"type":"a","payload":{},"maxAttempts":0}'),
        (bodies.CreateBody, b'{"type":"a","payload":{},"maxAttempts":11}'),
        (bodies.CreateBody, b'{"type":"a","payload":{},"leaseDurationSeconds":29}'),
        (bodies.CreateBody, b'{"type":"a","payload":{},"leaseDurationSeconds":3601}'),
        (bodies.CreateBody, b'{"type":"a","payload":{},"idempotencyKey":""}'),
        (bodies.CreateBody, b'{"type":"a","payload":{},"idempotencyKey":"k\\n"}'),
        (bodies.ClaimNextBody, b'{"types":[]}'),
        (bodies.ClaimNextBody, b'{"type":"a","worker_id":""}'),
        (bodies.FailBody, b'{"retry_after_seconds":0}'),
        (bodies.FailBody, b'{"retry_after_seconds":86401}'),
        (bodies.FailBody, b'{"reason":null}'),
        (bodies.CompleteBody, b'{"output_id":""}'),
        (bodies.HeartbeatBody, b'{"lease_token":7}'),
        (bodies.RegisterBody, b'{"email":"nobody"}'),
        (bodies.RegisterBody, b'{"email":"a@b"}'),
        (bodies.RegisterBody, b'{"email":"a@b.c\\n"}'),
        (bodies.NoBody, b"[]"),
    ],
)
def test_a_body_out_of_bounds_is_not_read(body: type[msgspec.Struct], wire: bytes) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(wire, type=body)


def test_a_minimal_create_gets_the_defaults() -> None:
    read = msgspec.json.decode(b'{"type":"a","payload":{},"x":1}', type=bodies.CreateBody)

    assert (read.priority, read.max_attempts, read.lease_duration_seconds) == (0, 3, 300)
