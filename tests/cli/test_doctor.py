import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import create_server

import pytest
from click.testing import Result

from orchestrion import Orchestrion
from orchestrion.cli.doctor_database import LOG_ROOM
from orchestrion.client.task import NewTask
from orchestrion.store.sqlite.store import WAL_PAGES_MAX
from tests.cli.callers import NOWHERE, Caller, calling
from tests.cli.operators import Operator
from tests.databases import Databases
from tests.ports import free_port

HEALTHY, FAILING, WRONG = 0, 1, 2


@pytest.fixture(scope="module")
def caller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    with calling(tmp_path_factory.mktemp("served")) as caller:
        yield caller


def findings(result: Result, code: int = HEALTHY) -> dict[str, tuple[str, str, str]]:
    """Read level, text and next command of each check."""
    assert result.exit_code == code, result.output
    said = json.loads(result.stdout)
    assert said["ok"] is (code == HEALTHY)
    return {one["check"]: (one["level"], one["text"], one["next"]) for one in said["checks"]}


# --- the server


def test_all_is_well(caller: Caller) -> None:
    found = findings(caller.types("doctor"))

    assert list(found) == ["server", "clock", "key", "quota"]
    assert {level for level, _, _ in found.values()} == {"ok"}
    assert "server 0.1.0 reachable (" in found["server"][1]
    assert found["server"][1].endswith(" ms), schema 1.0.0")


def test_people_see_a_line_for_each_check(caller: Caller) -> None:
    lines = caller.sees("doctor").splitlines()

    assert [line.split()[0] for line in lines] == ["ok"] * 4
    assert lines[0].startswith("ok    server 0.1.0 reachable (")


def test_the_key_is_not_printed(caller: Caller) -> None:
    result = caller.types("doctor")

    assert caller.key not in result.output
    assert caller.key[:12] in result.output


def test_quickly_only_the_server_is_asked(caller: Caller) -> None:
    result = caller.types("doctor", "--quick", "--database", "sqlite:///nowhere.db")

    assert list(findings(result)) == ["server", "clock"]


def test_each_check_may_have_its_line(caller: Caller) -> None:
    lines = caller.types("doctor", "--quick", "--jsonl").stdout.splitlines()

    assert [json.loads(line)["check"] for line in lines] == ["server", "clock"]


def test_a_server_that_does_not_answer_fails(caller: Caller) -> None:
    found = findings(caller.types("doctor", "--url", NOWHERE), FAILING)

    level, text, then = found["server"]
    assert level == "fail"
    assert text.startswith(f"{NOWHERE} does not answer: ")
    assert then == f"curl -i {NOWHERE}/health"


def test_where_nothing_was_named_a_server_is_to_be_started(caller: Caller) -> None:
    found = findings(caller.types("doctor", ORCHESTRION_URL=NOWHERE), FAILING)

    assert found["server"][2] == "orchestrion serve"


class Stand(BaseHTTPRequestHandler):
    """A machine whose clock goes wrong, or that serves something else."""

    ahead = timedelta()
    body: bytes = b"{}"

    def do_GET(self) -> None:
        self.send_response_only(200)
        self.send_header("Date", format_datetime(datetime.now(UTC) + self.ahead, usegmt=True))
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def standing(body: bytes, ahead: timedelta = timedelta()) -> Iterator[str]:
    kind = type("Kind", (Stand,), {"body": body, "ahead": ahead})
    with ThreadingHTTPServer(("127.0.0.1", 0), kind) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


LIVE = b'{"status":"ok","leaseExpiryJob":{"lastRunAt":null,"staleSec":0,"healthy":true}}'
STALE = b'{"status":"ok","leaseExpiryJob":{"lastRunAt":null,"staleSec":900,"healthy":false}}'


@pytest.mark.parametrize("body", [b"<html>", b'{"status":"ok"}', b"[1]"])
def test_something_else_that_answers_fails(caller: Caller, body: bytes) -> None:
    with standing(body) as url:
        found = findings(caller.types("doctor", "--url", url), FAILING)

    assert list(found) == ["server"]
    assert found["server"][1].endswith("is no Orchestrion server")


@pytest.mark.parametrize(
    ("seconds", "text"), [(-60, "local clock is 60 s ahead"), (60, "local clock is 60 s behind")]
)
def test_clocks_that_differ_are_told(caller: Caller, seconds: int, text: str) -> None:
    with standing(LIVE, timedelta(seconds=seconds)) as url:
        found = findings(caller.types("doctor", "--quick", "--url", url))

    assert found["clock"][0] == "warn"
    # The header has whole seconds.
    near = [text.replace("60", str(shown)) for shown in (59, 60, 61)]
    assert any(found["clock"][1].startswith(one) for one in near)


def test_leases_that_nobody_sweeps_are_told(caller: Caller) -> None:
    with standing(STALE) as url:
        found = findings(caller.types("doctor", "--quick", "--url", url))

    assert found["leases"][0] == "warn"


def test_another_release_at_the_server_is_told(caller: Caller) -> None:
    with standing(LIVE.replace(b"{", b'{"version":"9.1.0",', 1)) as url:
        found = findings(caller.types("doctor", "--quick", "--url", url))

    assert found["server"][0] == "warn"
    assert "server 9.1.0" in found["server"][1]


# --- the key and its plan


def test_no_key_is_no_failure(caller: Caller) -> None:
    found = findings(caller.types("doctor", ORCHESTRION_API_KEY=""))

    assert found["key"] == ("warn", "no API key is set", "orchestrion keys register")


def test_a_key_that_is_refused_fails(caller: Caller) -> None:
    found = findings(caller.types("doctor", "--key", "orch_live_" + "0" * 64), FAILING)

    assert found["key"][0] == "fail"
    assert found["key"][2] == "orchestrion keys register"


