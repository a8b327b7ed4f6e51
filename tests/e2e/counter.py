"""A real server that sells through the pretend PayPal, and an agent that buys there."""

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

from tests.databases import Database, PostgresDatabase, SqliteDatabase
from tests.e2e.serving import PATIENCE_SECONDS, Launch, Served, serving
from tests.pretend_paypal import PretendPayPal

Json = dict[str, Any]
SITE = "https://tasks.example.com"
_AGED = ("created_at", "expires_at", "settle_at", "capture_begun_at")


def selling_config(folder: Path, pretend: PretendPayPal) -> Path:
    """Write a file of settings of a server that sells."""
    file = folder / "selling.toml"
    settings = {
        "plans": "hosted",
        "public_url": SITE,
        "payments": "paypal",
        "paypal_client_id": pretend.client_id,
        "paypal_secret": pretend.secret,
        "paypal_base_url": pretend.url,
        "paypal_webhook_id": pretend.webhook_id,
    }
    lines = [f'{name} = "{value}"' for name, value in settings.items()]
    file.write_text("\n".join(lines), "utf-8")
    return file


class Counter:
    """A server on a database, started anew after every crash, and one account of it."""

    def __init__(self, database: Database, config: Path, pretend: PretendPayPal) -> None:
        self.database = database
        self.pretend = pretend
        self._config = config
        self.key = ""

    @contextmanager
    def open(self, *flags: str) -> Iterator["Agent"]:
        """Serve until the block ends, or the test kills it."""
        place = _place(self.database)
        settings = ("--log-format", "json", "--config", str(self._config))
        arguments = ("--port", "0", *place, *settings, *flags)
        with serving(Path(), launch=Launch(arguments=arguments)) as served:
            url = served.url()
            self.key = self.key or served.first_key()
            headers = {"Authorization": f"Bearer {self.key}"}
            with httpx2.Client(
                base_url=url, headers=headers, timeout=PATIENCE_SECONDS, trust_env=False
            ) as client:
                yield Agent(served, client)

    def let_pass(self, seconds: int) -> None:
        """Make every purchase so much older, while no server runs."""
        aged = ", ".join(f"{name} = {name} - {seconds * 1_000}" for name in _AGED)
        self.database.execute(f"update purchases set {aged}")

    def stage(self, purchase_id: str = "") -> str:
        """Tell how far a purchase is; without an id the only one."""
        where = f" where id = '{purchase_id}'" if purchase_id else ""
        found = self.database.fetch(f"select stage from purchases{where}")
        return str(found[0][0]) if found else ""

    def purchase_id(self) -> str:
        """Name the only purchase."""
        ((found,),) = self.database.fetch("select id from purchases")
        return str(found)

    def wait_for_stage(self, stage: str, purchase_id: str = "") -> None:
        """Wait until a purchase is so far."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.stage(purchase_id) != stage:
            assert time.monotonic() < deadline, self.stage(purchase_id)

    def plan(self) -> tuple[str, int]:
        """Read the plan that is stored, and about how many days it has."""
        ((plan, ends),) = self.database.fetch("select plan, plan_expires_at from accounts")
        return str(plan), 0 if ends is None else round((ends / 1_000 - time.time()) / 86_400)

    def order_of(self, purchase_id: str) -> str:
        """Find the order PayPal has for a purchase; empty if it has none."""
        for order in self.pretend.look("orders")["orders"]:
            if purchase_id in str(order):
                return str(order["id"])
        return ""

    def captured(self, purchase_id: str) -> int:
        """Count how often money was moved for a purchase."""
        return self.pretend.captures().get(purchase_id, 0)


class Agent:
    """What an agent does at a running server."""

    def __init__(self, served: Served, client: httpx2.Client) -> None:
        self.served = served
        self.client = client

    def start(self, plan_id: str = "pro") -> httpx2.Response:
        """Start a checkout."""
        return self.client.post("/v1/billing/checkout", json={"planId": plan_id})

    def verify(self, purchase_id: str) -> httpx2.Response:
        """Verify a purchase."""
        return self.client.post("/v1/billing/verify", json={"purchaseId": purchase_id})

    def opened(self, plan_id: str = "pro") -> Json:
        """Start a checkout that must succeed."""
        answer = self.start(plan_id)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def outcome(self, purchase_id: str) -> str:
        """Verify a purchase that must be paid."""
        answer = self.verify(purchase_id)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["outcome"])

    @contextmanager
    def asking(self, path: str, body: Json) -> Iterator["Future[httpx2.Response]"]:
        """Send a request beside the test, which may never be answered."""
        with ThreadPoolExecutor(1) as beside:
            yield beside.submit(self.client.post, path, json=body)


def _place(database: Database) -> tuple[str, str]:
    if isinstance(database, SqliteDatabase):
        return "--database", f"sqlite:///{database.path}"
    assert isinstance(database, PostgresDatabase)
    return "--database", database.url
