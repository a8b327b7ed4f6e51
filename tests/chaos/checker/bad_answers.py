"""Histories made by hand, each of which breaks one rule of answers, limits or times (S12-L8)."""

from typing import Final

from msgspec.structs import replace

from tests.chaos.checker.bad_tasks import wrong
from tests.chaos.checker.good_story import told
from tests.chaos.checker.pretend import stamp
from tests.chaos.checker.simulated import BASE_MS, MILLISECOND
from tests.chaos.checker.story import Bad, Story, noting

SMALL: Final = {"name": "a0", "id": "acct_a0", "max_workers": 1}
SCARCE: Final = {"name": "a0", "id": "acct_a0", "monthly_tasks": 3}
BAD_ANSWERS: Final[list[tuple[str, Bad]]] = []
bad = noting(BAD_ANSWERS)


@bad("S12")
def the_lesser_was_handed_out() -> Story:
    story = wrong("no priority")
    story.create()
    story.create(priority=9)
    for _ in range(2):
        body = story.ask("claim", type="alpha").body or {}
        story.ask("complete", body["task"]["id"], lease_token=body["lease_token"])
    return story


@bad("S13")
def nothing_though_it_waited() -> Story:
    story = told()
    task = story.create()
    empty = story.ask("claim", type="beta")
    story.put(replace(empty, sent={"type": "alpha"}))
    story.finish(task)
    return story


@bad("S14")
def a_refused_cancel_took_effect() -> Story:
    story = told()
    task = story.create()
    story.refused(story.ask("cancel", task), "invalid_transition")
    return story


@bad("S14")
def a_refused_create_made_a_task() -> Story:
    story = told()
    task = story.create()
    story.refused(story.operations[0], "rate_limited")
    story.finish(task)
    return story


@bad("S14")
def refused_without_a_reason() -> Story:
    story = told()
    task = story.create()
    token = story.claim(task)
    beat = story.ask("heartbeat", task, lease_token="lse_unknown")
    story.put(replace(beat, lease_token=token, sent={"lease_token": token}))
    story.ask("complete", task, lease_token=token)
    return story


@bad("S14")
def a_complete_without_its_result() -> Story:
    story = told()
    task = story.create()
    story.told(story.finish(task), result=None)
    return story


@bad("S14")
def a_read_crashed_beside_a_fault() -> Story:
    story = told()
    task = story.create()
    story.fault("F7", "backend kills", 1)
    story.crashed(story.ask("get", task))
    story.finish(task)
    return story


@bad("S14")
def a_write_crashed_in_peace() -> Story:
    story = told()
    task = story.create()
    story.crashed(story.ask("cancel", task))
    return story


@bad("S15")
def a_stale_read() -> Story:
    story = told()
    task = story.create()
    before = story.ask("get", task)
    story.finish(task)
    after = story.ask("get", task)
    story.put(replace(after, body=before.body))
    return story


@bad("S15")
def not_found_and_there_in_the_end() -> Story:
    story = told()
    task = story.create()
    story.refused(story.ask("get", task), "task_not_found")
    story.finish(task)
    return story


@bad("S16")
def missing_in_a_scan() -> Story:
    story = told()
    for _ in range(3):
        story.finish(story.create())
    page = story.ask("list")
    story.told(page, items=(page.body or {})["items"][:2])
    return story


@bad("S16")
def twice_in_a_scan() -> Story:
    story = told()
    for _ in range(3):
        story.finish(story.create())
    first = story.ask("list", limit=2)
    cursor = (first.body or {})["pageInfo"]["nextCursor"]
    second = story.ask("list", limit=2, cursor=cursor)
    items = [*(first.body or {})["items"][:1], *(second.body or {})["items"]]
    story.told(second, items=items)
    return story


@bad("S17")
def shown_to_another() -> Story:
    story = wrong("no account")
    task = story.create()
    story.ask("get", task, account="a1")
    story.finish(task)
    return story


@bad("S17")
def another_may_know_that_it_is_there() -> Story:
    story = told()
    task = story.create()
    story.refused(story.ask("cancel", task, account="a1"), "invalid_transition")
    story.finish(task)
    return story


@bad("S17")
def a_canary_in_a_message() -> Story:
    story = told()
    story.finish(story.create())
    other = story.ask("get", "tsk_none", account="a1")
    story.told(other, message="There was canary-of-a0 in it.")
    return story


@bad("S18")
def more_leases_than_workers() -> Story:
    story = Story(accounts=(SMALL,))
    tasks = [story.create(), story.create()]
    tokens = [story.claim(task) for task in tasks]
    for task, token in zip(tasks, tokens, strict=True):
        story.ask("complete", task, lease_token=token)
    return story


@bad("S18")
def more_creates_than_the_quota() -> Story:
    story = Story(accounts=(SCARCE,))
    for _ in range(4):
        story.finish(story.create())
    return story


