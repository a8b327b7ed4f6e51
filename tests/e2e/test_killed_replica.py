"""A replica is killed under load: whoever asks the other again is told what became of it."""

import asyncio
import itertools
import json
import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import httpx2
import msgspec
import pytest

from tests.databases import Databases
from tests.e2e.crew import until
from tests.e2e.fleet import Caller, Fleet, Json, calling, fleet_on

REPLICAS: Final = 2
CLIENTS: Final = 12
AT_ONCE: Final = 4
HOPS_MAX: Final = 3
BEFORE: Final = 150
AFTER: Final = 300
TASKS: Final = "select id, status, result, attempt_count, release_count from tasks where type = $1"
LOAD: Final = "report"
PASSING: Final = ("agent_contract", "replayed")


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """A lease that somebody was told of."""

    task: str
    token: str
    since: int


class Lives:
    """Clients that end leases in every way there is, and ask until they are answered."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._numbers = itertools.count()
        self.created: list[str] = []
        self.completed: dict[str, str] = {}
        # Each lease with its end; None where another worker's claim has hidden it.
        self.leases: dict[str, tuple[Held, int | None]] = {}
        self.repeated: Counter[str] = Counter()
        self.ended = asyncio.Event()

    async def run(self) -> None:
        """Work until the end is told, and hold nothing then."""
        async with asyncio.TaskGroup() as group:
            for number in range(CLIENTS):
                group.create_task(self._live(random.Random(number)))

    async def until_more(self, leases: int) -> None:
        """Wait until so many more leases are over."""
        target = len(self.leases) + leases
        await asyncio.to_thread(until, lambda: len(self.leases) >= target)

    async def _live(self, chance: random.Random) -> None:
        while not self.ended.is_set():
            await self._create()
            held = await self._claim(chance.randint(1, AT_ONCE))
            if chance.random() < 0.3:
                await self._complete_together(held)
                continue
            for lease in held:
                await self._end(lease, chance)

    async def _create(self) -> None:
        keys = [f"create-{next(self._numbers)}" for _ in range(AT_ONCE)]
        items = [
            {"type": LOAD, "payload": {}, "maxAttempts": 10, "idempotencyKey": key} for key in keys
        ]
        answer = await self._asked("batch", {"items": items})
        made = granted(answer.json(), 201)
        assert len(made) == AT_ONCE
        self.created += [task["id"] for task in made]

    async def _claim(self, count: int) -> list[Held]:
        body = {"type": LOAD, "max_tasks": count}
        answer = await self._asked("claim", body, f"claim-{next(self._numbers)}")
        assert answer.status_code == 200, answer.text
        return [held(one["task"], one["lease_token"]) for one in answer.json()["tasks"]]

    async def _complete_together(self, leases: Sequence[Held]) -> None:
        if leases:
            items = [{"id": one.task, **completion(one)} for one in leases]
            answer = await self._asked("complete", {"items": items})
            for lease, task in zip(leases, granted(answer.json(), 200), strict=True):
                self._keep(lease, task)

    async def _end(self, lease: Held, chance: random.Random) -> None:
        for hop in itertools.count():
            verb = chance.choice(["complete", "complete", "fail", "release"])
            body = completion(lease) if verb == "complete" else given_back(lease)
            if verb != "release" and hop < HOPS_MAX:
                body |= {"claim_next": {"type": LOAD}}
            answer = await self._asked(f"{lease.task}/{verb}", body)
            if answer.status_code == 409 and verb != "complete":
                # Given back, and claimed by another worker, before it could be asked again.
                assert answer.json()["details"] == {"reason": "superseded"}, answer.text
                assert self.repeated[verb]
                self._keep(lease, None)
                return
            assert answer.status_code == 200, answer.text
            self._keep(lease, answer.json())
            following = answer.json().get("next_task")
            if following is None:
                return
            lease = held(following, answer.json()["next_lease_token"])

    def _keep(self, lease: Held, ended: Json | None) -> None:
        assert lease.token not in self.leases
        # What was given back is told as it was then, or as the worker has it that claimed it since.
        known = ended is not None and ended["status"] != "claimed"
        self.leases[lease.token] = (lease, instant(ended["updatedAt"]) if ended and known else None)
        if ended is not None and ended["status"] == "completed":
            assert lease.task not in self.completed
            self.completed[lease.task] = lease.token

    async def _asked(self, path: str, body: Json, key: str | None = None) -> httpx2.Response:
        while True:
            try:
                return await self._caller.ask("POST", f"/v1/tasks/{path}", body, key)
            except httpx2.TransportError:
                self.repeated[path.rpartition("/")[2]] += 1


def instant(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1_000)


def held(task: Json, token: str) -> Held:
    return Held(task=task["id"], token=token, since=instant(task["claimedAt"]))


def completion(lease: Held) -> dict[str, object]:
    return {"lease_token": lease.token, "result": {"by": lease.token}}


def given_back(lease: Held) -> dict[str, object]:
    return {"lease_token": lease.token}


def granted(answer: Json, status: int) -> list[Json]:
    """Give the tasks of a batch that was granted whole."""
    assert {item["status"] for item in answer["items"]} == {status}, answer
    return [item["body"] for item in answer["items"]]


class Promises:
    """Requests of every kind that one replica has granted, to be sent to another."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._granted: list[tuple[str, Json, str | None, Json]] = []

    async def make(self, index: int) -> None:
        """Have a replica grant one request of each kind."""
        for name in ("claim", "next", "same", "release", "done", "failed"):
            count = 1 if name == "same" else 3
            items: list[Json] = [
                {"type": name, "payload": {}, "idempotencyKey": f"{name}-{number}"}
                for number in range(count)
            ]
            await self._ask(index, "batch", {"items": items})
        await self._ask(index, "claim", {"type": "claim", "max_tasks": 2}, "once")
        for name, verb in (("next", "complete"), ("same", "fail"), ("release", "release")):
            (lease,) = await self._held(index, name, 1)
            body: dict[str, object] = {"lease_token": lease["lease_token"]}
            if verb != "release":
                body |= {"claim_next": {"type": name, "worker_id": "w"}}
            await self._ask(index, f"{lease['id']}/{verb}", body)
        for name, verb in (("done", "complete"), ("failed", "fail")):
            await self._ask(index, verb, {"items": await self._held(index, name, 2)})

    async def kept(self, index: int) -> int:
        """See that another replica answers each alike; gives how many."""
        for path, body, key, first in self._granted:
            again = await self._caller.ask_one(index, path, body, key)
            assert told(again) == told(first), path
        return len(self._granted)

    async def _held(self, index: int, name: str, count: int) -> list[dict[str, str]]:
        body = {"type": name, "max_tasks": count}
        claim = await self._caller.ask_one(index, "/v1/tasks/claim", body)
        return [
            {"id": one["task"]["id"], "lease_token": one["lease_token"]} for one in claim["tasks"]
        ]

    async def _ask(self, index: int, path: str, body: Json, key: str | None = None) -> None:
        path = f"/v1/tasks/{path}"
        answer = await self._caller.ask_one(index, path, body, key)
        self._granted.append((path, body, key, answer))


