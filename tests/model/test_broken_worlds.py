"""The explorer finds what is broken: each broken core leads to a world that breaks its rule."""

import pytest

from tests.model.telling import told, trace
from tests.model.variants import VARIANTS


@pytest.mark.parametrize("name", VARIANTS)
def test_a_broken_core_is_found(name: str) -> None:
    explored = VARIANTS[name].explored()

    assert explored.counterexample is not None, told(explored)
    assert explored.counterexample.broken.rule is VARIANTS[name].rule, told(explored)


def test_a_token_that_is_not_checked_is_told_step_by_step() -> None:
    explored = VARIANTS["no token check"].explored()
    assert explored.counterexample is not None

    lines = list(trace(explored.counterexample))

    assert lines[0] == "BROKEN: no token but the last is accepted (S5)"
    assert lines[1].strip() == "token 1 was accepted after token 2 was handed out"
    assert lines[-1].strip().startswith("heartbeat with token 1 -> accepted; the task is claimed")
    told_steps = [line for line in lines[2:] if line[:3].strip()]
    assert len(told_steps) == len(explored.counterexample.steps)


def test_a_time_taken_before_the_lock_revives_a_lease_that_has_ended() -> None:
    explored = VARIANTS["time taken before the lock"].explored()
    assert explored.counterexample is not None

    last = explored.counterexample.steps[-1]

    (served,) = last.served
    assert served.request.sent_at < served.now
    assert served.before is not None
    assert served.before.lease_expires_at is not None
    assert served.before.lease_expires_at <= served.now
