"""Tells a counterexample so that a person can follow it."""

from collections.abc import Iterator

from orchestrion.core.instants import SECOND
from orchestrion.core.outcomes import NoTask, Rejection
from orchestrion.core.task import Task
from tests.factories import NOW
from tests.model.exploring import Counterexample, Explored
from tests.model.serving import Served
from tests.model.steps import Step
from tests.model.world import MAX_ATTEMPTS, Verb


def told(explored: Explored) -> str:
    """Say in lines what a walk came to."""
    summary = (
        f"{explored.worlds} worlds, {explored.transitions} transitions, {explored.requests} "
        f"requests served, {explored.decided} of them different"
    )
    if explored.counterexample is None:
        return f"{summary}: {'all of them' if explored.complete else 'cut short'}, no rule broken"
    return "\n".join([*trace(explored.counterexample), f"found after {summary}"])


def trace(example: Counterexample) -> Iterator[str]:
    """Give the steps to the broken rule, one a line."""
    yield f"BROKEN: {example.broken.rule}"
    yield f"        {example.broken.says}"
    for number, step in enumerate(example.steps, 1):
        yield f"{number:3} {_clock(step):>10}  {_who(step)} {step.what}"
        for one in step.served:
            yield f"{'':16}{_what(one)} -> {_answer(one)}; {_row(one.after)}"


def _clock(step: Step) -> str:
    return f"{(step.world.now - NOW) / SECOND:.3f} s"


def _who(step: Step) -> str:
    if len(step.served) > 1:
        return "workers A and B"
    if step.worker >= 0:
        return f"worker {'AB'[step.worker]}"
    if not step.served:
        return "--"
    return "the sweeper" if step.served[0].request.verb is Verb.SWEEP else "the producer"


def _what(served: Served) -> str:
    request = served.request
    with_token = f" with token {request.token}" if request.token else ""
    with_token += f" as token {request.fresh}" if request.fresh else ""
    sent_at = f" as of {(request.sent_at - NOW) / SECOND:.3f} s" if request.sent_at else ""
    return f"{request.verb}{with_token}{sent_at}"


def _answer(served: Served) -> str:
    if isinstance(served.outcome, Rejection):
        return f"refused: {served.outcome.code} {served.outcome.reason}".rstrip()
    return "no task" if isinstance(served.outcome, NoTask) else "accepted"


def _row(row: Task | None) -> str:
    if row is None:
        return "no task"
    text = f"the task is {row.status}, attempt {row.attempt_count} of {MAX_ATTEMPTS}"
    if row.lease_token is not None:
        text += f", token {int(row.lease_token.removeprefix('lse_'), 16)}"
    if row.lease_expires_at is not None:
        text += f", until {(row.lease_expires_at - NOW) / SECOND:.3f} s"
    if row.scheduled_at is not None:
        text += f", not before {(row.scheduled_at - NOW) / SECOND:.3f} s"
    return text
