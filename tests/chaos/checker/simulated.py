"""Many clients of the pretended service at once, with lost answers: histories from a seed."""

import heapq
import random
import sys
from collections.abc import Sequence
from typing import Any, Final

from tests.chaos.checker.judging import check
from tests.chaos.checker.pretend import SWEEP_MS, Answer, Ask, Pretend
from tests.chaos.history import Final as FinalRead
from tests.chaos.history import History, Operation, Run

Json = dict[str, Any]
MILLISECOND: Final = 1_000_000
BASE_MS: Final = 1_790_000_000_000
ACCOUNTS: Final = ("a0", "a1")
TYPES: Final = ("alpha", "beta")
CLIENTS: Final = 6
OPERATIONS: Final = 500
LOST_SHARE: Final = 0.06
LATEST_EFFECT_MS: Final = 3_000
MIX: Final = {
    "create": 22,
    "claim": 24,
    "claim_task": 4,
    "heartbeat": 9,
    "complete": 16,
    "fail": 9,
    "release": 4,
    "get": 8,
    "list": 3,
    "cancel": 3,
    "requeue": 3,
    "repeat": 6,
}


class Simulation:
    """Clients that ask at random, each as soon as its last request was answered or given up."""

    def __init__(self, seed: int, broken: str = "") -> None:
        self._random = random.Random(f"{seed} {broken}")
        self._service = Pretend(BASE_MS, broken)
        self._known: list[tuple[str, str]] = []
        self._tokens: list[tuple[str, str, str]] = []
        self._asked: list[Ask] = []
        self._processes = CLIENTS
        self._serial = 0
        self._due: list[tuple[float, int, Any]] = []
        self.operations: list[Operation] = []
        self.seed = seed

    def run(self, operations: int) -> History:
        """Let the clients ask so often, then drain what is left and read everything."""
        for client in range(CLIENTS):
            self._plan(client * 1.5, ("begin", client))
        self._plan(SWEEP_MS, ("sweep",))
        while len(self.operations) < operations:
            at, _, event = heapq.heappop(self._due)
            self._happen(at, event)
        self._drain()
        return self._history()

    def _happen(self, at: float, event: tuple[Any, ...]) -> None:
        self._service.now = BASE_MS + int(at)
        match event:
            case ("sweep",):
                self._service.sweep()
                self._plan(at + SWEEP_MS, event)
            case ("begin", process):
                self._begin(at, process)
            case ("act", process, ask, invoked, lost):
                status, body = self._service.answer(ask)
                if not lost:
                    returned = at + self._random.uniform(0.2, 8)
                    self._learn(ask, body)
                    self._record(process, ask, invoked, returned, (status, body))
                    self._plan(returned + self._random.uniform(0.1, 400), ("begin", process))
            case _:
                raise AssertionError(event)

    def _begin(self, at: float, process: int) -> None:
        ask = self._ask()
        self._asked.append(ask)
        lost = self._random.random() < LOST_SHARE
        effect = at + self._random.uniform(0.2, 8)
        if lost:
            returned = at + self._random.uniform(1, 500)
            self._record(process, ask, at, returned, None)
            self._processes += 1
            self._plan(returned + 0.5, ("begin", self._processes))
            if self._random.random() < 0.3:
                return
            effect = at + self._random.uniform(0.2, LATEST_EFFECT_MS)
        self._plan(effect, ("act", process, ask, at, lost))

    def _ask(self) -> Ask:
        names = list(MIX)
        name = self._random.choices(names, [MIX[each] for each in names])[0]
        if name == "repeat" and self._asked:
            return self._random.choice(self._asked[-30:])
        self._serial += 1
        account = self._random.choice(ACCOUNTS)
        if name in ("claim", "repeat"):
            return self._claim(account)
        if name == "list":
            return Ask(account=account, name="list", sent={"limit": 100})
        if name == "create" or not self._known:
            return self._create(account)
        if name in ("heartbeat", "complete", "fail", "release"):
            return self._held(name)
        account, task = self._random.choice(self._known[-40:])
        sent = {"force": True} if name == "cancel" and self._random.random() < 0.5 else {}
        key = f"claim-{self._serial}" if name == "claim_task" else None
        return Ask(account=account, name=name, task=task, key=key, sent=sent)

    def _claim(self, account: str) -> Ask:
        key = f"claim-{self._serial}" if self._random.random() < 0.7 else None
        sent = {"type": self._random.choice(TYPES), "worker_id": f"w{self._serial % 4}"}
        return Ask(account=account, name="claim", key=key, sent=sent)

    def _create(self, account: str) -> Ask:
        sent: Json = {
            "type": self._random.choice(TYPES),
            "payload": {"canary": f"canary-of-{account}", "number": self._serial},
            "priority": self._random.randrange(3),
            "maxAttempts": self._random.randint(1, 3),
            "leaseDurationSeconds": self._random.randint(1, 3),
        }
        key = f"key-{self._serial}" if self._random.random() < 0.6 else None
        return Ask(account=account, name="create", key=key, sent=sent)

    def _held(self, name: str) -> Ask:
        if not self._tokens:
            return self._create(ACCOUNTS[0])
        account, task, token = self._random.choice(self._tokens[-12:])
        sent: Json = {"lease_token": token}
        if name == "complete":
            sent["result"] = {"by": self._serial}
        elif name in ("fail", "release"):
            sent["reason"] = f"reason {self._serial}"
            if name == "fail" and self._random.random() < 0.3:
                sent["retry_after_seconds"] = self._random.randint(1, 3)
        return Ask(account=account, name=name, task=task, lease_token=token, sent=sent)

    def _learn(self, ask: Ask, body: Json) -> None:
        if ask.name == "create" and "id" in body:
            self._known.append((ask.account, body["id"]))
        elif body.get("lease_token"):
            self._tokens.append((ask.account, body["task"]["id"], body["lease_token"]))

    def _record(
        self, process: int, ask: Ask, invoked: float, returned: float, answer: Answer | None
    ) -> None:
        status, body = answer or (None, {})
        refused = "error" in body
        self.operations.append(
            Operation(
                number=len(self.operations),
                process=process,
                account=ask.account,
                name=ask.name,
                invoked=int(invoked * MILLISECOND),
                returned=int(returned * MILLISECOND),
                outcome="info" if answer is None else "fail" if refused else "ok",
                status=status,
                code=body["error"] if refused else None,
                task=ask.task,
                lease_token=ask.lease_token,
                key=ask.key,
                sent=ask.sent or None,
                body=body or None,
            )
        )

    def _plan(self, at: float, event: tuple[Any, ...]) -> None:
        self._serial += 1
        heapq.heappush(self._due, (at, self._serial, event))

    def _drain(self) -> None:
        """One client finishes everything, with nothing lost any more."""
        at = max(at for at, _, _ in self._due) + LATEST_EFFECT_MS
        for due, _, event in sorted(self._due, key=lambda each: each[:2]):
            if event[0] == "act":
                self._service.now = BASE_MS + int(due)
                self._finish(due, event)
        for _ in range(12):
            at += 4_000
            for account in ACCOUNTS:
                for type_ in TYPES:
                    at = self._work(at, account, type_)

    def _finish(self, due: float, event: tuple[Any, ...]) -> None:
        _, process, ask, invoked, lost = event
        answer = self._service.answer(ask)
        if not lost:
            self._record(process, ask, invoked, due + 1, answer)

    def _work(self, at: float, account: str, type_: str) -> float:
        while True:
            sent = {"type": type_, "worker_id": "drain"}
            body, at = self._alone(at, Ask(account=account, name="claim", sent=sent))
            if body.get("task") is None:
                return at
            token = body["lease_token"]
            done = Ask(
                account=account,
                name="complete",
                task=body["task"]["id"],
                lease_token=token,
                sent={"lease_token": token, "result": {"drained": True}},
            )
            _, at = self._alone(at, done)

    def _alone(self, at: float, ask: Ask) -> tuple[Json, float]:
        self._service.now = BASE_MS + int(at + 1)
        answer = self._service.answer(ask)
        self._record(9_999, ask, at, at + 2, answer)
        return answer[1], at + 3

    def _history(self) -> History:
        kept = self._service.tasks.values()
        finals = [
            FinalRead(source="database", account=each.account, task=dict(each.shown))
            for each in kept
        ]
        operations = sorted(self.operations, key=lambda each: (each.invoked, each.number))
        return History(run=run(self.seed), operations=operations, faults=[], finals=finals)


def run(seed: int, accounts: Sequence[Json] = ()) -> Run:
    """Name a run that nothing but its seed made."""
    plans = [{"name": name, "id": f"acct_{name}", "max_workers": 1_000} for name in ACCOUNTS]
    return Run(
        seed=seed,
        store="pretended",
        command=f"python -m tests.chaos.checker.simulated {seed}",
        accounts=list(accounts) or plans,
        types=list(TYPES),
        lease_seconds_min=1,
        settings={},
    )


def main() -> int:
    """Judge the history of a seed: of a correct service, or of one that does something wrong."""
    seed, *wrong = sys.argv[1:]
    verdict = check(Simulation(int(seed), *wrong).run(OPERATIONS))
    sys.stdout.write(verdict.text() + "\n")
    return 0 if verdict.clean else 1


if __name__ == "__main__":
    sys.exit(main())
