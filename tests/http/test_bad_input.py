"""Every request of the corpus is refused as its file says, and leaves no trace."""

import re
from collections.abc import AsyncIterator

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrion.core.operations import OPERATIONS, Operation
from tests.databases import KINDS, Databases
from tests.http.asking import Ask
from tests.http.bad_requests import BadRequest, bad_requests
from tests.http.world import World, peopled

CASES = tuple(bad_requests())
CASES_MIN = 1_150
FRAGMENTS = (
    b"\\u",
    b"\\ud800",
    b"\xef\xbb\xbf",
    b"1e5",
    b"-0",
    b"5.0",
    b"null",
    b'{"a":',
    b"[[[[[[",
    b'"',
)
BODIED = tuple(operation for operation in OPERATIONS if operation.body is not None)


@pytest.fixture(scope="module", params=KINDS)
async def world(databases: Databases, request: pytest.FixtureRequest) -> AsyncIterator[World]:
    with databases.fresh(request.param) as database:
        async with peopled(database) as peopled_world:
            yield peopled_world


@pytest.mark.parametrize("bad", CASES, ids=[bad.name for bad in CASES])
async def test_a_bad_request_is_refused_and_changes_nothing(world: World, bad: BadRequest) -> None:
    before, faults = world.dump(), len(world.service.observer.faults)

    answer = await world.asker.ask(as_ask(bad.filled(world.names), world.address()))

    assert (answer.status, answer.error) == (bad.expected.status, bad.expected.error), answer.body
    assert bad.expected.says in answer.message
    assert bool(answer.headers.get("allow")) == (answer.status == 405)
    assert world.dump() == before
    assert len(world.service.observer.faults) == faults


def test_the_corpus_is_large_and_its_names_are_unique() -> None:
    assert len(CASES) >= CASES_MIN
    assert len({bad.name for bad in CASES}) == len(CASES)


@pytest.mark.parametrize("operation", BODIED, ids=[operation.name for operation in BODIED])
def test_every_field_of_every_body_is_tried_with_values_of_other_types(
    operation: Operation,
) -> None:
    assert operation.body is not None
    path = re.compile(re.escape(operation.path).replace(r"\{id\}", "[^/]+").encode())
    here = [bad for bad in CASES if path.fullmatch(bad.target) and bad.method == operation.method]

    tried = {bad.varies for bad in here}

    assert here
    assert {field.encode_name for field in msgspec.structs.fields(operation.body)} <= tried


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(
    number=st.integers(0, len(BODIED) - 1),
    seed=st.sampled_from([bad.body for bad in CASES if 1 < len(bad.body) < 300]),
    cut=st.tuples(st.integers(0, 80), st.integers(0, 12)),
    noise=st.binary(max_size=6) | st.sampled_from(FRAGMENTS),
)
async def test_no_mutation_of_a_body_breaks_the_server(
    world: World, number: int, seed: bytes, cut: tuple[int, int], noise: bytes
) -> None:
    faults = len(world.service.observer.faults)
    at, length = cut
    body = seed[:at] + noise + seed[at + length :]
    target = BODIED[number].path.replace("{id}", world.names["pending"]).encode()

    answer = await world.asker.ask(
        Ask(
            method="POST",
            target=target,
            headers=(
                (b"authorization", f"Bearer {world.owner.key}".encode()),
                (b"content-type", b"application/json"),
            ),
            body=body,
            address=world.address(),
        )
    )

    # 503 is what a good checkout is answered where payments are off.
    assert answer.status < 500 or target == b"/v1/billing/checkout"
    assert len(world.service.observer.faults) == faults


def as_ask(bad: BadRequest, address: str) -> Ask:
    return Ask(
        method=bad.method,
        target=bad.target,
        headers=bad.headers,
        body=bad.body,
        pieces=bad.pieces,
        address=address,
    )
