"""The pretend PayPal in a process of its own, as a test commands it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx2

from orchestrion.payments.hosts import BaseUrl
from orchestrion.payments.paypal import PayPalOptions
from orchestrion.payments.tokens import Credentials

PATIENCE_SECONDS = 20
PROGRAM = (sys.executable, "-m", "orchestrion.payments.pretend", "--until-stdin-closes")

Json = dict[str, Any]


class PretendPayPal:
    """A running pretend PayPal."""

    def __init__(self, process: subprocess.Popen[bytes], place: Mapping[str, str]) -> None:
        self.process = process
        self.url = place["url"]
        self.client_id, self.secret = place["client_id"], place["secret"]
        self.webhook_id = place["webhook_id"]
        self._client = httpx2.Client(base_url=self.url, trust_env=False, timeout=PATIENCE_SECONDS)

    @property
    def options(self) -> PayPalOptions:
        """What a client of it is given."""
        return PayPalOptions(
            base_url=BaseUrl.parse(self.url),
            credentials=Credentials(client_id=self.client_id, secret=self.secret),
            webhook_id=self.webhook_id,
        )

    def behave(self, point: str, what: str, **more: str | int) -> None:
        """Tell what shall go wrong at the next calls of a kind."""
        self.tell("behave", {"point": point, "what": what, **more})

    def tell(self, command: str, body: Mapping[str, object] | None = None) -> Json:
        """Give a command."""
        answer = self._client.post(f"/pretend/{command}", json=body or {})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def look(self, what: str) -> Json:
        """Look at calls or orders."""
        answer = self._client.get(f"/pretend/{what}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def change(self, order_id: str, change: str) -> None:
        """Do to an order what a human or PayPal does: approve, void, expire, settle, decline."""
        self.tell(f"orders/{order_id}/{change}")

    def wait_until_held(self, point: str, count: int = 1) -> None:
        """Wait until as many answers are held."""
        assert self.look(f"held?point={point}&count={count}")["held"] >= count

    def release(self, point: str) -> None:
        """Let held answers go."""
        self.tell("release", {"point": point})

    def event(self, order_id: str, event_type: str) -> tuple[dict[bytes, bytes], bytes]:
        """Make a webhook event: its headers and its body."""
        event = self.tell("events", {"order_id": order_id, "event_type": event_type})
        headers = {name.encode(): value.encode() for name, value in event["headers"].items()}
        return headers, event["body"].encode()

    def count(self, point: str) -> int:
        """Count the calls of a kind."""
        return int(self.look("calls")["counts"][point])

    def captures(self) -> dict[str, int]:
        """Count how often money was moved, by purchase."""
        return dict(self.look("calls")["captures"])

    def page(self, path: str, **form: str) -> httpx2.Response:
        """Open a page as a human does, or press one of its buttons."""
        return self._client.post(path, data=form) if form else self._client.get(path)

    def end(self) -> int:
        """End it as whoever started it does by ending; gives its exit code."""
        self._client.close()
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.process.wait(PATIENCE_SECONDS)


@contextmanager
def pretending(*flags: str) -> Iterator[PretendPayPal]:
    """Run a pretend PayPal; whatever happens, no process is left."""
    process = subprocess.Popen(
        [*PROGRAM, *flags], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ
    )
    assert process.stdout is not None
    try:
        pretend = PretendPayPal(process, json.loads(process.stdout.readline()))
        yield pretend
        assert pretend.end() == 0
    finally:
        process.kill()
        process.stdout.close()
        process.wait(PATIENCE_SECONDS)