PLANS = "".join(
    f'[plans.{plan}]\nname = "{plan}"\nprice_usd = {price}\ntasks_per_cycle = {most}\n'
    "max_workers = 5\nclaims_per_hour = 1000\ncreates_per_hour = 1000\nretention_days = 1\n"
    for plan, price, most in (("free", 0, 10), ("pro", 9, 100))
)


@pytest.fixture(scope="module")
def selling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    """Give a caller of a server whose plans are small."""
    folder = tmp_path_factory.mktemp("selling")
    (folder / "plans.toml").write_text(PLANS, "utf-8")
    with calling(folder, "--plans", str(folder / "plans.toml")) as caller:
        yield caller


def account(selling: Caller) -> tuple[str, str]:
    """Make an account with a key of its own."""
    made = Operator(f"sqlite:///{selling.database}").creates_key()
    return made["account_id"], made["key"]


def test_a_quota_that_is_used_up_fails(selling: Caller) -> None:
    _, key = account(selling)

    def used(tasks: int) -> Result:
        with Orchestrion(selling.url, key) as client:
            client.tasks.create_many([NewTask(type="x", payload={})] * tasks)
        return selling.types("doctor", "--key", key)

    assert findings(used(9))["quota"][0] == "ok"
    found = findings(used(1), FAILING)
    assert found["quota"][:2] == ("fail", "plan free: 10 of 10 tasks used in this cycle")


@pytest.mark.parametrize(
    ("ends", "level", "text"),
    [
        (timedelta(days=30, minutes=5), "ok", "plan holds for 30 days"),
        (timedelta(days=1, minutes=5), "warn", "plan ends in 1 day"),
        (-timedelta(days=1, minutes=5), "fail", "plan expired 2 days ago"),
    ],
)
def test_the_end_of_a_plan_is_told(selling: Caller, ends: timedelta, level: str, text: str) -> None:
    owner, key = account(selling)
    until = (datetime.now(UTC) + ends).isoformat()
    plans = str(selling.folder / "plans.toml")
    operator = Operator(f"sqlite:///{selling.database}")
    given = operator.types("accounts", "set-plan", owner, "pro", "--until", until, "--plans", plans)
    assert given.exit_code == 0, given.output

    code = FAILING if level == "fail" else HEALTHY
    found = findings(selling.types("doctor", "--key", key), code)

    assert found["plan"][:2] == (level, text)


# --- the machine of the server


def port_of(caller: Caller) -> str:
    return caller.url.rpartition(":")[2]


def test_a_database_and_its_machine_are_looked_at(caller: Caller) -> None:
    result = caller.types(
        "doctor", "--database", f"sqlite:///{caller.database}", "--port", port_of(caller)
    )

    found = findings(result)
    assert list(found)[4:] == [
        *("database", "schema", "journal_mode", "synchronous", "wal", "disk"),
        *("files", "port", "extras"),
    ]
    assert found["journal_mode"][1] == "journal_mode wal"
    assert found["synchronous"][1] == "synchronous full"
    assert found["port"][1] == f"port {port_of(caller)} is served by Orchestrion"


def test_a_shared_database_is_looked_at(caller: Caller, databases: Databases) -> None:
    with databases.postgres.lent() as database:
        variables = {"ORCHESTRION_DATABASE": database.url, "ORCHESTRION_PORT": "0"}
        found = findings(caller.types("doctor", **variables))

    assert found["database"][1].startswith("database ")
    assert "PostgreSQL" in found["database"][1]
    assert found["schema"][0] == "ok"
    assert "fsync" in found
    assert "wal" not in found


def test_a_file_that_is_not_there_fails(caller: Caller, tmp_path: Path) -> None:
    found = findings(
        caller.types("doctor", "--database", f"sqlite:///{tmp_path}/no.db", "--port", "0"), FAILING
    )

    assert found["database"][0] == "fail"
    assert not (tmp_path / "no.db").exists()


def test_a_schema_that_lacks_something_fails(caller: Caller, databases: Databases) -> None:
    with databases.postgres.made() as database:
        database.execute("delete from schema_migrations")
        variables = {"ORCHESTRION_DATABASE": database.url, "ORCHESTRION_PORT": "0"}
        found = findings(caller.types("doctor", **variables), FAILING)

    assert found["schema"][0] == "fail"
    assert found["schema"][2] == "orchestrion db migrate"


def test_a_log_that_was_not_cut_is_told(caller: Caller, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/tasks.db"
    Operator(url).creates_key()
    log = tmp_path / "tasks.db-wal"
    with log.open("ab") as file:
        file.truncate(int(LOG_ROOM * WAL_PAGES_MAX * 4096) + 1)

    found = findings(caller.types("doctor", "--database", url, "--port", "0"))

    assert found["wal"][0] == "warn"


def test_a_port_that_another_program_has_fails(caller: Caller) -> None:
    database = f"sqlite:///{caller.database}"
    with create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = caller.types("doctor", "--database", database, "--port", port)

    found = findings(result, FAILING)
    assert found["port"][0] == "fail"
    assert "another program listens there" in found["port"][1]


def test_a_free_port_is_fine(caller: Caller) -> None:
    port = str(free_port())
    result = caller.types("doctor", "--database", f"sqlite:///{caller.database}", "--port", port)

    assert findings(result)["port"][1] == f"port {port} is free"


def test_a_wrong_setting_is_wrong_usage(caller: Caller) -> None:
    result = caller.types("doctor", "--database", "mysql://here")

    assert (result.exit_code, result.stdout) == (WRONG, "")
