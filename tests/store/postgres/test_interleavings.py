"""Every pair of verbs in two transactions at once: one waits, or goes past, and both make sense.

The first is held before its commit while the second is seen waiting for it, or ending before it.
Then what came of both is what comes of one after the other.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Final

import msgspec
import pytest

from orchestrion.core.account import Account
from orchestrion.core.commands import (
    Command,
    CompleteTask,
    CreateTask,
    FailTask,
    FinishAndClaim,
    PurgeFinished,
    Together,
)
from orchestrion.core.instants import SECOND
from orchestrion.core.lease import key_after
from orchestrion.core.lifecycle import TABLE
from orchestrion.core.outcomes import Changed, Held, NoTask, Outcome, Replayed, Several, Swept
from orchestrion.core.plans import SELF_HOSTED
from orchestrion.core.task import ENDED, Status, Task
from orchestrion.core.view import IdempotencyRow
from tests.clocks import START, SettableClock
from tests.databases import (
    Databases,
    PostgresDatabase,
    add_accounts,
    add_idempotency,
    add_tasks,
)
from tests.factories import ACCOUNT, ACCOUNT_ID, NOW, TOKEN, a_task, a_task_id, ago, expect
from tests.store.postgres.meetings import Meeting, Seen, Server, meeting
from tests.unit import asks

KEY: Final = "order-7"
DIGEST: Final = b"the same request"
CATALOGUE: Final = SELF_HOSTED
LONG_AGO: Final = ago(40 * 24 * 3_600)
TASK: Final = a_task()
ID: Final = TASK.id

# What a task may be like when both come; ended ones are past their retention.
PENDING: Final = a_task(Status.PENDING)
LIVE: Final = a_task(Status.CLAIMED)
KEYED: Final = a_task(Status.CLAIMED, claim_key="k", claim_digest=asks.SAME + TOKEN.encode())
ASKED_BACK: Final = a_task(Status.CLAIMED, cancel_requested_at=ago(20))
OVERDUE: Final = a_task(Status.CLAIMED, lease_expires_at=ago(1))
SPENT: Final = a_task(Status.CLAIMED, lease_expires_at=ago(1), attempt_count=3)
DEAD: Final = a_task(Status.DEAD_LETTER, created_at=LONG_AGO, updated_at=LONG_AGO)
COMPLETED: Final = a_task(Status.COMPLETED, created_at=LONG_AGO, updated_at=LONG_AGO)
NAMES: Final = {
    "pending": PENDING,
    "live": LIVE,
    "held under the key": KEYED,
    "asked back": ASKED_BACK,
    "overdue": OVERDUE,
    "overdue, no attempt left": SPENT,
    "dead": DEAD,
    "completed": COMPLETED,
    "absent": None,
}


class Verb(msgspec.Struct, frozen=True):
    """One of them, what it asks in the first and in the second transaction, and when it may."""

    name: str
    ask: Callable[[int], Command]
    allowed: tuple[str, ...]


def create(number: int) -> CreateTask:
    return asks.create(10 + number, idempotency_key=KEY, request_digest=DIGEST)


def purge() -> Command:
    return PurgeFinished(account_id=ACCOUNT_ID, task_ids=(ID,))


def some_creates(number: int) -> Command:
    other = asks.create(20 + number, idempotency_key="order-8", request_digest=DIGEST)
    return Together(account_id=ACCOUNT_ID, commands=(create(number), other))


def some_ends(_: int) -> Command:
    """Complete one task that is there and one that is not."""
    ends = (asks.complete(ID, TOKEN), asks.complete(a_task_id(9), TOKEN))
    return Together(account_id=ACCOUNT_ID, commands=ends)


def and_next(number: int, finish: CompleteTask | FailTask) -> Command:
    claim = asks.claim_next(lease=asks.a_keyed_lease(number, key_after(TOKEN)))
    return FinishAndClaim(account_id=ACCOUNT_ID, finish=finish, claim=claim)


HELD: Final = ("live", "held under the key", "asked back")
VERBS: Final = (
    Verb("create", create, tuple(NAMES)),
    Verb("claim", asks.claim_next, ("pending", "overdue")),
    Verb("claim by id", lambda number: asks.claim_task(ID, number), ("pending", "overdue")),
    Verb("heartbeat", lambda _: asks.heartbeat(ID), HELD),
    Verb("complete", lambda _: asks.complete(ID), HELD),
    Verb("fail", lambda _: asks.fail(ID), HELD),
    Verb("cancel", lambda _: asks.cancel(ID), ("pending", "overdue")),
    Verb("requeue", lambda _: asks.requeue(ID), ("dead", "overdue, no attempt left")),
    Verb("release", lambda _: asks.release(ID, TOKEN), HELD),
    Verb("undo of a claim", lambda _: asks.undo(ID, TOKEN), HELD),
    Verb("forced cancel", lambda _: asks.request_cancel(ID), ("pending", "overdue", *HELD)),
    Verb(
        "claim under a key",
        lambda number: asks.claim_next(lease=asks.a_keyed_lease(number)),
        ("pending", "overdue", "held under the key"),
    ),
    Verb("creates together", some_creates, tuple(NAMES)),
    Verb("ends together", some_ends, HELD),
    Verb("complete and next", lambda number: and_next(number, asks.complete(ID, TOKEN)), HELD),
    Verb("fail and next", lambda number: and_next(number, asks.fail(ID, TOKEN)), HELD),
    Verb("sweep", lambda _: asks.expire(TASK), ("overdue", "overdue, no attempt left")),
    Verb("purge", lambda _: purge(), ("completed", "dead")),
)
BY_NAME: Final = {verb.name: verb for verb in VERBS}
# These take what is free, and are repeated where a task is held under their key already.
CLAIMS: Final = {"claim", "claim under a key"}
CREATES: Final = {"create", "creates together"}
# These lock the account, for its quotas; all but claims wait for the lock of the task they name.
ON_ACCOUNT: Final = {
    *CLAIMS,
    *CREATES,
    *("claim by id", "complete and next", "fail and next", "purge"),
}
# Of these at most one may have its way with a task.
EXCLUSIVE: Final = (
    {"claim", "claim by id"},
    {"claim", "claim under a key"},
    {"claim by id", "claim under a key"},
    {"claim", "cancel"},
    {"claim by id", "cancel"},
    {"claim under a key", "cancel"},
    {"complete", "fail"},
    {"complete", "release"},
    {"complete", "undo of a claim"},
    {"fail", "release"},
    {"fail", "undo of a claim"},
    {"release", "undo of a claim"},
    {"release", "ends together"},
    {"requeue", "purge"},
)
# A repeat is answered as the first was, and so is who asks a task back once more.
REPEATABLE: Final = {
    *("release", "forced cancel", "claim under a key", "creates together"),
    *("ends together", "complete and next", "fail and next"),
}
EXCLUSIVE_TO_ITSELF: Final = BY_NAME.keys() - REPEATABLE - {"heartbeat"}


class Case(msgspec.Struct, frozen=True):
    """Which verb comes first, which second, and what the task is like before both."""

    first: Verb
    second: Verb
    state: str

    def __str__(self) -> str:
        return f"{self.first.name} - {self.second.name} - {self.state}"

    @property
    def expected(self) -> Seen:
        """What the second must be seen doing, for one of these reasons."""
        first, second = self.first.name, self.second.name
        if {first, second} <= ON_ACCOUNT:
            # Both lock the account.
            return Seen.WAITING
        if second in CLAIMS and not self.held_under(second):
            # A claim skips a task that another transaction holds.
            return Seen.PASSING
        if first in CLAIMS and self.state not in self.first.allowed:
            # The claim has found nothing, so it holds no task.
            return Seen.PASSING
        # The first holds the task, a repeated create the one it shows; the second names it.
        return Seen.WAITING

    def held_under(self, name: str) -> bool:
        """Whether the task is held under the key that the verb brings."""
        return (name, self.state) == ("claim under a key", "held under the key")


def states(first: Verb, second: Verb) -> Iterator[str]:
    """Give the states both are allowed in; if there is none, one for each."""
    common = [state for state in first.allowed if state in second.allowed]
    yield from common or (first.allowed[0], second.allowed[0])
    names = {first.name, second.name}
    if len(names & CREATES) == len(names & CLAIMS) == 1:
        # What the create adds is there to be claimed.
        yield "absent"


CASES: Final = [
    Case(first, second, state)
    for first in VERBS
    for second in VERBS
    for state in states(first, second)
]

Rows = list[tuple[Any, ...]]


LIVING: Final = "select count(*) from tasks where status = 'claimed' and lease_expires_at > $1"
SHOWN: Final = (
    (", ".join(Account.__struct_fields__), "accounts"),
    ("*", "tasks"),
    ("*", "idempotency_keys"),
)


class Scene:
    """A database with one account and at most one task, put in order again for each run."""

    def __init__(self, database: PostgresDatabase, meeting: Meeting) -> None:
        self.database = database
        self.meeting = meeting

    def set(self, state: str) -> None:
        """Put the task into a state; it was created under a key."""
        task = NAMES[state]
        self.database.empty()
        add_accounts(self.database, ACCOUNT)
        if task is not None:
            add_tasks(self.database, [task])
            add_idempotency(self.database, [remembered(task)])
        self.database.execute(f"update accounts set leases_at_most = ({LIVING})", NOW)
        # How far claims have come is known no more: on a busy machine they would trust it.
        self.meeting.one.forget()
        self.meeting.other.forget()

    @property
    def rows(self) -> Rows:
        """Everything there is, but for the store's bound on leases, which may be too high."""
        return [
            row
            for columns, table in SHOWN
            for row in self.database.fetch(f"select {columns} from {table} order by 1, 2")
        ]

    @property
    def leases_bounded(self) -> bool:
        """Whether no more leases are alive than the account says at most."""
        ((bounded,),) = self.database.fetch(
            f"select leases_at_most >= ({LIVING}) from accounts", NOW
        )
        return bool(bounded)

    @property
    def status(self) -> Status | None:
        """What became of the task."""
        found = self.database.fetch("select status from tasks where id = $1", ID)
        return Status(found[0][0]) if found else None

    async def alone(self, state: str, *commands: Command) -> tuple[list[Outcome], Rows]:
        """Run commands one after the other, each in a transaction."""
        self.set(state)
        outcomes = [(await self.meeting.other.transact(command))[0] for command in commands]
        return outcomes, self.rows


