"""Histories made by hand: a good one in which every rule has something to judge."""

from typing import Final

from msgspec.structs import replace

from tests.chaos.checker.simulated import MILLISECOND
from tests.chaos.checker.story import Story

LARGE: Final = {
    "name": "a0",
    "id": "acct_a0",
    "max_workers": 50,
    "monthly_tasks": 1_000,
    "retention_days": 7,
}
OTHER: Final = LARGE | {"name": "a1", "id": "acct_a1"}


def told() -> Story:
    """Begin a story of two accounts."""
    return Story(accounts=(LARGE, OTHER))


def everything() -> Story:
    """A story in which every rule has something to judge."""
    story = told()
    _lives(story)
    _lines(story)
    task = story.create()
    story.traffic(task, 31)
    story.fault("F1", "kill the API", 2, replica=0)
    story.traffic(task, 65)
    story.fault("F6", "restart the database", 2)
    story.traffic(task, 65)
    story.fault("F21", "overload", 5)
    story.traffic(task, 65)
    waiting = story.ask("get", task)
    story.put(replace(waiting, invoked=waiting.invoked - 900 * MILLISECOND))
    story.at -= 300
    story.fault("F1", "SIGTERM", 1, exit=0)
    story.health(4, healthy=True)
    story.finish(task)
    return story


def _lives(story: Story) -> None:
    first = story.create(key="k1")
    story.create(key="k1", payload={"canary": "canary-of-a0", "number": 10})
    story.ask("create", key="k1", type="beta", payload={"canary": "canary-of-a0"})
    token = story.claim(first, worker_id="w1")
    story.ask("heartbeat", first, lease_token=token)
    for _ in range(2):
        story.ask("complete", first, lease_token=token, result={"n": 1})
    second = story.create(leaseDurationSeconds=2, maxAttempts=2)
    token = story.claim(second)
    story.wait(8)
    story.ask("get", second)
    newer = story.claim(second)
    story.ask("heartbeat", second, lease_token=token)
    story.ask("fail", second, lease_token=newer, reason="no", retry_after_seconds=1)
    story.ask("requeue", second)
    story.finish(second)
    third = story.create()
    story.ask("fail", third, lease_token=story.claim(third), retry_after_seconds=2)
    story.wait(3)
    story.ask("release", third, lease_token=story.claim(third))
    story.ask("cancel", third)
    story.ask("get", third, account="a1")


def _lines(story: Story) -> None:
    low, high = story.create(type="beta"), story.create(type="beta", priority=5)
    for task in (high, low):
        claimed = story.ask("claim", type="beta", worker_id="w2")
        token = (claimed.body or {})["lease_token"]
        story.ask("complete", task, lease_token=token)
    story.ask("claim", type="beta")
    cursor: dict[str, str] = {}
    for _ in range(3):
        page = story.ask("list", limit=2, **cursor)
        cursor = {"cursor": (page.body or {})["pageInfo"]["nextCursor"]}
