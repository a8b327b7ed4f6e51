"""The short campaign on PostgreSQL: three servers, and a database that is hurt as they are."""

from pathlib import Path

import pytest

from tests.chaos.ground import POSTGRES
from tests.chaos.judging_runs import campaign_is_clean


@pytest.mark.slow
def test_no_promise_is_broken_on_postgres_whatever_happens(tmp_path: Path) -> None:
    campaign_is_clean(POSTGRES, tmp_path)
