"""One example: two accounts on the server and in the model, asked the same and compared."""

from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlencode

import msgspec

from tests.statemachine.model import Account, Ground
from tests.statemachine.names import Names
from tests.statemachine.task import SECOND, Json, Task
from tests.statemachine.telling import Told
from tests.statemachine.wire import Asked, Reply
from tests.statemachine.world import World

# Reading back what was just told costs as much as asking it.
READ_EVERY: Final = 4
PAGES_MAX: Final = 100
STATS_AGE_MAX: Final = 2 * SECOND
STATES: Final = ("pending", "claimed", "completed", "dead_letter", "cancelled")
NOBODYS: Final = "tsk_00000000000000000000000000"


class Op(msgspec.Struct, frozen=True, kw_only=True):
    """A request in the model's names; the same one can be sent again."""

    verb: str
    account: int
    task: str = ""
    body: Json | None = None
    key: str | None = None

    @property
    def path(self) -> str:
        """Where it goes."""
        match self.verb:
            case "create":
                return "/v1/tasks"
            case "claim":
                return "/v1/tasks/claim"
            case "get":
                return f"/v1/tasks/{self.task}"
            case "claim_task":
                return f"/v1/tasks/{self.task}/claim"
            case _:
                pass
        first, _, many = self.verb.partition("_")
        if many:
            return "/v1/tasks/batch" if first == "create" else f"/v1/tasks/{first}"
        return f"/v1/tasks/{self.task}/{first}"


