"""Databases and batches drawn from a seed: every state, many overdue rows, every command."""

from collections.abc import Iterator
from random import Random

from msgspec.structs import replace

from orchestrion.core.commands import (
    ClaimNext,
    Command,
    CompleteTask,
    CreateTask,
    FailTask,
    FinishAndClaim,
    Heartbeat,
    Together,
)
from orchestrion.core.instants import SECOND
from orchestrion.core.lease import Lease, digest_of_claim, key_after
from orchestrion.core.limits import RELEASES_MAX
from orchestrion.core.task import Status, Task
from tests.factories import ACCOUNT_ID, NOW, OTHER_ACCOUNT_ID, TOKEN, a_task, a_task_id, ago
from tests.unit import asks

_MIXED = (
    *[Status.PENDING] * 3,
    *[Status.CLAIMED] * 3,
    Status.COMPLETED,
    Status.DEAD_LETTER,
    Status.CANCELLED,
)
_ENDS = (CompleteTask, FailTask, Heartbeat)
_NEGLECTED = (*[Status.CLAIMED] * 30, Status.PENDING)


def some_tasks(random: Random) -> list[Task]:
    # Every other time with more overdue rows than a claim loads.
    statuses, most = random.choice([(_MIXED, 30), (_NEGLECTED, 180)])
    exhausted = random.choice([0.1, 0.5, 0.95])
    count = random.randrange(most)
    return [_a_task(random, number, random.choice(statuses), exhausted) for number in range(count)]


def _a_task(random: Random, number: int, status: Status, exhausted: float) -> Task:
    scheduled_at = random.choice([None, NOW - random.randrange(9) * SECOND, NOW + 60 * SECOND])
    changes: dict[str, object] = {}
    if status is Status.CLAIMED:
        scheduled_at = random.choice([None, NOW - 9 * SECOND])
        changes["attempt_count"] = 3 if random.random() < exhausted else 1
        changes["lease_expires_at"] = NOW + random.choice([-2, -1, 0, 0, 1, 60]) * SECOND
        changes["cancel_requested_at"] = random.choice([None, None, None, ago(20)])
        changes["release_count"] = random.choice([0, 0, RELEASES_MAX])
    return a_task(
        status,
        id=a_task_id(number),
        account_id=random.choice([*[ACCOUNT_ID] * 9, OTHER_ACCOUNT_ID]),
        type=random.choice(["report", "report", "report", "mail"]),
        priority=random.choice([0, 0, 5, 100]),
        created_at=ago(3_600 + random.randrange(4)),
        scheduled_at=scheduled_at,
        **changes,
    )


def some_commands(random: Random, tasks: list[Task]) -> list[Command]:
    size = random.choice([1, 4, 16])
    kinds = [
        *(_draw_claims, _draw_claims, _draw_naming, _draw_creates, _draw_together),
        *(_draw_repeats, _draw_sweeps),
    ]
    batch = [one for kind in kinds for one in kind(random, tasks, size)]
    random.shuffle(batch)
    return batch


def _draw_claims(random: Random, tasks: list[Task], size: int) -> Iterator[Command]:
    del tasks
    for number in range(random.randrange(1 + size)):
        yield _a_claim(random, number)


def _a_claim(random: Random, number: int) -> ClaimNext:
    types = ("report", "mail") if random.random() < 0.2 else (_a_type(random),)
    more = random.choice([0, 0, 0, 1, 5])
    tokens = tuple(asks.a_token(random.randrange(10**9)) for _ in range(more))
    lease = _a_lease(random, random.randrange(10**9) + number, types)
    return asks.claim_next(lease=lease, types=types, more=tokens)


def _a_lease(random: Random, number: int, asked: object) -> Lease:
    """Claim under one of few keys now and then, so that claims meet."""
    if random.random() < 0.7:
        return asks.a_lease(number)
    return asks.a_keyed_lease(number, random.choice(["k1", "k2"]), digest_of_claim(asked=asked))


