"""Follows the links of the served document: whole lives of tasks, each step drawn at random."""

import contextlib
import itertools
from typing import Any, Final

import hypothesis
import msgspec
import schemathesis
from hypothesis import HealthCheck, Phase
from hypothesis.errors import Flaky
from schemathesis.config import SchemathesisConfig
from schemathesis.generation.case import Case
from schemathesis.generation.stateful.state_machine import RecordingStateMachine

from tests.fuzz.campaign import CHECKS, Campaign
from tests.fuzz.house import House

STEPS_MAX: Final = 30
TYPE: Final = "life"
# Where a life begins; every other operation is reached by a link.
ROOTS: Final = frozenset({"POST /v1/tasks", "POST /v1/tasks/claim"})
ROOT_RULES: Final = frozenset({"RANDOM__POST_v1_tasks", "RANDOM__POST_v1_tasks_claim"})
STEPS: Final = (
    *("create_task", "claim_next_task", "check_task_status", "explain_task", "claim_task"),
    *("heartbeat", "complete_task"),
    *("fail_task", "release_task", "requeue_task", "cancel_task"),
)
SETTINGS: Final[dict[str, Any]] = {
    "checks": {**CHECKS, "ignored_auth": {"enabled": False}},
    "generation": {"mode": "positive", "allow-x00": False, "codec": "ascii"},
    "phases": {"stateful": {"inference": {"algorithms": []}}},
}
LIVES: Final = hypothesis.settings(
    max_examples=5,
    stateful_step_count=STEPS_MAX,
    database=None,
    deadline=None,
    derandomize=False,
    phases=(Phase.generate,),
    suppress_health_check=tuple(HealthCheck),
)
TURNS_MAX: Final = 500
# What would part a claim from the task it is meant for, or end the life before it began.
UNWANTED: Final = ("scheduledAt", "idempotencyKey", "types", "claim_next", "retry_after_seconds")


class Goal(msgspec.Struct, frozen=True, kw_only=True):
    """When a walk has seen enough: requests sent, links followed, and these among them."""

    cases: int
    links: int = 0
    named: tuple[str, ...] = ()

    def reached(self, campaign: Campaign) -> bool:
        """Tell whether it has."""
        followed = campaign.followed
        enough = campaign.total >= self.cases and len(followed) >= self.links
        return enough and all(followed[link] for link in self.named)


def follow(house: House, seed: int, goal: Goal) -> Campaign:
    """Live lives drawn at random until a goal is reached, or so many turns were taken."""
    campaign = Campaign()
    machine = _machine(house, campaign)
    for turn in range(seed, seed + TURNS_MAX):
        # What a life comes to depends on more than what is drawn: Hypothesis may lose its way.
        with contextlib.suppress(Flaky):
            hypothesis.seed(turn)(machine).run(settings=LIVES)
        if goal.reached(campaign):
            break
    campaign.failures += house.found()
    return campaign


def _machine(house: House, campaign: Campaign) -> type[RecordingStateMachine]:
    schema = schemathesis.openapi.from_asgi(
        "/v1/schema", house.door, config=SchemathesisConfig.from_dict(SETTINGS)
    )
    drawn = schema.include(operation_id=list(STEPS)).as_state_machine()
    attempts = itertools.cycle((1, 1, 1, 2))

    class Lives(drawn):  # type: ignore[misc, valid-type]
        def setup(self) -> None:
            super().setup()
            self.headers = house.another().headers

        def before_call(self, case: Case[Any]) -> None:
            super().before_call(case)
            case.headers.pop("Idempotency-Key", None)
            if isinstance(case.body, dict):
                case.body = {
                    name: value for name, value in case.body.items() if name not in UNWANTED
                }
                if "type" in case.body:
                    case.body["type"] = TYPE
                if "payload" in case.body:
                    case.body["maxAttempts"] = next(attempts)

        def get_call_kwargs(self, case: Case[Any]) -> dict[str, Any]:
            return {**super().get_call_kwargs(case), "headers": self.headers}

        def teardown(self) -> None:
            campaign.add("stateful", "links", self.recorder)
            super().teardown()

    for name in drawn.root_rules - ROOT_RULES:
        setattr(Lives, name, None)
    Lives._root_labels = ROOTS  # noqa: SLF001 - what it may begin with; there is no other way
    return Lives
