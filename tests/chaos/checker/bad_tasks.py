"""Histories made by hand, each of which breaks one rule of a task's life (S1-S11) and no other."""

from typing import Final

from msgspec.structs import replace

from tests.chaos.checker.good_story import LARGE, OTHER, told
from tests.chaos.checker.pretend import stamp
from tests.chaos.checker.simulated import BASE_MS
from tests.chaos.checker.story import Bad, Story, noting
from tests.chaos.history import Final as FinalRead

BAD_TASKS: Final[list[tuple[str, Bad]]] = []
bad = noting(BAD_TASKS)


def wrong(how: str) -> Story:
    """Begin a story of a service that does something wrong."""
    return Story(how, accounts=(LARGE, OTHER))


@bad("S1")
def created_and_lost() -> Story:
    story = told()
    story.finish(story.create())
    del story.service.tasks[story.create()]
    return story


@bad("S1")
def kept_with_another_payload() -> Story:
    story = told()
    task = story.create()
    story.finish(task)
    for final in story.history().finals:
        story.finals.append(replace(final, source="list", task=final.task | {"payload": {}}))
    return story


@bad("S2")
def nobody_made_it() -> Story:
    story = told()
    task = story.create()
    story.finish(task)
    kept = story.service.tasks[task].shown
    invented = kept | {"id": "tsk_00000000000000000000009999", "payload": {"n": 1}}
    story.finals.append(FinalRead(source="database", account="a0", task=invented))
    return story


@bad("S3")
def one_key_two_tasks() -> Story:
    story = wrong("double key")
    for _ in range(2):
        task = story.create(key="k1", payload={"n": 1})
        story.finish(task)
    return story


@bad("S3")
def a_lost_create_under_a_key_made_two_tasks() -> Story:
    story = wrong("double key")
    for _ in range(2):
        story.lost("create", key="k1", type="alpha", payload={"n": 1})
    for task in list(story.service.tasks):
        story.finish(task)
    return story


@bad("S3")
def a_key_accepted_two_requests() -> Story:
    story = told()
    task = story.create(key="k1", payload={"n": 1})
    story.finish(task)
    first = story.operations[0]
    again = story.ask("create", key="k1", type="alpha", payload={"n": 1})
    other = {"type": "alpha", "payload": {"n": 1}, "priority": 3}
    story.put(replace(again, sent=other, body=first.body))
    return story


@bad("S4")
def two_leases_at_once() -> Story:
    story = told()
    task = story.create()
    story.claim(task)
    story.service.tasks[task].ends = 0
    story.finish(task)
    return story


@bad("S5")
def completed_under_a_former_lease() -> Story:
    story = wrong("no fencing")
    task = story.create(leaseDurationSeconds=1)
    former = story.claim(task)
    story.wait(2)
    story.claim(task)
    story.ask("complete", task, lease_token=former, result={"n": 1})
    return story


@bad("S5")
def beaten_under_a_former_lease() -> Story:
    story = wrong("no fencing")
    task = story.create(leaseDurationSeconds=1)
    former = story.claim(task)
    story.wait(2)
    token = story.claim(task)
    story.ask("heartbeat", task, lease_token=former)
    story.ask("complete", task, lease_token=token)
    return story


@bad("S5")
def another_result_is_stored() -> Story:
    story = told()
    task = story.create()
    story.finish(task)
    story.service.tasks[task].shown["result"] = {"done": "otherwise"}
    return story


@bad("S6")
def completed_twice() -> Story:
    story = wrong("completes twice")
    task = story.create()
    token = story.claim(task)
    for result in ({"n": 1}, {"n": 2}):
        story.ask("complete", task, lease_token=token, result=result)
    return story


@bad("S6")
def a_repeat_completed_again() -> Story:
    story = told()
    task = story.create()
    token = story.claim(task)
    story.ask("complete", task, lease_token=token)
    again = story.ask("complete", task, lease_token=token)
    later = stamp(BASE_MS + story.at)
    story.told(again, completedAt=later, updatedAt=later)
    story.service.tasks[task].shown |= {"completedAt": later, "updatedAt": later}
    return story


@bad("S7")
def cancelled_and_alive_again() -> Story:
    story = told()
    task = story.create()
    story.ask("cancel", task)
    later = stamp(BASE_MS + story.at)
    story.service.tasks[task].shown |= {"status": "pending", "updatedAt": later}
    story.ask("get", task)
    story.finish(task)
    return story


