"""A campaign reads what its servers logged, and tells bugs and leaks from faults of the world."""

from pathlib import Path

import pytest

from tests.chaos.server_logs import complaints

KEY = "orch_live_" + "0" * 64


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ('{"event":"request_failed","fault":"Unavailable"}', False),
        ('{"event":"request_failed","fault":"AssertionError"}', True),
        ('{"event":"job_expire_leases_failed","fault":"KeyError"}', True),
        ('{"event":"request","path":"/v1/tasks"}', False),
        ('{"event":"request","path":"/v1/tasks","type":"canary-a0-77"}', True),
        (f'{{"event":"started","key":"{KEY}"}}', True),
        ('{"event":"request_fai', False),
    ],
)
def test_what_should_not_be_in_a_log_is_told_without_the_secret(
    tmp_path: Path, line: str, *, wrong: bool
) -> None:
    (tmp_path / "server-0.log").write_text(line, "utf-8")

    found = complaints(tmp_path)

    assert bool(found) is wrong
    assert not any(KEY in text for text in found)
