"""`orchestrion tasks claim`: work taken under a lease."""

from typing import TypedDict, Unpack

import click
import msgspec
from msgspec.structs import replace

from orchestrion.cli.answers import whole
from orchestrion.cli.options import at_server
from orchestrion.cli.printing import Shape
from orchestrion.cli.reaching import Session
from orchestrion.cli.refusals import WrongUsage
from orchestrion.cli.seconds import Seconds
from orchestrion.cli.tasks_json import TASK_ID
from orchestrion.cli.tasks_table import clock_time
from orchestrion.client import calls
from orchestrion.client.call import Call
from orchestrion.client.contract import AgentContract
from orchestrion.client.task import Claimed, Held
from orchestrion.client.waiting import claim_within


class _Options(TypedDict):
    worker_id: str | None
    max_tasks: int


@click.command
@click.argument("types", nargs=-1, metavar="[TYPE]...")
@click.option("--id", "task_id", type=TASK_ID, metavar="ID", help="Claim this very task instead.")
@click.option("--worker-id", metavar="TEXT", help="A label that others see on the task.")
@click.option(
    "--wait", type=Seconds(), default=0, metavar="SECONDS", help="Wait so long for a task."
)
@click.option("--max-tasks", default=1, metavar="1-50", help="Claim up to so many. [1]")
@at_server()
def claim(
    session: Session,
    types: tuple[str, ...],
    task_id: str | None,
    wait: float,
    **options: Unpack[_Options],
) -> None:
    """Claim a task to work on.

    The next of the types, or with --id that very one. Prints its lease_token, which complete,
    fail, heartbeat and release want. Nothing to claim is no failure: "task" is null then.
    """
    if bool(types) == bool(task_id):
        raise WrongUsage("give a type, or --id", f"{session.typed.path} --help")
    session.knows(task_type=types[0] if types else None)
    if task_id:
        claimed, answer = _one(session, task_id, options["worker_id"])
    else:
        claiming = calls.Claiming(types=types, **options)
        claimed, answer = _next(session, claiming, wait)
    _print(session, claimed, answer)
    if claimed.leases:
        first = claimed.leases[0]
        session.knows(task_type=first.task.type, token=first.lease_token)
    session.advise(claimed.contract)


class _Guided(msgspec.Struct, frozen=True):
    agent_contract: AgentContract


def _one(session: Session, task_id: str, worker_id: str | None) -> tuple[Claimed, msgspec.Raw]:
    held, answer = session.client.call(whole(calls.claim_by_id(task_id, worker_id)))
    contract = msgspec.json.decode(answer, type=_Guided).agent_contract
    return Claimed(leases=(held,), contract=contract), answer


def _next(
    session: Session, claiming: calls.Claiming, seconds: float
) -> tuple[Claimed, msgspec.Raw]:
    answer = msgspec.Raw(b"null")

    def ask(asked: calls.Claiming) -> Call[Claimed]:
        call = calls.claim(asked)

        def decode(body: bytes) -> Claimed:
            nonlocal answer
            answer = msgspec.Raw(body)
            return call.decode(body)

        return replace(call, decode=decode)

    client = session.client
    claimed = client.run(claim_within(client.exchange, claiming, seconds, ask))
    return claimed, answer


def _print(session: Session, claimed: Claimed, answer: msgspec.Raw) -> None:
    match session.printer.single_shape():
        case Shape.TABLE:
            for held in claimed.leases:
                session.printer.fields(_fields(held))
        case Shape.JSONL:
            for held in claimed.leases:
                task = msgspec.Raw(held.task.json)
                session.printer.line({"task": task, "lease_token": held.lease_token})
        case Shape.JSON:
            session.printer.json(answer)
    if not claimed.leases:
        session.printer.hint(f"Nothing to claim: {_why(claimed)}.")


def _why(claimed: Claimed) -> str:
    match claimed.empty_reason:
        case "unknown_type" if claimed.similar_types:
            return f"no task of the type is stored; there is {', '.join(claimed.similar_types)}"
        case "unknown_type":
            return "no task of the type is stored"
        case "no_tasks":
            return "all tasks of the type have ended"
        case "all_scheduled" | "all_leased" as reason:
            next_at = claimed.next_claimable_at
            until = f" until {clock_time(next_at)} UTC" if next_at else ""
            waits = "waits for its time" if reason == "all_scheduled" else "is held by workers"
            return f"what there is {waits}{until}"
        case _:
            return "the server does not say why"


def _fields(held: Held) -> dict[str, str | None]:
    return {
        "id": held.task.id,
        "lease_token": held.lease_token,
        "type": held.task.type,
        "lease ends": f"{clock_time(held.task.lease_expires_at)} UTC",
        "attempt": f"{held.task.attempt_count} of {held.task.max_attempts}",
        "payload": msgspec.json.encode(held.task.payload).decode(),
    }