@bad("S7")
def completed_and_changed() -> Story:
    story = told()
    task = story.create()
    story.finish(task)
    story.service.tasks[task].shown["lastHeartbeatAt"] = stamp(BASE_MS + story.at)
    story.ask("get", task)
    return story


@bad("S7")
def dead_and_alive_without_a_requeue() -> Story:
    story = told()
    task = story.create(maxAttempts=1)
    story.ask("fail", task, lease_token=story.claim(task))
    later = stamp(BASE_MS + story.at)
    story.service.tasks[task].shown |= {"status": "cancelled", "updatedAt": later}
    return story


@bad("S8")
def completed_after_the_lease() -> Story:
    story = wrong("no lease check")
    task = story.create(leaseDurationSeconds=1)
    token = story.claim(task)
    story.at += 1_500
    story.ask("complete", task, lease_token=token)
    return story


@bad("S8")
def requeued_while_pending() -> Story:
    story = told()
    task = story.create()
    story.service.tasks[task].shown["status"] = "dead_letter"
    story.ask("requeue", task)
    story.finish(task)
    return story


@bad("S8")
def expired_before_the_lease_ended() -> Story:
    story = told()
    task = story.create()
    story.claim(task)
    story.service.tasks[task].ends = 0
    story.wait(1)
    story.ask("get", task)
    story.ask("cancel", task)
    return story


@bad("S8")
def an_acknowledged_cancel_is_undone_in_the_end() -> Story:
    story = told()
    task = story.create()
    story.claim(task)
    story.ask("cancel", task, force=True)
    del story.service.tasks[task].shown["cancelRequestedAt"]
    story.wait(400)
    token = story.claim(task)
    story.ask("complete", task, lease_token=token)
    return story


@bad("S9")
def an_attempt_counted_twice() -> Story:
    story = told()
    task = story.create()
    story.service.tasks[task].shown["attemptCount"] = 1
    story.finish(task)
    return story


@bad("S9")
def dead_with_attempts_left() -> Story:
    story = told()
    task = story.create()
    story.service.tasks[task].shown["maxAttempts"] = 1
    story.ask("fail", task, lease_token=story.claim(task))
    for operation in story.operations[1:]:
        if operation.name == "fail":
            story.told(operation, maxAttempts=3)
    story.service.tasks[task].shown["maxAttempts"] = 3
    return story


@bad("S9")
def more_attempts_than_allowed() -> Story:
    story = wrong("never dead")
    task = story.create(maxAttempts=1)
    story.ask("fail", task, lease_token=story.claim(task))
    story.finish(task)
    return story


@bad("S9")
def a_token_came_twice() -> Story:
    story = wrong("same token")
    for _ in range(2):
        task = story.create(leaseDurationSeconds=1)
        story.service.tasks[task].token = "lse_1"
        story.finish(task)
    return story


@bad("S10")
def claimed_before_its_schedule() -> Story:
    story = told()
    task = story.create(scheduledAt=stamp(BASE_MS + 60_000))
    story.service.tasks[task].due = 0
    story.finish(task)
    return story


@bad("S10")
def claimed_before_the_delay_was_over() -> Story:
    story = told()
    task = story.create()
    story.ask("fail", task, lease_token=story.claim(task), retry_after_seconds=60)
    story.service.tasks[task].due = 0
    story.service.tasks[task].shown["scheduledAt"] = None
    story.finish(task)
    return story


@bad("S11")
def heartbeats_add_up() -> Story:
    story = wrong("banks")
    task = story.create()
    token = story.claim(task)
    story.ask("heartbeat", task, lease_token=token)
    story.ask("complete", task, lease_token=token)
    return story


@bad("S11")
def a_heartbeat_shortened_the_lease() -> Story:
    story = told()
    task = story.create()
    token = story.claim(task)
    beat = story.ask("heartbeat", task, lease_token=token)
    ends = stamp(BASE_MS + story.at + 1_000)
    story.told(beat, leaseExpiresAt=ends)
    story.ask("complete", task, lease_token=token)
    return story


@bad("S11")
def a_heartbeat_left_no_lease() -> Story:
    story = told()
    task = story.create()
    token = story.claim(task)
    beat = story.ask("heartbeat", task, lease_token=token)
    story.told(beat, leaseExpiresAt=None)
    story.ask("complete", task, lease_token=token)
    return story


@bad("S11")
def a_heartbeat_after_the_lease() -> Story:
    story = wrong("no lease check")
    task = story.create(leaseDurationSeconds=1)
    token = story.claim(task)
    story.at += 1_500
    story.ask("heartbeat", task, lease_token=token)
    story.ask("complete", task, lease_token=token)
    return story
