"""What a traceback or a log line shows of values that hold a secret."""

import msgspec
import pytest

from orchestrion.client.account import RegisteredKey
from orchestrion.client.contract import NO_CONTRACT
from orchestrion.client.task import Beat, Claimed, Completion, Failure, Held, Task
from orchestrion.worker.connections import connections_to

TASK = Task(id="tsk_1", type="report")
SECRET = "orch_live_secret"


@pytest.mark.parametrize(
    "value",
    [
        RegisteredKey(api_key=SECRET, account_id="acct_1"),
        Held(task=TASK, lease_token=SECRET),
        Claimed(leases=(Held(task=TASK, lease_token=SECRET),), contract=NO_CONTRACT),
        Completion(id="tsk_1", lease_token=SECRET),
        Failure(id="tsk_1", lease_token=SECRET, reason="busy"),
        Beat(id="tsk_1", lease_token=SECRET),
        connections_to("http://127.0.0.1:1", SECRET),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_secret_is_not_shown(value: msgspec.Struct) -> None:
    assert repr(value).startswith(f"{type(value).__name__}(")
    assert SECRET not in repr(value)
    assert SECRET not in repr(list(value.__rich_repr__()))


def test_what_is_no_secret_is_shown() -> None:
    assert "account_id='acct_1'" in repr(RegisteredKey(api_key=SECRET, account_id="acct_1"))
    assert repr(Beat(id="tsk_1", lease_token=SECRET)) == "Beat(id='tsk_1', lease_token='…')"
