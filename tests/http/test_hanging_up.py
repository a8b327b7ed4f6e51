"""A caller that hangs up before its answer is noted like any other."""

import asyncio
from contextlib import suppress

from starlette.types import Message, Scope

from tests.harness import Account, Harness


async def test_a_request_whose_caller_left_is_noted(service: Harness, account: Account) -> None:
    asked = asyncio.Event()

    async def receive() -> Message:
        asked.set()
        await asyncio.Event().wait()
        return {}

    async def send(_: Message) -> None:
        raise AssertionError

    request = asyncio.ensure_future(service.service.app(scope_of(account), receive, send))
    await asked.wait()
    request.cancel()
    with suppress(asyncio.CancelledError):
        await request

    noted = service.observer.requests[-1]
    assert (noted.operation, noted.status) == ("create_task", 499)
    assert (noted.account_id, noted.error) == (account.id, "client_disconnected")


def scope_of(account: Account) -> Scope:
    return {
        "type": "http",
        "method": "POST",
        "path": "/v1/tasks",
        "raw_path": b"/v1/tasks",
        "query_string": b"",
        "headers": [(b"authorization", f"Bearer {account.key}".encode())],
        "client": ("192.0.2.1", 1),
    }
