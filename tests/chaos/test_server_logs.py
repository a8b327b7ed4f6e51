"""A campaign reads what its servers logged, and tells bugs and leaks from faults of the world."""

from pathlib import Path

import pytest

from tests.chaos.server_logs import complaints

KEY = "orch_live_" + "0" * 64


def error(event: str, fault: str | None = None, level: str = "error") -> str:
    """Give a line as a server writes it."""
    named = "" if fault is None else f',"fault":"{fault}"'
    return f'{{"timestamp":"2026-11-22T22:23:10.531Z","level":"{level}","event":"{event}"{named}}}'


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        (error("request_failed", "Unavailable"), False),
        (error("job_expire_leases_failed", "Unavailable"), False),
        (error("empty_claim_unexplained", "Blocked"), False),
        (error("database away"), False),
        (error("wakeups_lost", "InterfaceError"), False),
        (error("wakeups_lost", "InternalClientError"), False),
        (error("wakeups_lost", "ConnectionResetError"), False),
        (error("wakeups_lost", "AdminShutdownError"), False),
        (error("wakeups_lost", "KeyError"), True),
        (error("request_failed", "InterfaceError"), True),
        (error("request_crashed", "KeyError"), True),
        (error("job_expire_leases_failed", "AssertionError"), True),
        (error("writer_died", "RuntimeError"), True),
        (error("lookout_died", "ValueError"), True),
        (error("thread died", "TypeError"), True),
        (error("exception ignored", "TypeError", "critical"), True),
        (error("Task exception was never retrieved"), True),
        (error("database_at_risk", level="warning"), False),
        ('{"level":"info","event":"request","operation":"claim_next_task"}', False),
        ('{"level":"info","event":"request","type":"canary-a0-77"}', True),
        (f'{{"level":"info","event":"started","key":"{KEY}"}}', True),
        ("Traceback (most recent call last):", True),
    ],
)
def test_what_should_not_be_in_a_log_is_told_without_the_secret(
    tmp_path: Path, line: str, *, wrong: bool
) -> None:
    (tmp_path / "server-0.log").write_text(f"{line}\n", "utf-8")

    found = complaints(tmp_path)

    assert bool(found) is wrong
    assert not any(KEY in text for text in found)


def test_only_the_last_line_of_a_killed_server_may_be_unfinished(tmp_path: Path) -> None:
    log = tmp_path / "server-0.log"

    log.write_text('{"level":"info","event":"requ', "utf-8")
    killed = complaints(tmp_path)
    log.write_text('{"level":"info","event":"requ\n', "utf-8")

    assert killed == []
    assert complaints(tmp_path) != []
