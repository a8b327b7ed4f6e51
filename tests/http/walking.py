"""An agent that knows nothing but the recommended action, and does it."""

from typing import Final

from tests.harness import Account
from tests.http.callers import Caller, Json, Response, ok, recommended
from tests.http.situations import Situation, fitting_body

OUTSIDE: Final = frozenset({"download_artifact", "fix_request"})
STEPS_MAX: Final = 60
SECONDS_PER_STEP: Final = 5
# Longer than any lease or schedule of a situation.
SECONDS_UNTIL_CLAIMABLE: Final = 100
# What an agent that follows advice must never be told.
_ASTRAY: Final = frozenset(
    {"invalid_request", "invalid_transition", "missing_api_key", "invalid_api_key"}
)


class Walker:
    """Follows advice until a task is completed, or the advice leads out of the service."""

    def __init__(self, situation: Situation) -> None:
        self._situation = situation
        self._caller = situation.caller
        self._token = ""
        self._body: Json | None = None
        self._produced = False
        self._worked = False
        self.trail: list[str] = []

    async def follow(self, answer: Json, sent: Json | None = None) -> None:
        """Go on from an answer; `sent` is the body of the request it answered."""
        self._body = sent
        for _ in range(STEPS_MAX):
            action = recommended(answer)
            self.trail.append(action["action"])
            if action["action"] in OUTSIDE:
                return
            answer = await self._take(action)
            if action["action"] == "complete_task" and "error" not in answer:
                assert answer["status"] == "completed", self.trail
                return
        message = f"no end in sight: {self.trail}"
        raise AssertionError(message)

    async def _take(self, action: Json) -> Json:
        wait = action.get("retry_after_seconds", SECONDS_PER_STEP)
        self._caller.service.clock.advance(wait)
        if action["action"] != "retry_after_wait" or self._body is None:
            self._body = fitting_body(action["endpoint"], self._situation)
        if action["action"] == "complete_task" and self._token:
            self._body = {"lease_token": self._token}
        response = await self._caller.send(action["method"], action["endpoint"], self._body)
        answer: Json = response.json()
        self.trail.append(answer.get("error", "ok"))
        assert answer.get("error") not in _ASTRAY, (self.trail, response.text)
        await self._learn(answer, response)
        return answer

    async def _learn(self, answer: Json, response: Response) -> None:
        self._token = answer.get("lease_token", self._token)
        if "apiKey" in answer:
            account = Account(answer["accountId"], answer["apiKey"])
            self._caller = Caller(self._caller.service, account, self._caller.client)
        # An idle worker polls until somebody makes a task; here somebody does, once.
        if response.status_code == 200 and answer.get("task", answer) is None:
            assert not self._produced, self.trail
            assert self._body is not None, "a claim by type names the type"
            self._produced = True
            await self._caller.task(type=self._body["type"])
        # Who waits for a task waits until somebody works on it; here somebody does, once.
        if answer.get("timed_out"):
            assert not self._worked, self.trail
            self._worked = True
            await self._work()

    async def _work(self) -> None:
        """Take the task as soon as that is possible, and complete it, unless it has ended."""
        self._caller.service.clock.advance(SECONDS_UNTIL_CLAIMABLE)
        await self._caller.service.run_job("expire_leases")
        claim = await self._caller.do("claim", self._situation.task_id)
        if claim.status_code == 200:
            token = claim.json()["lease_token"]
            ok(await self._caller.do("complete", self._situation.task_id, lease_token=token))