def remembered(task: Task) -> IdempotencyRow:
    return IdempotencyRow(
        account_id=ACCOUNT_ID,
        key=KEY,
        request_digest=DIGEST,
        created_at=ago(3_600),
        first=task,
    )


@pytest.fixture(scope="module")
async def scene(databases: Databases) -> AsyncIterator[Scene]:
    with databases.postgres.lent() as database:
        clock = SettableClock()
        clock.advance((NOW - START) / SECOND)
        async with meeting(database.url, CATALOGUE, clock) as met:
            yield Scene(database, met)


def won(outcome: Outcome) -> bool:
    match outcome:
        case Held() | Changed():
            return True
        case Swept(count=count):
            return count > 0
        case Several(outcomes=outcomes):
            return any(map(won, outcomes))
        case _:
            return False


def exclude(first: Verb, second: Verb) -> bool:
    if first == second:
        return first.name in EXCLUSIVE_TO_ITSELF
    return {first.name, second.name} in EXCLUSIVE


def within_reach(state: str, verbs: int) -> set[Status | None]:
    """Give what a task may be after so many verbs, by the table of transitions."""
    task = NAMES[state]
    reached: set[Status | None] = {None if task is None else task.status}
    # A verb finds an overdue task as it is once it was expired.
    for _ in range(2 * verbs):
        for (source, _), transition in TABLE.items():
            if source in reached:
                targets = (transition.target, transition.exhausted, transition.withdrawn)
                reached.update(target for target in targets if target is not None)
    return reached | {None} if reached & ENDED else reached


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_two_at_once_are_as_one_after_the_other(scene: Scene, case: Case) -> None:
    first, second = case.first.ask(1), case.second.ask(2)
    in_turn = await scene.alone(case.state, first, second)
    _, after_first = await scene.alone(case.state, first)
    scene.set(case.state)

    (one,), (other,), seen = await scene.meeting.meet([first], [second], Server.commit)

    assert seen is case.expected
    if seen is Seen.PASSING and isinstance(other, NoTask):
        assert scene.rows == after_first
    else:
        assert ([one, other], scene.rows) == in_turn
    assert scene.status in within_reach(case.state, 2)
    assert scene.leases_bounded
    assert not (exclude(case.first, case.second) and won(one) and won(other))


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_what_was_rolled_back_has_not_been(scene: Scene, case: Case) -> None:
    first, second = case.first.ask(1), case.second.ask(2)
    alone = await scene.alone(case.state, second)
    _, untouched = await scene.alone(case.state)
    scene.set(case.state)

    _, (other,), seen = await scene.meeting.meet([first], [second], Server.roll_back)

    assert seen is case.expected
    if seen is Seen.PASSING and isinstance(other, NoTask):
        assert scene.rows == untouched
    else:
        assert ([other], scene.rows) == alone
    assert scene.leases_bounded


async def test_one_key_on_two_servers_makes_one_task(scene: Scene) -> None:
    scene.set("absent")

    (one,), (other,), _ = await scene.meeting.meet([create(1)], [create(2)], Server.commit)

    made = expect(Changed, one).task
    replayed = expect(Replayed, other)
    assert (replayed.first, replayed.current) == (made, made)
    assert scene.database.fetch("select id from tasks") == [(made.id,)]