def _draw_together(random: Random, tasks: list[Task], size: int) -> Iterator[Command]:
    named = [command for command in _draw_naming(random, tasks, size) if isinstance(command, _ENDS)]
    if named and random.random() < 0.5:
        yield Together(account_id=ACCOUNT_ID, commands=tuple(named))
    creates = [one for one in _draw_creates(random, tasks, size) if isinstance(one, CreateTask)]
    if creates and random.random() < 0.5:
        yield Together(account_id=ACCOUNT_ID, commands=tuple(creates))
    for finish in named[:2]:
        if isinstance(finish, CompleteTask | FailTask):
            claim = _a_claim_after(random, finish)
            yield FinishAndClaim(account_id=ACCOUNT_ID, finish=finish, claim=claim)


def _draw_repeats(random: Random, tasks: list[Task], size: int) -> Iterator[Command]:
    """Fail what may well be handed out next, and send the same again."""
    live = [task for task in tasks if task.lease_alive(NOW)]
    for task in sorted(live, key=lambda task: task.claim_order)[: random.choice([0, 1, size])]:
        finish = asks.fail(task.id, TOKEN)
        for _ in range(2):
            claim = _a_claim_after(random, finish)
            yield FinishAndClaim(account_id=ACCOUNT_ID, finish=finish, claim=claim)


def _a_claim_after(random: Random, finish: CompleteTask | FailTask) -> ClaimNext:
    """Claim under the key that belongs to the end of the lease, as a rule."""
    claim = _a_claim(random, 0)
    if finish.lease_token is None or random.random() < 0.3:
        return claim
    token, key = claim.lease.token, key_after(finish.lease_token)
    digest = digest_of_claim(asked=claim.types, after=repr(finish))
    return replace(claim, lease=Lease(worker_id="me", token=token, key=key, digest=digest))


def _draw_creates(random: Random, tasks: list[Task], size: int) -> Iterator[Command]:
    del tasks
    for _ in range(random.randrange(1 + size // 2)):
        # An id that is there already would break its batch, which each store divides otherwise.
        yield asks.create(
            random.randrange(1_000, 10**9),
            type=_a_type(random),
            priority=random.choice([0, 5, 100]),
            scheduled_at=random.choice([None, NOW + 60 * SECOND, NOW - SECOND]),
        )


def _draw_naming(random: Random, tasks: list[Task], size: int) -> Iterator[Command]:
    # Pending and claimed tasks in claim order come up most: they are what claims compete for.
    wanted = sorted(tasks, key=lambda task: task.claim_order)[: 2 * size] or [a_task()]
    for _ in range(random.randrange(1 + size)):
        task_id = random.choice(wanted).id
        token = random.choice([None, TOKEN])
        lease = _a_lease(random, random.randrange(10**9), task_id)
        named: list[Command] = [
            asks.claim_task(task_id, lease=lease),
            asks.complete(task_id, token),
            asks.fail(task_id, token),
            asks.release(task_id, TOKEN),
            asks.heartbeat(task_id, token),
            asks.cancel(task_id),
            asks.request_cancel(task_id),
            asks.requeue(task_id),
        ]
        yield random.choice(named)


def _draw_sweeps(random: Random, tasks: list[Task], size: int) -> Iterator[Command]:
    overdue = [task for task in tasks if task.lease_over(NOW)]
    overdue.sort(key=lambda task: random.choice([task.claim_order, (0, 0, task.id)]))
    for _ in range(random.randrange(1 + size // 4)):
        drawn = overdue[: random.choice([3, 60, 200])]
        for account_id in sorted({task.account_id for task in drawn}):
            theirs = [task for task in drawn if task.account_id == account_id]
            yield asks.expire(*theirs, account_id=account_id)


def _a_type(random: Random) -> str:
    return random.choice(["report", "report", "report", "mail"])