@bad("S21")
def ended_and_deleted_early() -> Story:
    story = told()
    story.finish(story.create())
    task = story.create()
    story.finish(task)
    del story.service.tasks[task]
    return story


@bad("S21")
def deleted_before_it_ended() -> Story:
    story = told()
    task = story.create()
    story.wait(8 * 24 * 3_600)
    story.finish(story.create())
    del story.service.tasks[task]
    return story


@bad("S22")
def two_recommendations() -> Story:
    story = told()
    task = story.create()
    read = story.ask("get", task)
    (action, *_) = (read.body or {})["agent_contract"]["next_actions"]
    story.told(read, agent_contract={"version": "1", "next_actions": [action, action]})
    story.finish(task)
    return story


@bad("S22")
def advised_and_refused() -> Story:
    story = told()
    task = story.create()
    story.ask("get", task)
    claim = story.ask("claim_task", "tsk_none")
    story.refused(story.put(replace(claim, task=task)), "invalid_transition")
    story.finish(task)
    return story


@bad("L1")
def still_held_long_after_its_lease() -> Story:
    story = told()
    task = story.create(leaseDurationSeconds=1)
    story.claim(task)
    story.at += 9_000
    story.create(type="gamma", scheduledAt=stamp(BASE_MS + 10**9))
    story.ask("get", task)
    story.finish(task)
    return story


@bad("L1")
def refused_though_its_lease_had_ended() -> Story:
    story = told()
    task = story.create(leaseDurationSeconds=1)
    story.claim(task)
    story.at += 2_000
    story.create(type="gamma", scheduledAt=stamp(BASE_MS + 10**9))
    claim = story.ask("claim_task", "tsk_none")
    story.refused(story.put(replace(claim, task=task)), "invalid_transition")
    story.finish(task)
    return story


@bad("L2")
def stuck_in_the_end() -> Story:
    story = told()
    story.create()
    return story


def _served(story: Story, seconds: float) -> str:
    task = story.create()
    story.traffic(task, seconds)
    return task


@bad("L3")
def killed_and_away_too_long() -> Story:
    story = told()
    task = _served(story, 1)
    story.fault("F1", "kill the API", 1, replica=0)
    story.wait(7)
    story.finish(task)
    return story


@bad("L4")
def the_database_was_back_and_nobody_was_served() -> Story:
    story = told()
    task = _served(story, 1)
    story.fault("F6", "restart the database", 1)
    story.wait(12)
    story.finish(task)
    return story


@bad("L4")
def slower_after_the_database_was_back() -> Story:
    story = told()
    task = _served(story, 31)
    story.fault("F6", "restart the database", 1)
    story.traffic(task, 40, each_ms=400)
    story.finish(task)
    return story


@bad("L5")
def cut_by_a_stop() -> Story:
    story = told()
    task = _served(story, 1)
    read = story.lost("get", task)
    story.put(replace(read, invoked=read.invoked - 500 * MILLISECOND))
    story.at -= 10
    story.fault("F1", "SIGTERM", 1, exit=0)
    story.finish(task)
    return story


@bad("L5")
def stopped_with_an_error() -> Story:
    story = told()
    task = _served(story, 1)
    story.fault("F1", "SIGTERM", 1, exit=1)
    story.finish(task)
    return story


@bad("L5")
def stopped_too_late() -> Story:
    story = told()
    task = _served(story, 1)
    story.fault("F1", "SIGTERM", 26, exit=0)
    story.finish(task)
    return story


@bad("L6")
def slow_after_an_overload() -> Story:
    story = told()
    task = _served(story, 31)
    story.fault("F21", "overload", 1)
    story.traffic(task, 40)
    for operation in story.operations:
        if operation.invoked > story.faults[0].ended:
            slow = operation.returned + 100 * MILLISECOND
            story.put(replace(operation, returned=slow))
    story.finish(task)
    return story


@bad("L7")
def a_late_job_counts_as_healthy() -> Story:
    story = told()
    story.health(60, healthy=True)
    return story


@bad("L7")
def a_stuck_job_says_that_it_has_just_run() -> Story:
    story = told()
    story.fault("F16", "stuck job", 30, job="lease expiry")
    story.at -= 2_000
    story.health(1, healthy=True)
    return story


@bad("L7")
def nothing_is_told_of_the_job() -> Story:
    story = told()
    story.health(4, healthy=True)
    (asked,) = story.operations
    story.put(replace(asked, body={"status": "ok"}))
    return story


@bad("S14")
def created_otherwise_than_asked() -> Story:
    story = told()
    story.create()
    (made,) = story.operations
    story.put(replace(made, sent={**(made.sent or {}), "leaseDurationSeconds": 77}))
    return story


@bad("L8")
def poison_goes_on() -> Story:
    story = told()
    task = story.create(payload={"poison": True})
    story.ask("fail", task, lease_token=story.claim(task))
    return story