class Session:
    """Sends requests, asks the model the same, and holds one answer against the other."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.owners = world.begin()
        self.ground = Ground(now=world.now)
        self.accounts = (Account(self.ground), Account(self.ground))
        self.names = Names()
        self.log: list[str] = []
        self.sent: list[Op] = []
        # Of every task the tokens it was claimed under, the newest last.
        self.leases: dict[str, list[str]] = {}
        self.last: tuple[Op, Json] | None = None

    def perform(self, op: Op) -> Told:
        """Send a request and compare."""
        told = tell(self.accounts[op.account], op)
        reply = self._ask(op)
        if "items" in told.body:
            self._check_batch(told, reply)
        else:
            self.names.check(told, reply)
        self.sent.append(op)
        self.last = (op, reply.json())
        self._note_leases()
        if len(self.sent) % READ_EVERY == 0 and op.task in self.accounts[op.account].tasks:
            read = Op(verb="get", account=op.account, task=op.task)
            self.names.check(tell(self.accounts[op.account], read), self._ask(read))
        return told

    def go_to(self, now: int) -> None:
        """Let time pass."""
        self.log.append(f"# time: +{now - self.ground.now} ms")
        self.world.go_to(now)
        self.ground.now = now
        self.last = None

    def run_job(self, name: str) -> None:
        """Run a job in the server and in the model."""
        self.log.append(f"# job: {name}")
        self.world.run_job(name)
        self.last = None
        for account in self.accounts:
            if name in ("expire_leases", "purge_finished"):
                getattr(account, name)()

    def read_all(self, account: int, filters: Json, limit: int) -> int:
        """Read a list to its end and give the number of its pages."""
        cursor, before = None, None
        for page in range(1, PAGES_MAX):
            query = {**filters, "limit": limit} | ({} if cursor is None else {"cursor": cursor})
            reply = self._get(account, f"/v1/tasks?{urlencode(query)}")
            items, more = self.accounts[account].page(filters, limit, before)
            body = reply.json()
            info = body["pageInfo"]
            assert (reply.status, info["hasMore"]) == (200, more), reply.raw
            self.names.check_items(items, body, reply.raw.decode())
            following = body["agent_contract"]["next_actions"][0]
            link = reply.headers.get("link")
            if not more:
                assert (info["nextCursor"], link) == (None, None)
                assert following["action"] == "claim_task"
                return page
            assert following["action"] == "list_tasks"
            assert link == f'<{following["endpoint"]}>; rel="next"'
            cursor, before = info["nextCursor"], items[-1]["id"]
        raise AssertionError("the list has no end")

    def check_numbers(self, account: int) -> None:
        """Hold the counts of an account to its tasks, once the last numbers are too old to tell."""
        self.go_to(self.ground.now + STATS_AGE_MAX)
        reply = self._get(account, "/v1/stats")
        shown = reply.json()
        tasks = [*self.accounts[account].tasks.values()]
        assert shown["counts"] == _counts(tasks), (shown, tasks)
        types = {one["type"]: one["counts"] for one in shown["types"]}
        for type_ in {one.type for one in tasks}:
            counts = _counts([one for one in tasks if one.type == type_])
            assert types[type_] == counts, (type_, shown, counts)

    def check_unseen(self, account: int, task: str, verb: str) -> None:
        """Compare what another account's task is answered with what an unknown one is."""
        answers = []
        for name in (task, NOBODYS):
            reply = self._ask(Op(verb=verb, account=account, task=name))
            answers.append(reply.raw.replace(reply.headers["x-request-id"].encode(), b""))
        assert answers[0] == answers[1], answers

    def _ask(self, op: Op) -> Reply:
        asked = Asked(
            method="GET" if op.verb == "get" else "POST",
            path=op.path,
            body=op.body,
            idempotency_key=op.key,
        )
        self.log.append(f"account {op.account}: {asked.told()}")
        return self._send(asked, op.account)

    def _get(self, account: int, path: str) -> Reply:
        self.log.append(f"account {account}: GET {path}")
        return self._send(Asked(method="GET", path=path), account)

    def _send(self, asked: Asked, account: int) -> Reply:
        reply = self.world.ask(
            msgspec.structs.replace(
                asked,
                key=self.owners[account].key,
                path=self.names.filled(asked.path),
                body=self.names.filled(asked.body),
            )
        )
        code = reply.json().get("error", "")
        self.log[-1] += f" -> {reply.status} {code}".rstrip()
        return reply

    def _check_batch(self, told: Told, reply: Reply) -> None:
        body = reply.json()
        first, *rest = body.pop("agent_contract")["next_actions"]
        assert (first["recommended"], first["available"]) == (True, True)
        assert not any(one["recommended"] for one in rest)
        self.names.check(told, reply)

    def _note_leases(self) -> None:
        for account in self.accounts:
            for name, task in account.tasks.items():
                known = self.leases.setdefault(name, [])
                if task.lease is not None and task.lease not in known:
                    known.append(task.lease)


def _counts(tasks: list[Task]) -> dict[str, int]:
    states = [one.status for one in tasks]
    return {one: states.count(one) for one in STATES}


def tell(model: Account, op: Op) -> Told:
    """Ask the model."""
    body: Json = op.body or {}
    match op.verb:
        case "create":
            return model.create(body, op.key)
        case "claim":
            return model.claim_next(body, op.key)
        case "claim_task":
            return model.claim_task(op.task, body, op.key)
        case "cancel":
            return model.cancel(op.task, force=body.get("force", False))
        case "get" | "requeue":
            verb: Callable[[str], Told] = getattr(model, op.verb)
            return verb(op.task)
        case "complete" | "fail" | "heartbeat" | "release":
            return _ending(model, op.verb)(op.task, body)
        case _:
            pass
    return _batch(model, op.verb.removesuffix("_many"), body["items"])


def _ending(model: Account, verb: str) -> Callable[[str, Json], Told]:
    found: Callable[[str, Json], Told] = getattr(model, verb)
    return found


def _batch(model: Account, verb: str, items: list[Json]) -> Told:
    answers: list[Json] = []
    for item in items:
        one = model.create(item) if verb == "create" else _ending(model, verb)(item["id"], item)
        replayed: dict[str, Any] = {"replayed": True} if one.replayed else {}
        answers.append({"status": one.status, "body": one.body, **replayed})
    return Told(body={"items": answers})
