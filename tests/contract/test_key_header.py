"""The schema of the Idempotency-Key header takes exactly the keys that the server takes."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from orchestrion.api.commanding import header_key
from orchestrion.api.http import Request
from orchestrion.core.ids import RequestId
from orchestrion.core.limits import IDEMPOTENCY_KEY_LENGTH_MAX as MOST
from orchestrion.core.operations import BY_NAME
from orchestrion.core.strict_json import Malformed
from tests.contract.documents import served

LETTERS = '"" aé~\t\x7f!'
KEYS = st.text(LETTERS, max_size=6) | st.builds(
    lambda start, times, end: start + "k" * times + end,
    st.text(LETTERS, max_size=2),
    st.integers(MOST - 4, MOST + 2),
    st.text(LETTERS, max_size=2),
)


@pytest.mark.parametrize("name", ["IdempotencyKey", "ClaimKey"])
@given(key=KEYS)
@example(key='"')
@example(key='""')
@example(key='"' + "k" * MOST + '"')
@example(key='"' + "k" * (MOST + 1) + '"')
def test_what_the_schema_takes_is_what_the_server_takes(name: str, key: str) -> None:
    schema: dict[str, Any] = served()["components"]["parameters"][name]["schema"]

    # What a header's value is surrounded by is no part of it, and no server sees it.
    arrives_whole = key == key.strip(" \t")
    assert Draft202012Validator(schema).is_valid(key) == (arrives_whole and taken(key))


def taken(key: str) -> bool:
    request = Request(
        operation=BY_NAME["create_task"],
        request_id=RequestId("req_1"),
        headers={b"idempotency-key": key.encode("latin-1")},
    )
    try:
        return header_key(request) is not None
    except Malformed:
        return False
