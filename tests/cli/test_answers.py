"""A call whose answer is kept whole is sent just as it was."""

from msgspec.structs import replace

from orchestrion.cli.answers import whole
from orchestrion.client import calls
from orchestrion.client.contract import NO_CONTRACT
from orchestrion.client.errors import Refusal

OVER = Refusal(code="invalid_transition", status=409, message="over", contract=NO_CONTRACT)
CANCELLED = b'{"id": "tsk_1", "status": "cancelled", "new": 1}'


def test_its_patience_stays() -> None:
    assert whole(replace(calls.get("tsk_1"), patience=7.0)).patience == 7


def test_what_settles_it_is_kept_whole_too() -> None:
    settling = whole(calls.cancel("tsk_1", force=False)).settle(OVER)

    assert settling is not None
    task, text = settling.decode(CANCELLED)
    assert (task.status, bytes(text)) == ("cancelled", CANCELLED)


def test_where_nothing_settles_it_the_refusal_stands() -> None:
    assert whole(calls.get("tsk_1")).settle(OVER) is None
