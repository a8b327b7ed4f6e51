"""The end of a campaign: every task is worked off, then everything is read in three ways."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from tests.chaos.asking import Account, Ask
from tests.chaos.client import Client
from tests.chaos.ground import Ground
from tests.chaos.history import Final as FinalRecord
from tests.chaos.history import Operation, Writer
from tests.chaos.making import completion
from tests.chaos.recorder import OK

# Longest lease, longest wait after a failure, and time for a slow machine to work it all off.
BOUND_SECONDS: Final = 180.0
ROUND_SECONDS: Final = 0.2
TOGETHER: Final = 20
PAGE: Final = 100
READERS: Final = 4
OPEN: Final = ("pending", "claimed")
_INSTANTS: Final = "%Y-%m-%dT%H:%M:%S"

Json = dict[str, Any]


async def work_off(client: Client) -> bool:
    """Finish every task of an account; gives whether that was done in time."""
    deadline = time.monotonic() + BOUND_SECONDS
    while time.monotonic() < deadline:
        left = [task for status in OPEN for task in await _all(client, {"status": status})]
        if not left:
            return True
        if not await _finish_some(client):
            await _cancel(client, left)
        await asyncio.sleep(ROUND_SECONDS)
    return False


async def _finish_some(client: Client) -> bool:
    # False means that the plan lets nothing more be claimed.
    together = min(TOGETHER, client.account.max_workers)
    for type_ in client.world.types:
        while True:
            client.held.clear()
            sent = {"type": type_, "worker_id": "drain", "max_tasks": together}
            operation = await client.ask(Ask(name="claim", sent=sent))
            if operation is None or operation.outcome != OK:
                if operation is not None and operation.code == "rate_limited":
                    return False
                break
            if not client.held:
                break
            await _complete(client)
    return True


async def _complete(client: Client) -> None:
    for lease in tuple(client.held):
        sent = {**completion(client, lease)}
        sent.pop("claim_next", None)
        await client.ask(Ask(name="complete", task=lease.task, sent=sent))


async def _cancel(client: Client, left: Sequence[Json]) -> None:
    for task in left:
        await client.ask(Ask(name="cancel", task=task["id"]))


async def _all(client: Client, filters: Json) -> list[Json]:
    """Scan the list of an account; every page is part of the history."""
    found: list[Json] = []
    sent: Json = {**filters, "limit": PAGE}
    while True:
        page = await _surely(client, Ask(name="list", sent=sent))
        found += page["items"]
        cursor = page["pageInfo"]["nextCursor"]
        if cursor is None:
            return found
        sent = {**sent, "cursor": cursor}


async def _surely(client: Client, asked: Ask) -> Json:
    # A server that was just started again, or a pool that was just emptied, may refuse at first.
    deadline = time.monotonic() + BOUND_SECONDS
    operation: Operation | None = None
    while time.monotonic() < deadline:
        operation = await client.ask(asked)
        if operation is not None and operation.outcome == OK and operation.body is not None:
            return operation.body
        await asyncio.sleep(ROUND_SECONDS)
    raise AssertionError(f"no answer after all faults have ended: {operation}")


async def read_by_api(client: Client, writer: Writer) -> None:
    """Write down every task of an account as the list shows it, and as it shows by itself."""
    listed = await _all(client, {})
    for task in listed:
        _write(writer, "list", client.account.name, task)
    ids = iter([task["id"] for task in listed])

    async def read() -> None:
        reader = Client(client.recorder.another(), client.known, client.world, client.chance)
        for task_id in ids:
            shown = await _surely(reader, Ask(name="get", task=task_id))
            _write(writer, "get", client.account.name, shown)
        reader.close()

    await asyncio.gather(*(read() for _ in range(READERS)))


def _write(writer: Writer, source: str, account: str, task: Json) -> None:
    shown = {name: value for name, value in task.items() if name != "agent_contract"}
    writer.write(FinalRecord(source=source, account=account, task=shown))


async def read_database(ground: Ground, accounts: Sequence[Account], writer: Writer) -> None:
    """Write down every task as the database has it, past the service."""
    names = {account.id: account.name for account in accounts}
    for row in await ground.fetch("select * from tasks order by id"):
        _write(writer, "database", names[row["account_id"]], _shown(row))


def _shown(row: Json) -> Json:
    shown: Json = {}
    for column, value in row.items():
        name, text = _camel(column), value
        if isinstance(value, bytes):
            continue
        if column.endswith("_at") and value is not None:
            text = _instant(value)
        elif column in {"payload", "result"} and value is not None:
            text = msgspec.json.decode(value)
        shown[name] = text
    shown["leaseDurationSeconds"] = shown.pop("leaseSeconds")
    return shown


def _camel(column: str) -> str:
    first, *others = column.split("_")
    return first + "".join(word.capitalize() for word in others)


def _instant(milliseconds: int) -> str:
    seconds, rest = divmod(milliseconds, 1_000)
    return f"{time.strftime(_INSTANTS, time.gmtime(seconds))}.{rest:03d}Z"
