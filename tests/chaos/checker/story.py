"""Builds a history by hand: one request after another at the pretended service."""

from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from tests.chaos.checker.pretend import Ask, Pretend, stamp
from tests.chaos.checker.simulated import BASE_MS, MILLISECOND, run
from tests.chaos.history import Fault, History, Operation
from tests.chaos.history import Final as FinalRead

Json = dict[str, Any]
STEP_MS: Final = 10
TOOK_MS: Final = 2
SECOND_MS: Final = 1_000


class Story:
    """A history in the making; `at` is the clients' clock in milliseconds."""

    def __init__(self, broken: str = "", accounts: tuple[Json, ...] = ()) -> None:
        self.service = Pretend(BASE_MS, broken)
        self.at = STEP_MS
        self.operations: list[Operation] = []
        self.faults: list[Fault] = []
        self.finals: list[FinalRead] = []
        self.settings: Json = {}
        self._accounts = accounts

    def ask(
        self,
        name: str,
        task: str | None = None,
        *,
        account: str = "a0",
        key: str | None = None,
        **sent: Any,  # noqa: ANN401 - a JSON body
    ) -> Operation:
        """Ask something and hear the answer."""
        self.service.now = BASE_MS + self.at + 1
        token = sent.get("lease_token")
        asked = Ask(account=account, name=name, task=task, lease_token=token, key=key, sent=sent)
        status, body = self.service.answer(asked)
        return self._record(asked, status, body)

    def lost(self, name: str, task: str | None = None, **sent: Any) -> Operation:  # noqa: ANN401
        """Ask something that takes effect, and hear nothing."""
        heard = self.ask(name, task, **sent)
        return self.put(replace(heard, outcome="info", status=None, code=None, body=None))

    def create(self, **sent: Any) -> str:  # noqa: ANN401 - a JSON body
        """Create a task and give its id."""
        canary = {"canary": f"canary-of-{sent.get('account', 'a0')}", "number": self.at}
        key, account = sent.pop("key", None), sent.pop("account", "a0")
        made = self.ask(
            "create", account=account, key=key, **{"type": "alpha", "payload": canary} | sent
        )
        return str((made.body or {})["id"])

    def claim(self, task: str, **sent: Any) -> str:  # noqa: ANN401 - a JSON body
        """Claim a task by id and give the lease token."""
        claimed = self.ask("claim_task", task, **sent)
        return str((claimed.body or {})["lease_token"])

    def finish(self, task: str) -> Operation:
        """Claim a task by id and complete it."""
        return self.ask("complete", task, lease_token=self.claim(task), result={"done": self.at})

    def wait(self, seconds: float) -> None:
        """Let time pass, and the background job run."""
        self.at += int(seconds * SECOND_MS)
        self.service.now = BASE_MS + self.at
        self.service.sweep()

    def traffic(self, task: str, seconds: float, *, each_ms: int = 200) -> None:
        """Read a task again and again."""
        until = self.at + seconds * SECOND_MS
        while self.at < until:
            self.ask("get", task)
            self.at += each_ms - STEP_MS

    def health(self, stale: int | None, *, healthy: bool) -> None:
        """Ask for the service's health."""
        job = {"lastRunAt": stamp(BASE_MS), "staleSec": stale, "healthy": healthy}
        asked = Ask(account="a0", name="health")
        self._record(asked, 200, {"status": "ok", "leaseExpiryJob": job})

    def fault(self, id_: str, name: str, seconds: float, **details: Any) -> None:  # noqa: ANN401
        """Break something for so long."""
        ended = self.at + int(seconds * SECOND_MS)
        self.faults.append(
            Fault(
                number=len(self.faults),
                id=id_,
                name=name,
                began=self.at * MILLISECOND,
                ended=ended * MILLISECOND,
                details=details,
            )
        )
        self.wait(seconds)

    def put(self, operation: Operation) -> Operation:
        """Tell an operation otherwise than it was."""
        self.operations[operation.number] = operation
        return operation

    def refused(self, operation: Operation, code: str) -> Operation:
        """Tell an operation as refused."""
        body = {"error": code, "agent_contract": (operation.body or {})["agent_contract"]}
        return self.put(replace(operation, outcome="fail", status=409, code=code, body=body))

    def crashed(self, operation: Operation) -> Operation:
        """Tell an operation as one that nobody knows the end of, for the service broke down."""
        body = {"error": "server_error", "agent_contract": (operation.body or {})["agent_contract"]}
        changes = {"status": 500, "code": "server_error", "body": body}
        return self.put(replace(operation, outcome="info", **changes))

    def told(self, operation: Operation, **changes: Any) -> Operation:  # noqa: ANN401
        """Change what an answer said."""
        return self.put(replace(operation, body=(operation.body or {}) | changes))

    def history(self) -> History:
        """End the story: the tasks are read from the database, and each is asked for."""
        finals = [
            FinalRead(source=source, account=kept.account, task=dict(kept.shown))
            for kept in self.service.tasks.values()
            for source in ("database", "get")
        ]
        named = run(0, self._accounts)
        return History(
            run=msgspec.structs.replace(named, settings=self.settings),
            operations=sorted(self.operations, key=lambda each: (each.invoked, each.number)),
            faults=self.faults,
            finals=[*finals, *self.finals],
        )

    def _record(self, asked: Ask, status: int, body: Json) -> Operation:
        refused = "error" in body
        operation = Operation(
            number=len(self.operations),
            process=0,
            account=asked.account,
            name=asked.name,
            invoked=self.at * MILLISECOND,
            returned=(self.at + TOOK_MS) * MILLISECOND,
            outcome="fail" if refused else "ok",
            status=status,
            code=body.get("error"),
            task=asked.task,
            lease_token=asked.lease_token,
            key=asked.key,
            sent=asked.sent or None,
            body=body,
        )
        self.operations.append(operation)
        self.at += STEP_MS
        return operation


Bad = Callable[[], Story]


def noting(stories: list[tuple[str, Bad]]) -> Callable[[str], Callable[[Bad], Bad]]:
    """Give a decorator that notes which rule a story breaks."""

    def bad(rule: str) -> Callable[[Bad], Bad]:
        def note(story: Bad) -> Bad:
            stories.append((rule, story))
            return story

        return note

    return bad
