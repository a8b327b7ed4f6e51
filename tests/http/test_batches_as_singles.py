"""A batch comes to what its items come to as requests in a row: the same answers, the same rows."""

from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from orchestrion.core.plans import HOSTED
from orchestrion.service import ServiceOptions
from tests.databases import Database
from tests.harness import running
from tests.http.accounts import put_on_plan, set_used
from tests.http.batching import PATHS, Names, alone, items_of, together
from tests.http.callers import Caller, Json, limit_left, ok

TYPES = ("report", "mail")
BAD: tuple[Json, ...] = (
    {"type": "a b", "payload": {}},
    {"type": "report", "payload": []},
    {"type": "report", "payload": {}, "maxAttempts": 0},
    {"type": "report", "payload": {}, "scheduledAt": "soon"},
    {"type": "report", "payload": {}, "scheduledAt": "2031-01-01T00:00:00Z"},
    {"type": "report"},
)


class Twins:
    """Two accounts to which the same happens: one sends batches, the other single requests."""

    def __init__(self, database: Database, batching: Caller, single: Caller) -> None:
        self._database = database
        self.batching = batching
        self.single = single
        self.names = (Names(), Names())
        # The tasks and tokens of either, by the same number.
        self.tasks: tuple[list[str], list[str]] = ([], [])
        self.tokens: tuple[list[str], list[str]] = ([], [])

    def item(self, draft: Json, side: int) -> Json:
        """Put the names of one side into what was drawn."""
        item = dict(draft)
        if "task" in item:
            item["id"] = self.tasks[side][item.pop("task")]
        if "token" in item:
            item["lease_token"] = self.tokens[side][item.pop("token")]
        return item

    async def do(self, verb: str, drafts: list[Json]) -> None:
        """Send the items either way and compare what comes back."""
        batch = await together(self.batching, verb, [self.item(draft, 0) for draft in drafts])
        answers = [await alone(self.single, verb, self.item(draft, 1)) for draft in drafts]

        found = [
            (item["status"], self.names[0].plain(item["body"]), item.get("replayed", False))
            for item in items_of(batch)
        ]
        expected = [
            (
                answer.status_code,
                self.names[1].plain(answer.json()),
                "idempotent-replayed" in answer.headers,
            )
            for answer in answers
        ]
        assert found == expected
        if "ratelimit" in answers[-1].headers:
            assert limit_left(batch) == limit_left(answers[-1])
        if verb == "create":
            self.tasks[0].extend(created(item["body"] for item in items_of(batch)))
            self.tasks[1].extend(created(answer.json() for answer in answers))

    async def claim(self, type_name: str, count: int) -> None:
        """Claim so many tasks: at once, and one by one."""
        batch = await self.batching.claim_next(type_name, max_tasks=count)
        answers = [await self.single.claim_next(type_name) for _ in range(count)]

        held = batch.json().get("tasks", ())
        singles = [
            {"task": answer.json()["task"], "lease_token": answer.json()["lease_token"]}
            for answer in answers
            if answer.json().get("task")
        ]
        assert self.names[0].plain(held) == self.names[1].plain(singles)
        self.tokens[0].extend(one["lease_token"] for one in held)
        self.tokens[1].extend(one["lease_token"] for one in singles)

    def rows(self, side: int) -> Any:  # noqa: ANN401 - rows of any kind
        """Read what the account of one side has."""
        account_id = (self.batching, self.single)[side].account.id
        tasks = "select * from tasks where account_id = $1 order by id"
        keys = "select * from idempotency_keys where account_id = $1 order by key"
        account = (
            "select tasks_in_cycle, creates_in_window, claims_in_window from accounts where id = $1"
        )
        return self.names[side].plain(
            [self._database.fetch(sql, account_id) for sql in (tasks, keys, account)]
        )


def created(bodies: Iterator[Json]) -> list[str]:
    return [body["id"] for body in bodies if "id" in body]


def some_creates(random: Random) -> list[Json]:
    return [
        random.choice(BAD)
        if random.random() < 0.15
        else {
            "type": random.choice(TYPES),
            "payload": {"page": random.randrange(9)},
            "priority": random.choice([0, 5]),
            "maxAttempts": random.choice([1, 3]),
            **({"idempotencyKey": f"k{random.randrange(4)}"} if random.random() < 0.4 else {}),
        }
        for _ in range(random.randrange(1, 9))
    ]


def some_ends(random: Random, verb: str, twins: Twins) -> list[Json]:
    drafts: list[Json] = []
    for _ in range(random.randrange(1, 9)):
        draft: Json = {"task": random.randrange(len(twins.tasks[0]))}
        if twins.tokens[0] and random.random() < 0.7:
            draft["token"] = random.randrange(len(twins.tokens[0]))
        if verb == "complete":
            draft |= random.choice([{}, {"output_id": "out"}, {"result": {"n": 1}}, {"result": 3}])
        if verb == "fail":
            draft |= random.choice([{}, {"reason": "x"}, {"retry_after_seconds": 9}, {"reason": 3}])
        drafts.append(draft)
    return drafts


@pytest.mark.parametrize("seed", range(12))
async def test_a_batch_is_as_good_as_its_items_in_a_row(seed: int, database: Database) -> None:
    random = Random(seed)
    async with running(database, ServiceOptions(catalogue=HOSTED)) as service:
        pair = [Caller(service, await service.account()) for _ in range(2)]
        # Some histories meet the end of the window.
        used = random.choice([0, 1_800, 1_990])
        for caller in pair:
            put_on_plan(database, caller, "pro")
            set_used(database, caller, creates=used)
        twins = Twins(database, *pair)

        await twins.do("create", [*some_creates(random), {"type": "report", "payload": {}}])
        for _ in range(12):
            service.clock.advance(random.choice([0, 1, 150, 301]))
            await twins.claim(random.choice(TYPES), random.randrange(1, 5))
            verb = random.choice(list(PATHS))
            drafts = some_creates(random) if verb == "create" else some_ends(random, verb, twins)
            await twins.do(verb, drafts)

        for ours, theirs in zip(twins.rows(0), twins.rows(1), strict=True):
            assert ours == theirs
        listed = ok(await pair[0].read("/v1/tasks?limit=100"))["items"]
        assert {task["id"] for task in listed} == set(twins.tasks[0])
