"""No word, id or key of one account is ever told to another, to the log or to the metrics."""

import sys
from pathlib import Path
from typing import Final

import pytest

from tests.security.canaries import Asked, Report, Scan, run
from tests.security.grounds import POSTGRES
from tests.security.tenants import Tenant
from tests.security.wire import Heard, Sent

OPERATIONS: Final = 50_000
SEED: Final = 20_261_122
ON_POSTGRES: Final = 5_000
FEW: Final = 1_000
# The server with its fourteenth mutation: a task is found by its id alone.
FORGETFUL: Final = (sys.executable, "-m", "tests.chaos.mutants", "M14")
READ: Final = Sent(name="read", method="GET", path="/v1/tasks")
TASK: Final = b"tsk_01M82JEB40NKBXTK53W8XK2Q54"


@pytest.fixture
def tenants() -> list[Tenant]:
    return [
        Tenant({"accountId": f"acct_{one * 26}", "apiKey": f"orch_live_{one * 64}"}, word * 32)
        for one, word in ("1a", "2b")
    ]


def test_fifty_thousand_operations_of_eight_accounts_leak_nothing(tmp_path: Path) -> None:
    looked_well(run(tmp_path, Asked(operations=OPERATIONS, seed=SEED)), OPERATIONS)


def test_nor_do_five_thousand_on_postgresql(tmp_path: Path) -> None:
    asked = Asked(operations=ON_POSTGRES, seed=SEED, kind=POSTGRES)
    looked_well(run(tmp_path, asked), ON_POSTGRES)


def looked_well(report: Report, operations: int) -> None:
    """The look was at answers in which words stand, and at a log in which things went wrong."""
    assert report.leaks == [], report.text()
    assert report.operations.total() == operations
    assert report.own_words_seen > operations, report.text()
    assert report.log_lines > operations, report.text()
    assert report.log_faults > 0, report.text()
    assert report.metric_samples > 100, report.text()
    prying = sum(n for name, n in report.operations.items() if name.startswith("pry"))
    assert prying > operations / 20


def test_a_server_that_forgets_the_account_in_one_read_is_caught(tmp_path: Path) -> None:
    report = run(tmp_path, Asked(operations=FEW, seed=SEED), FORGETFUL)

    assert any("in the answer to GET /v1/tasks/tsk_" in leak for leak in report.foreign)
    assert "LEAK" in report.text()


@pytest.mark.parametrize("where", ["head", "body"])
@pytest.mark.parametrize("what", ["word", "account", "key", "task"])
def test_what_is_another_accounts_is_found_wherever_it_stands(
    tenants: list[Tenant], what: str, where: str
) -> None:
    one, other = tenants
    scan = Scan(tenants, report := Report(seed=0))
    scan.answer(other, READ, b"GET", Heard(head=b"HTTP/1.1 200 OK", body=TASK))
    marks = {"word": other.canary, "account": other.id, "key": other.key, "task": TASK.decode()}
    told = b"HTTP/1.1 200 OK\r\nX: " + marks[what].encode()
    leak = Heard(head=told, body=b"") if where == "head" else Heard(head=told[:19], body=told)

    scan.answer(one, READ, b"GET", leak)

    assert len(report.foreign) == 1
    assert marks[what] in report.foreign[0]


def test_what_the_caller_wrote_itself_may_come_back(tenants: list[Tenant]) -> None:
    one, other = tenants
    scan = Scan(tenants, report := Report(seed=0))

    scan.answer(
        one, READ, other.canary.encode(), Heard(head=b"HTTP/1.1 404 No", body=other.canary.encode())
    )

    assert report.foreign == []


def test_a_word_in_the_log_is_found(tenants: list[Tenant]) -> None:
    scan = Scan(tenants, Report(seed=0))

    assert scan.words_in(f"good\nbad {tenants[1].canary}\n".encode()) == [
        f"bad {tenants[1].canary}"
    ]