def told(answer: object) -> object:
    """Give an answer without its guidance, which is of the moment, and that it is a repeat."""
    match answer:
        case dict():
            return {name: told(one) for name, one in answer.items() if name not in PASSING}
        case list():
            return list(map(told, answer))
        case _:
            return answer


def check(fleet: Fleet, lives: Lives) -> None:
    """See that what was acknowledged is there, and that no two leases were at one time."""
    kept = {row[0]: row[1:] for row in fleet.fetch(TASKS, LOAD)}
    assert sorted(kept) == sorted(lives.created)
    for task, token in lives.completed.items():
        assert kept[task][:2] == ("completed", json.dumps({"by": token}, separators=(",", ":")))
    leases: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    for lease, ended_at in lives.leases.values():
        leases[lease.task].append((lease.since, lease.since if ended_at is None else ended_at))
    for task, (status, _, attempts, releases) in kept.items():
        spans = sorted(leases[task])
        assert all(one[1] <= other[0] for one, other in itertools.pairwise(spans)), spans
        # Each lease was heard of, by whoever asked for it; and none is left.
        assert attempts == len(spans) - releases
        assert status in {"pending", "completed", "dead_letter"}


@pytest.mark.slow
async def test_what_a_killed_replica_was_asked_is_answered_by_the_other(
    databases: Databases,
) -> None:
    with databases.postgres.made() as database, fleet_on(database, REPLICAS) as fleet:
        async with calling(fleet) as caller:
            lives, promises = Lives(caller), Promises(caller)

            async def kill() -> int:
                await lives.until_more(BEFORE)
                await promises.make(0)
                await asyncio.to_thread(fleet.replicas[0].kill)
                count = await promises.kept(1)
                await lives.until_more(AFTER)
                lives.ended.set()
                return count

            _, count = await asyncio.gather(lives.run(), kill())

            assert count == 12
            assert caller.refused > 0
            assert lives.repeated
            check(fleet, lives)
