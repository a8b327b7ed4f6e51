"""Many callers at once: nothing is handed out twice, lost, or made twice."""

import asyncio
from collections import Counter

from tests.http.callers import Caller, ok, refused


async def test_64_claims_at_once_hand_out_50_different_tasks(caller: Caller) -> None:
    created = {(await caller.task())["id"] for _ in range(50)}

    claims = [ok(one) for one in await asyncio.gather(*[caller.claim_next() for _ in range(64)])]

    handed_out = [claim["task"]["id"] for claim in claims if claim["task"]]
    assert len(handed_out) == 50
    assert set(handed_out) == created
    assert len({claim["lease_token"] for claim in claims if claim["task"]}) == 50


async def test_claims_at_once_keep_the_order(caller: Caller) -> None:
    created = [(await caller.task(priority=number % 3))["id"] for number in range(30)]
    by_priority = sorted(range(30), key=lambda number: (-(number % 3), number))

    claims = await asyncio.gather(*[caller.claim_next() for _ in range(12)])

    handed_out = {ok(claim)["task"]["id"] for claim in claims}
    assert handed_out == {created[number] for number in by_priority[:12]}


async def test_claims_by_id_at_once_have_one_winner(caller: Caller) -> None:
    task = await caller.task()

    answers = await asyncio.gather(*[caller.do("claim", task["id"]) for _ in range(20)])

    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 19}
    assert ok(await caller.show(task["id"]))["attemptCount"] == 1


async def test_claims_by_id_and_by_type_share_no_task(caller: Caller) -> None:
    created = [(await caller.task())["id"] for _ in range(20)]

    answers = await asyncio.gather(
        *[caller.do("claim", task_id) for task_id in created[:10]],
        *[caller.claim_next() for _ in range(20)],
    )

    handed_out = Counter(
        answer.json()["task"]["id"]
        for answer in answers
        if answer.status_code == 200 and answer.json()["task"]
    )
    assert set(handed_out.values()) == {1}
    assert set(handed_out) == set(created)


async def test_completions_at_once_have_one_winner(caller: Caller) -> None:
    claim = await caller.held()
    task_id, token = claim["task"]["id"], claim["lease_token"]

    answers = await asyncio.gather(
        *[
            caller.do("complete", task_id, lease_token=token, result={"by": number})
            for number in range(20)
        ]
    )

    won = [answer.json() for answer in answers if answer.status_code == 200]
    assert len(won) == 1
    assert ok(await caller.show(task_id))["result"] == won[0]["result"]
    for answer in answers:
        if answer.status_code != 200:
            refused(answer, 409, "invalid_transition")


async def test_a_cancel_and_a_claim_at_once_have_one_winner(caller: Caller) -> None:
    for _ in range(10):
        task = await caller.task()

        cancel, claim = await asyncio.gather(
            caller.do("cancel", task["id"]), caller.do("claim", task["id"])
        )

        assert sorted((cancel.status_code, claim.status_code)) == [200, 409]


async def test_overdue_tasks_are_handed_out_once_to_a_crowd(caller: Caller) -> None:
    for _ in range(10):
        await caller.held(leaseDurationSeconds=30)
    caller.service.clock.advance(30)

    claims = await asyncio.gather(*[caller.claim_next() for _ in range(16)])

    handed_out = [ok(claim)["task"]["id"] for claim in claims if ok(claim)["task"]]
    assert len(handed_out) == len(set(handed_out)) == 10


async def test_a_crowd_of_whole_lives_ends_with_every_task_completed_once(
    caller: Caller,
) -> None:
    crowd = caller.unchecked()

    async def work() -> int:
        done = 0
        while task := ok(await crowd.claim_next())["task"]:
            ok(await crowd.do("complete", task["id"]))
            done += 1
        return done

    await asyncio.gather(*[crowd.task() for _ in range(60)])
    done = await asyncio.gather(*[work() for _ in range(16)])

    assert sum(done) == 60
    page = ok(await caller.read("/v1/tasks?status=completed&limit=100"))
    assert len(page["items"]) == 60
    assert {task["attemptCount"] for task in page["items"]} == {1}
