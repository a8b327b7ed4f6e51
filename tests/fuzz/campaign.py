"""Draws requests from the served schema and sends them; collects what its checks find wrong."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec
import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.core.transport import Response
from schemathesis.engine import events, from_schema
from schemathesis.engine.recorder import ScenarioRecorder
from schemathesis.schemas import BaseSchema

from tests.fuzz.house import House

# What the ordinary tests send at least; together these are what is promised.
CASES_MIN: Final = 5_000
SCHEMA_CASES_MIN: Final = 4_900
LINK_CASES_MIN: Final = 500
PHASES: Final = ("examples", "coverage", "fuzzing", "stateful")
STEPS_MAX: Final = 8
SHOWN: Final = 900
# The door holds every body against the schema and knows the views; whether a cursor, a moment or
# a purchase is one that exists, no schema can say.
CHECKS: Final = {
    "response_schema_conformance": {"enabled": False},
    "positive_data_acceptance": {"enabled": False},
    "not_a_server_error": {"expected-statuses": ["2xx", "3xx", "4xx", "503"]},
}
BATCHES: Final = frozenset({"create_tasks", "complete_tasks", "fail_tasks", "heartbeat_tasks"})


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a campaign does; without a key it asks as nobody."""

    seed: int
    phases: Sequence[str] = PHASES
    # Requests drawn for each operation, and walks along the links, each of some steps.
    examples: int = 10
    walks: int = 10
    authenticated: bool = True
    # Which requests are drawn: positive, negative or all; and of which operations, if not of all.
    mode: str = "all"
    operations: Sequence[str] = ()


class Campaign(msgspec.Struct, kw_only=True):
    """What a campaign came to: cases by phase, links by outcome, and what was wrong."""

    cases: Counter[str] = msgspec.field(default_factory=Counter)
    followed: Counter[str] = msgspec.field(default_factory=Counter)
    succeeded: Counter[str] = msgspec.field(default_factory=Counter)
    failures: list[str] = msgspec.field(default_factory=list)

    @property
    def total(self) -> int:
        """How many cases were sent and answered."""
        return self.cases.total()

    def add(self, phase: str, label: str, recorder: ScenarioRecorder) -> None:
        """Take in what one scenario did."""
        self.cases[phase] += sum(one.response is not None for one in recorder.interactions.values())
        self.failures += [f"{phase} {label}: {said}" for said in _failures(recorder)]
        for number, node in recorder.cases.items():
            asked = recorder.interactions.get(number)
            if node.transition is None or asked is None or asked.response is None:
                continue
            self.followed[node.transition.id] += 1
            self.succeeded[node.transition.id] += asked.response.status_code < 300


def run(house: House, plan: Plan) -> Campaign:
    """Run every phase of a plan on an application that is running."""
    schema: BaseSchema = schemathesis.openapi.from_asgi(
        "/v1/schema", house.door, config=SchemathesisConfig.from_dict(_settings(house, plan))
    )
    if plan.operations:
        schema = schema.include(operation_id=list(plan.operations))
    campaign = Campaign()
    for event in from_schema(schema).execute():
        match event:
            case events.ScenarioFinished():
                campaign.add(event.phase.value, event.label or "", event.recorder)
            case events.NonFatalError():
                campaign.failures.append(f"{event.label}: {event.info.title}: {event.info.message}")
            case events.FatalError():
                raise event.exception
            case _:
                pass
    campaign.failures += house.found()
    return campaign


def _settings(house: House, plan: Plan) -> dict[str, Any]:
    return {
        "seed": plan.seed,
        "workers": 1,
        "continue-on-failure": True,
        "checks": CHECKS,
        "headers": house.account.headers if plan.authenticated else {},
        "generation": {
            "mode": plan.mode,
            "max-examples": plan.examples,
            "database": "none",
            "no-shrink": True,
        },
        "suppress-health-check": ["all"],
        "phases": {
            **{phase: {"enabled": phase in plan.phases} for phase in PHASES},
            # Only the links of the document are to be proved, not what may be guessed from it.
            "stateful": {
                "enabled": "stateful" in plan.phases,
                "max-steps": STEPS_MAX,
                "generation": {"max-examples": plan.walks},
                "inference": {"algorithms": []},
            },
        },
    }


def _failures(recorder: ScenarioRecorder) -> Iterator[str]:
    for number, checks in recorder.checks.items():
        for check in checks:
            if check.failure_info is None or _refused_within(check.name, recorder, number):
                continue
            asked = check.failure_info.code_sample
            yield f"{check.name}: {check.failure_info.failure}"[:SHOWN] + f"\n{asked[:SHOWN]}"


def _refused_within(check: str, recorder: ScenarioRecorder, number: str) -> bool:
    """Tell whether a batch refused the item that breaks the schema, as it should."""
    case, asked = recorder.cases[number].value, recorder.interactions[number]
    if check != "negative_data_rejection" or asked.response is None:
        return False
    operation = case.operation.definition.raw.get("operationId")
    return operation in BATCHES and any(400 <= status < 500 for status in _statuses(asked.response))


def _statuses(response: Response) -> list[int]:
    answer: Any = msgspec.json.decode(response.content)
    return [item["status"] for item in answer.get("items", ())]
