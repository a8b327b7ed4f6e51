"""Puts tasks there before the clock runs, for loads that only take them."""

import json
from typing import Final
from urllib.request import Request, urlopen

from benchmarks.filling import PAYLOAD, Account
from benchmarks.processes import Served

AT_ONCE: Final = 100


def stock(served: Served, account: Account, count: int) -> None:
    """Create so many tasks over HTTP, in batches."""
    item = {"type": "bench", "payload": json.loads(PAYLOAD)}
    for created in range(0, count, AT_ONCE):
        body = json.dumps({"items": [item] * min(AT_ONCE, count - created)}).encode()
        request = Request(
            f"http://127.0.0.1:{served.port}/v1/tasks/batch",
            body,
            {"Authorization": f"Bearer {account.key}", "Content-Type": "application/json"},
        )
        with urlopen(request) as answer:
            answer.read()
