"""The rules: what a hypothesis machine may do next, drawn from a few small numbers."""

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.statemachine.bodies import (
    SAME,
    TYPES,
    claim_body,
    complete_body,
    create_body,
    fail_body,
)
from tests.statemachine.lifecycle import RELEASES_MAX
from tests.statemachine.session import NOBODYS, Op, Session
from tests.statemachine.task import DAY, HOUR, SECOND, Json, Task, at
from tests.statemachine.world import World

KEYS: Final = ("k1", "k2", "k 3")
# In milliseconds. The longest outlive a retention and the life of a key.
WAITS: Final = (1, 999, SECOND, 1_500, 10 * SECOND, 30 * SECOND, 90 * SECOND, 301 * SECOND)
LONG_WAITS: Final = (HOUR, 2 * DAY + 1, 8 * DAY)
JOBS: Final = (
    *("expire_leases", "expire_leases", "purge_finished", "purge_finished"),
    *("purge_idempotency_keys", "purge_task_minutes"),
)
# No steps of their own, or with bodies of another's.
_NOT_FOLLOWED: Final = frozenset(
    {"download_artifact", "check_billing_status", "fix_request", "list_tasks"}
)

PICK: Final = st.integers(0, 63)
ACCOUNT: Final = st.sampled_from((0, 0, 0, 1))
TOKEN: Final = st.sampled_from((*("current",) * 6, "none", "none", "old", "other", "made up"))
TYPE: Final = st.sampled_from(TYPES)
KEY: Final = st.sampled_from((None, None, *KEYS))
WORKER: Final = st.sampled_from((None, "w1", "w2"))
# Whoever acts on a lease: of which account, on which task, with which token.
Holder = tuple[int, int, str]
HOLDER: Final = st.tuples(ACCOUNT, PICK, TOKEN)
OF_HOLDER: Final = ("heartbeat", "complete", "fail", "release")
AT_EDGES: Final = ("get", "claim_task", "claim_task", "cancel", "requeue", "claim", *OF_HOLDER)


