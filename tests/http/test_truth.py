"""What an answer calls available is possible: done at once and alone, it is never refused by state.

Each action is tried in a world of its own: the same history is lived through again, the same
question put, and then this one action is taken.
"""

import pytest

from tests.http.callers import Caller, Json
from tests.http.situations import BUILDS, Ask, Build, Situation, contracts, fitting_body, questions

ASKS = questions()
OUTSIDE = {"download_artifact"}


def available(answer: Json) -> list[Json]:
    """List what can be done now, here: an action that waits is for later."""
    return [
        action
        for contract in contracts(answer)
        for action in contract["next_actions"]
        if action["available"]
        and "retry_after_seconds" not in action
        and action["action"] not in OUTSIDE
    ]


async def asked(build: Build, ask: Ask, caller: Caller) -> tuple[Situation, Json]:
    situation = await build(caller)
    answer: Json = (await ask(situation)).json()
    return situation, answer


@pytest.mark.parametrize("name", BUILDS)
async def test_an_available_action_is_never_refused_by_the_state(name: str, caller: Caller) -> None:
    crowd = caller.unchecked()
    tried = 0
    for question, ask in ASKS.items():
        _, first = await asked(BUILDS[name], ask, crowd)
        for number, action in enumerate(available(first)):
            situation, answer = await asked(BUILDS[name], ask, crowd)
            again = available(answer)[number]
            assert again["action"] == action["action"], question

            body = fitting_body(again["endpoint"], situation)
            response = await caller.send(again["method"], again["endpoint"], body)

            told = f"{question} of {name} said {again}, which was answered {response.text}"
            assert response.status_code < 400, told
            tried += 1
    assert tried > len(ASKS)


@pytest.mark.parametrize("name", BUILDS)
async def test_who_acts_with_its_token_meets_no_state_either(name: str, caller: Caller) -> None:
    crowd = caller.unchecked()
    for question, ask in ASKS.items():
        for number, action in enumerate(available((await asked(BUILDS[name], ask, crowd))[1])):
            if action["action"] not in ("complete_task", "fail_task", "heartbeat"):
                continue
            situation, answer = await asked(BUILDS[name], ask, crowd)
            token = answer.get("lease_token") or situation.token
            again = available(answer)[number]

            response = await caller.send("POST", again["endpoint"], {"lease_token": token})

            # A worker that lost its lease may read the task as well: it is told so, at once.
            allowed = ("", "lease_expired")
            assert response.json().get("error", "") in allowed, (question, response.text)


@pytest.mark.parametrize("name", BUILDS)
async def test_an_action_called_unavailable_is_refused(name: str, caller: Caller) -> None:
    """Else the guidance would keep an agent from what it may do."""
    crowd = caller.unchecked()
    situation = await BUILDS[name](crowd)
    answer = (await crowd.show(situation.task_id)).json()
    for action in answer["agent_contract"]["next_actions"]:
        if action["available"]:
            continue

        response = await caller.send(action["method"], action["endpoint"])

        assert response.status_code == 409, (action, response.text)


@pytest.mark.parametrize("name", BUILDS)
async def test_a_wait_is_as_long_as_it_must_be_and_no_longer(name: str, caller: Caller) -> None:
    crowd = caller.unchecked()
    situation = await BUILDS[name](crowd)
    answer = (await crowd.do("claim", situation.task_id)).json()
    waits = [
        action
        for action in answer["agent_contract"]["next_actions"]
        if action["action"] == "retry_after_wait"
    ]
    assert bool(waits) is (name in ("scheduled", "released_for_later"))
    for action in waits:
        crowd.service.clock.advance(action["retry_after_seconds"] - 1)
        assert (await caller.send("POST", action["endpoint"])).status_code == 409
        crowd.service.clock.advance(1)
        assert (await caller.send("POST", action["endpoint"])).status_code == 200
