"""Arguments that name no time, no key or no address are refused before anything is sent."""

import math
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from orchestrion.client.errors import ConfigurationError
from orchestrion.client.schedule import RunAt
from orchestrion.client.sync import Orchestrion
from orchestrion.client.task import NewTask
from tests.client.application import Network

TASK_ID = "tsk_01M814NJ33M9S346Q3D25VT4F5"
FAR = "far"


@pytest.mark.parametrize(
    "run_at",
    [
        "+999999999d",
        timedelta(days=999_999_999),
        datetime.max.replace(tzinfo=timezone(timedelta(hours=-1))),
    ],
    ids=str,
)
def test_an_instant_beyond_all_calendars(
    client: Orchestrion, network: Network, run_at: RunAt
) -> None:
    with pytest.raises(ValueError, match=r"run_at .* no calendar"):
        client.tasks.create(FAR, {}, run_at=run_at)

    assert network.requests == []


@pytest.mark.parametrize("wait", [math.inf, math.nan])
def test_a_pause_that_is_no_number_of_seconds(
    client: Orchestrion, network: Network, wait: float
) -> None:
    for verb in (client.tasks.fail, client.tasks.release):
        with pytest.raises(ValueError, match=r"retry_after .* seconds"):
            verb(TASK_ID, "lse_1", reason="busy", retry_after=wait)

    assert network.requests == []


def test_a_wait_that_is_no_number(client: Orchestrion, network: Network) -> None:
    with pytest.raises(ValueError, match=r"nan .* seconds"):
        client.tasks.wait(TASK_ID, timeout=math.nan)
    with pytest.raises(ValueError, match=r"nan .* seconds"), client.claim(FAR, wait=math.nan):
        pytest.fail("the block must not run")

    assert network.requests == []


def test_a_new_task_that_is_none(client: Orchestrion, network: Network) -> None:
    mistaken: Any = {"type": FAR, "payload": {}}

    with pytest.raises(TypeError, match="create_many takes NewTask, not dict"):
        client.tasks.create_many([mistaken])

    assert network.requests == []


def test_a_key_without_a_character(client: Orchestrion, network: Network) -> None:
    with pytest.raises(ValueError, match="idempotency key"):
        client.tasks.create(FAR, {}, idempotency_key="")
    with pytest.raises(ValueError, match="idempotency key"):
        client.tasks.create_many([NewTask(FAR, {}, idempotency_key="")])

    assert network.requests == []


@pytest.mark.parametrize("url", ["http://\udcff", "http://x\0", "http://x\ty"], ids=ascii)
def test_an_address_that_is_no_text(url: str) -> None:
    with pytest.raises(ConfigurationError, match="address"):
        Orchestrion(url, "key")
