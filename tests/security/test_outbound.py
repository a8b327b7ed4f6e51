"""A server speaks to nobody but its database, and to PayPal where it sells."""

import json
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest

from orchestrion.core.operations import BY_NAME
from tests.databases import Databases, PostgresDatabase
from tests.e2e.counter import selling_config
from tests.e2e.serving import PATIENCE_SECONDS, Launch, Served, serving
from tests.pretend_paypal import PretendPayPal
from tests.security.walk import LEFT_OUT, through, walk
from tests.security.wire import Sent

PROGRAM: Final = (sys.executable, str(Path(__file__).with_name("watched.py")))
HOST: Final = "127.0.0.1"
# Without payments they are refused with 503.
SELLING: Final = {"start_checkout", "verify_payment"}

Json = dict[str, Any]


@pytest.fixture
def trap() -> Iterator[socket.socket]:
    """Listen where every text of the tenant leads; nobody may come."""
    with socket.create_server((HOST, 0)) as listener:
        listener.settimeout(0)
        yield listener
        with pytest.raises(BlockingIOError):
            listener.accept()


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    return tmp_path / "notes"


@pytest.fixture
def launch(notes: Path) -> Launch:
    return Launch(program=PROGRAM, variables={"WATCHED_FILE": str(notes)})


def test_a_server_on_a_file_speaks_to_nobody(
    trap: socket.socket, notes: Path, launch: Launch, tmp_path: Path
) -> None:
    file = tmp_path / "orchestrion.db"
    with serving(file, launch=launch) as served, visiting(served, trap) as visitor:
        visitor.live()

    assert spoken_to(notes) == []


def test_a_server_that_sells_speaks_to_paypal_alone(
    trap: socket.socket, notes: Path, launch: Launch, tmp_path: Path, pretend: PretendPayPal
) -> None:
    file, flags = tmp_path / "orchestrion.db", ("--config", str(selling_config(tmp_path, pretend)))
    with serving(file, *flags, launch=launch) as served, visiting(served, trap) as visitor:
        visitor.live()
        bought = visitor.post("/v1/billing/checkout", {"planId": "pro"})
        pretend.change(bought["orderId"], "approve")
        verified = visitor.post("/v1/billing/verify", {"purchaseId": bought["purchaseId"]})

    assert verified["outcome"] == "activated"
    assert set(spoken_to(notes)) == {(HOST, int(pretend.url.rpartition(":")[2]))}


def test_a_server_on_postgresql_speaks_to_its_database_alone(
    trap: socket.socket, notes: Path, launch: Launch, databases: Databases
) -> None:
    with databases.fresh("postgres") as database:
        assert isinstance(database, PostgresDatabase)
        arguments = ("--port", "0", "--database", database.url, "--log-format", "json")
        launched = Launch(program=launch.program, arguments=arguments, variables=launch.variables)
        with serving(Path(), launch=launched) as served, visiting(served, trap) as visitor:
            visitor.live()

    port = httpx2.URL(database.url).port
    assert set(spoken_to(notes)) == {(HOST, port)}


def spoken_to(notes: Path) -> list[tuple[str, int]]:
    """Give the addresses that were connected to; anything else that leads out fails."""
    found = [json.loads(line) for line in notes.read_text("utf-8").splitlines()]
    # The server's own addresses are looked up, to listen on them, as numbers.
    strange = [one for one in found if one["event"] not in {"socket.connect", "socket.getaddrinfo"}]
    assert strange == []
    looked_up = {one["told"][0] for one in found if one["event"] == "socket.getaddrinfo"}
    assert looked_up <= {repr(HOST)}, looked_up
    connected = [one["told"][-1] for one in found if one["event"] == "socket.connect"]
    return [_address(one) for one in connected]


def _address(told: str) -> tuple[str, int]:
    host, port = told.strip("()").split(", ")[:2]
    return host.strip("'"), int(port)


class Visitor:
    """A caller with a key, in whose every text stands an address to come to."""

    def __init__(self, client: httpx2.Client, served: Served, trap: socket.socket) -> None:
        self._client = client
        self._key = served.first_key()
        self._lure = f"http://{HOST}:{trap.getsockname()[1]}/come"

    def live(self) -> None:
        """Use every operation."""
        names = through(walk(self._lure, "report"), self._send)
        assert set(names) >= BY_NAME.keys() - LEFT_OUT.keys()

    def post(self, path: str, body: Json) -> Json:
        return self._send(Sent(name="", method="POST", path=path, body=body))

    def _send(self, sent: Sent) -> Json:
        headers = {"Authorization": f"Bearer {self._key}", **sent.headers}
        answer = self._client.request(sent.method, sent.path, json=sent.body, headers=headers)
        assert answer.status_code < 500 or sent.name in SELLING, answer.text
        found: Json = answer.json()
        return found


@contextmanager
def visiting(served: Served, trap: socket.socket) -> Iterator[Visitor]:
    with httpx2.Client(base_url=served.url(), timeout=PATIENCE_SECONDS, trust_env=False) as client:
        yield Visitor(client, served, trap)