class Machine(RuleBasedStateMachine):
    """Two accounts at work."""

    # Given by a subclass: hypothesis makes machines without arguments.
    world: World

    def __init__(self) -> None:
        super().__init__()
        self._session = Session(self.world)
        self._failed = False

    @initialize(first=PICK, second=PICK)
    def begin(self, first: int, second: int) -> None:
        bodies = [create_body(pick, TYPES[pick % 2]) for pick in (first, second, first + second)]
        self._perform(Op(verb="create_many", account=0, body={"items": bodies}))
        self._perform(Op(verb="create_many", account=1, body={"items": bodies[:1]}))
        body: Json = {"types": list(TYPES), "max_tasks": 1 + first % 2}
        self._perform(Op(verb="claim", account=0, body=body))

    # Producers.

    @rule(account=ACCOUNT, type_=TYPE, pick=PICK, key=KEY)
    def create(self, account: int, type_: str, pick: int, key: str | None) -> None:
        # Under a key mostly the same is asked.
        body = create_body(pick, type_) if key is None or not pick % 4 else {**SAME, "type": type_}
        if key is not None and pick % 2:
            body["idempotencyKey"], key = key, None
        self._perform(Op(verb="create", account=account, body=body, key=key))

    @rule(account=ACCOUNT, type_=TYPE, seconds=st.sampled_from((-61, -60, -1, 0, 1, 40, 7200)))
    def create_for_later(self, account: int, type_: str, seconds: int) -> None:
        moment = self._session.ground.now + seconds * SECOND
        body: Json = {"type": type_, "payload": {}, "scheduledAt": at(moment), "maxAttempts": 2}
        self._perform(Op(verb="create", account=account, body=body))

    @rule(account=ACCOUNT, picks=st.lists(PICK, min_size=1, max_size=3), key=KEY)
    def create_many(self, account: int, picks: list[int], key: str | None) -> None:
        items = [create_body(pick, TYPES[pick % 2]) for pick in picks]
        if key is not None:
            items[-1] = {**SAME, "idempotencyKey": key}
        self._perform(Op(verb="create_many", account=account, body={"items": items}))

    @rule(account=ACCOUNT, pick=PICK, force=st.sampled_from((None, False, True, True)))
    def cancel(self, account: int, pick: int, force: bool | None) -> None:  # noqa: FBT001
        body: Json | None = None if force is None else {"force": force}
        wanted = ("pending", "claimed")[pick % 2]
        name = self._one(account, pick, lambda task: task.status == wanted)
        self._perform(Op(verb="cancel", account=account, task=name, body=body))

    @rule(account=ACCOUNT, pick=PICK)
    def requeue(self, account: int, pick: int) -> None:
        name = self._one(account, pick, lambda task: task.status == "dead_letter")
        self._perform(Op(verb="requeue", account=account, task=name))

    @rule(account=ACCOUNT, pick=PICK)
    def get(self, account: int, pick: int) -> None:
        self._perform(Op(verb="get", account=account, task=self._any(account, pick)))

    @rule(
        account=ACCOUNT,
        type_=st.sampled_from((None, *TYPES, "none-such")),
        status=st.sampled_from(
            (None, "pending", "claimed", "completed", "dead_letter", "cancelled")
        ),
        worker=WORKER,
        limit=st.sampled_from((1, 2, 3, 100)),
    )
    def read_list(
        self, account: int, type_: str | None, status: str | None, worker: str | None, limit: int
    ) -> None:
        asked = {"type": type_, "status": status, "claimed_by": worker}
        filters = {name: value for name, value in asked.items() if value is not None}
        self._noted(lambda: self._session.read_all(account, filters, limit))

    # Workers.

    @rule(account=ACCOUNT, type_=TYPE, worker=WORKER, key=KEY)
    def claim(self, account: int, type_: str, worker: str | None, key: str | None) -> None:
        self._perform(Op(verb="claim", account=account, body=claim_body(type_, worker), key=key))

    @rule(account=ACCOUNT, worker=WORKER, key=KEY, pick=PICK)
    def claim_several(self, account: int, worker: str | None, key: str | None, pick: int) -> None:
        types = list(TYPES) if pick % 2 else ["none-such", TYPES[0]]
        body: Json = {"types": types, "max_tasks": 1 + pick % 3}
        body |= {} if worker is None else {"worker_id": worker}
        self._perform(Op(verb="claim", account=account, body=body, key=key))

    @rule(account=ACCOUNT, pick=PICK, worker=WORKER, key=KEY)
    def claim_task(self, account: int, pick: int, worker: str | None, key: str | None) -> None:
        wanted = ("pending", "pending", "cancelled", "dead_letter")[pick % 3 + pick % 2]
        name = self._one(account, pick, lambda task: task.status == wanted)
        body = None if worker is None else {"worker_id": worker}
        self._perform(Op(verb="claim_task", account=account, task=name, body=body, key=key))

    @rule(who=HOLDER)
    def heartbeat(self, who: Holder) -> None:
        self._end("heartbeat", who, [{}])

    @rule(who=HOLDER, end=PICK, following=PICK)
    def complete(self, who: Holder, end: int, following: int) -> None:
        # Said twice it is mostly the same, at times another.
        ends = [complete_body(end), complete_body(end + (end % 5 == 0))]
        self._end("complete", who, ends, following)

    @rule(who=HOLDER, end=PICK, following=PICK)
    def fail(self, who: Holder, end: int, following: int) -> None:
        ends = [fail_body(end), fail_body(end + (end % 5 == 0))]
        self._end("fail", who, ends, following)

    @rule(who=HOLDER, end=PICK)
    def release(self, who: Holder, end: int) -> None:
        self._end("release", who, [fail_body(end), fail_body(end + (end % 5 == 0))])

    @rule(account=ACCOUNT, pick=PICK, times=st.sampled_from((1, 1, 1, 2, 2, RELEASES_MAX + 1)))
    def claim_and_release(self, account: int, pick: int, times: int) -> None:
        name = self._one(account, pick, lambda task: task.status == "pending")
        for _ in range(times):
            self._perform(Op(verb="claim_task", account=account, task=name))
            body = {**self._proof(name, "current"), **fail_body(pick % 2)}
            self._perform(Op(verb="release", account=account, task=name, body=body))

    @rule(
        verb=st.sampled_from(("complete", "fail", "heartbeat")),
        account=ACCOUNT,
        picks=st.lists(st.tuples(PICK, TOKEN), min_size=1, max_size=3),
    )
    def end_many(self, verb: str, account: int, picks: list[tuple[int, str]]) -> None:
        items: list[Json] = []
        for pick, token in picks:
            name = self._held(account, pick)
            end = {"complete": complete_body(pick), "fail": fail_body(pick)}.get(verb, {})
            items.append({"id": name, **end, **self._proof(name, token)})
        self._perform(Op(verb=f"{verb}_many", account=account, body={"items": items}))

    # The same again, and what answers advise.

    @rule(back=st.sampled_from((1, 1, 1, 2, 3, 5)))
    def repeat(self, back: int) -> None:
        if len(self._session.sent) >= back:
            self._perform(self._session.sent[-back])

    @rule(pick=PICK)
    def follow(self, pick: int) -> None:
        """S22: what an answer calls available is not refused by the state, done at once."""
        if self._session.last is None:
            self._perform(Op(verb="get", account=0, task=self._any(0, pick)))
        assert self._session.last is not None
        op, answer = self._session.last
        steps = [
            one
            for one in answer["agent_contract"]["next_actions"]
            if one["available"] and one["action"] not in _NOT_FOLLOWED
        ]
        if steps:
            self._follow(op, steps[pick % len(steps)])

    @rule(
        pick=PICK,
        account=st.sampled_from((0, 1)),
        verb=st.sampled_from(("get", "get", "cancel", "requeue", "claim_task", "heartbeat")),
    )
    def look_at_another_account(self, pick: int, account: int, verb: str) -> None:
        name = self._any(account, pick % 32)
        self._noted(lambda: self._session.check_unseen(1 - account, name, verb))

    # Time and jobs.

    @rule(wait=st.sampled_from((*WAITS, *WAITS, *WAITS, *LONG_WAITS)))
    def wait(self, wait: int) -> None:
        self._session.go_to(self._session.ground.now + wait)

    @rule(pick=PICK, beside=st.sampled_from((-1_500, -1, 0, 0, 1)), verb=st.sampled_from(AT_EDGES))
    def act_at_an_edge(self, pick: int, beside: int, verb: str) -> None:
        """Go to the end of a lease, or to a schedule, or beside it, and act on that task."""
        edges = [
            (edge + beside, number, task)
            for number, account in enumerate(self._session.accounts)
            for task in account.tasks.values()
            for edge in (task.expires, task.scheduled)
            if edge is not None and edge + beside > self._session.ground.now
        ]
        if not edges:
            return
        instant, number, task = edges[pick % len(edges)]
        self._session.go_to(instant)
        body = self._proof(task.name, "current") if verb in OF_HOLDER else {}
        if verb == "claim":
            body = claim_body(task.type, None)
        self._perform(Op(verb=verb, account=number, task=task.name, body=body or None))

    @rule(name=st.sampled_from(JOBS))
    def run_job(self, name: str) -> None:
        self._noted(lambda: self._session.run_job(name))

    def teardown(self) -> None:
        if self._failed:
            return
        for number in (0, 1):
            self._noted(partial(self._session.read_all, number, {}, 100))
        self._noted(partial(self._session.check_numbers, 0))

    # Choosing.

    def _any(self, account: int, pick: int) -> str:
        """Choose a task; seldom one of the other account, or none that exists."""
        if pick >= 60:
            account, pick = 1 - account, pick - 60
        names = list(self._session.accounts[account].tasks)
        if pick >= 58 or not names:
            return NOBODYS if pick % 2 else "tsk_1"
        return names[pick % len(names)]

    def _one(self, account: int, pick: int, wanted: Callable[[Task], bool]) -> str:
        """Choose a task, mostly one of those wanted."""
        tasks = self._session.accounts[account].tasks.values()
        names = [task.name for task in tasks if wanted(task)]
        return names[pick % len(names)] if names and pick % 4 else self._any(account, pick)

    def _held(self, account: int, pick: int) -> str:
        """Choose a task that is held; mostly see to it first that there is one."""
        now, tasks = self._session.ground.now, self._session.accounts[account].tasks.values()
        if pick % 4 and not any(task.live(now) for task in tasks):
            if not any(task.due(now) for task in tasks):
                body = create_body(pick, TYPES[pick % 2])
                self._perform(Op(verb="create", account=account, body=body))
            self._perform(Op(verb="claim", account=account, body={"types": list(TYPES)}))
        return self._one(account, pick, lambda task: task.live(now))

    def _proof(self, name: str, token: str) -> Json:
        """Give the token to send for a task."""
        leases = self._session.leases
        own = leases.get(name, [])
        others = [given[-1] for task, given in leases.items() if given and task != name]
        chosen = {
            "current": own[-1:],
            "old": own[:-1][-1:] or own[-1:],
            "other": others[-1:],
            "made up": ["lse_made_up"],
        }.get(token, [])
        return {"lease_token": chosen[0]} if chosen else {}

    def _end(self, verb: str, who: Holder, ends: list[Json], following: int = 1) -> None:
        """End an attempt, perhaps take the next task, and perhaps say so twice."""
        account, pick, token = who
        name = self._held(account, pick)
        proof = self._proof(name, token)
        if following % 2 == 0:
            task = self._session.accounts[account].tasks.get(name)
            type_ = task.type if task and following % 8 else TYPES[0]
            proof["claim_next"] = claim_body(type_, ("w1", None)[following // 2 % 2])
        for end in ends[: 1 + pick % 2]:
            body = {**proof, **end} or None
            self._perform(Op(verb=verb, account=account, task=name, body=body))

    # Doing.

    def _follow(self, op: Op, step: Json) -> None:
        wait = step.get("retry_after_seconds")
        if wait is not None:
            self._session.go_to(self._session.ground.now + wait * SECOND)
        following = self._as_op(op, step)
        told = self._perform(following)
        # What was waited for has come; what became of the task meanwhile is another matter.
        refused = ["not_yet_claimable"]
        refused.append("invalid_transition" if wait is None else "task_currently_claimed")
        assert told.code not in refused, (step, told)

    def _as_op(self, op: Op, step: Json) -> Op:
        """Make a request of an advised step."""
        name, _, verb = step["endpoint"].removeprefix("/v1/tasks").strip("/").partition("/")
        task = self._session.names.name_of(name)
        if not name:
            return Op(verb="create", account=op.account, body=create_body(1, TYPES[0]))
        if name == "claim":
            body = claim_body(TYPES[0], None)
            return Op(verb="claim", account=op.account, body=body)
        if name in ("complete", "fail", "heartbeat"):
            return Op(verb=f"{name}_many", account=op.account, body=op.body)
        known = {"": "get", "claim": "claim_task"}.get(verb, verb)
        proof = self._proof(task, "current") if known in ("complete", "fail", "heartbeat") else {}
        return Op(verb=known, account=op.account, task=task, body=proof or None)

    def _perform(self, op: Op) -> Any:  # noqa: ANN401 - what the session tells
        return self._noted(lambda: self._session.perform(op))

    def _noted(self, act: Callable[[], Any]) -> Any:  # noqa: ANN401 - what was done tells
        """Do something; where it fails, say what led there."""
        try:
            return act()
        except Exception as error:
            self._failed = True
            error.add_note("\n".join(["What was sent:", *self._session.log]))
            raise
