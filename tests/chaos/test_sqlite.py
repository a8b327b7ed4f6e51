"""The short campaign on SQLite: a server killed again and again under clients that misbehave."""

from pathlib import Path

import pytest

from tests.chaos.ground import SQLITE
from tests.chaos.judging_runs import campaign_is_clean


@pytest.mark.slow
def test_no_promise_is_broken_on_sqlite_whatever_happens(tmp_path: Path) -> None:
    campaign_is_clean(SQLITE, tmp_path)
