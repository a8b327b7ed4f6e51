"""Ids ascend; tokens and keys have their form and never repeat."""

from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrion.core import ids
from orchestrion.engine.mint import Mint
from tests.clocks import SettableClock

PATIENTLY = settings(deadline=None, derandomize=True, database=None)


@PATIENTLY
@given(st.lists(st.floats(min_value=0, max_value=10), max_size=50))
def test_ids_ascend_while_time_stands_still_and_while_it_moves(steps: list[float]) -> None:
    clock = SettableClock()
    mint = Mint(clock)
    made = []

    for seconds in steps:
        clock.advance(seconds)
        made += [mint.task_id(), mint.task_id()]

    assert made == sorted(set(made))


def test_ids_ascend_when_the_randomness_of_a_millisecond_is_used_up() -> None:
    mint = Mint(SettableClock(), lambda count: b"\xff" * count)

    made = [mint.task_id() for _ in range(100)]

    assert made == sorted(set(made))
    assert all(ids.is_task_id(one) for one in made)


def test_ids_go_on_ascending_when_time_catches_up_with_them() -> None:
    clock = SettableClock()
    mint = Mint(clock, lambda count: b"\xff" * count)
    made = [mint.task_id() for _ in range(5)]

    clock.advance(0.002)
    made += [mint.task_id() for _ in range(5)]
    clock.advance(60)
    made += [mint.task_id() for _ in range(5)]

    assert made == sorted(set(made))


def test_ids_tell_when_they_were_made() -> None:
    clock = SettableClock()
    mint = Mint(clock, bytes)

    made = mint.task_id()

    assert made == "tsk_" + ids.ulid(clock.now(), 0)


def test_every_kind_of_id_has_its_prefix() -> None:
    mint = Mint(SettableClock())

    made = [mint.task_id(), mint.account_id(), mint.key_id(), mint.request_id()]

    assert [one.split("_")[0] for one in made] == ["tsk", "acct", "key", "req"]
    assert all(ids.is_ulid(one.split("_")[1]) for one in made)


def test_tokens_and_keys_never_repeat_and_have_their_form() -> None:
    mint = Mint(SettableClock())

    tokens = {mint.lease_token() for _ in range(1_000)}
    keys = {mint.api_key() for _ in range(1_000)}

    assert len(tokens) == len(keys) == 1_000
    assert all(token.startswith("lse_") and len(token) == 38 for token in tokens)
    assert all(ids.is_api_key(key) for key in keys)


def test_a_purchase_id_has_its_form() -> None:
    made = Mint(SettableClock()).purchase_id()

    assert made.startswith("pur_")
    assert ids.is_ulid(made.removeprefix("pur_"))
