"""What tenants write commands nobody: not in guidance, headers, logs, metrics or documents."""

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.request import urlopen

import httpx2
import msgspec
import pytest

from orchestrion.core.operations import BY_NAME
from orchestrion.observe.pipeline import FIELDS
from tests.databases import Database, Databases
from tests.e2e.serving import PATIENCE_SECONDS, serving
from tests.harness import Harness, running
from tests.security.agent_texts import HARMLESS, HOSTILE, MARK
from tests.security.walk import LEFT_OUT, through, through_awaited, walk
from tests.security.wire import Sent

DOCUMENTS: Final = ("/llms.txt", "/AGENTS.md", "/AGENT_CONTRACT.md", "/v1/capabilities", "/v1/tool")
# Where a guidance leads: plain paths of this API, with what a tenant chose percent-encoded.
ENDPOINT: Final = re.compile(
    r"/v1/[a-z_/]+(?:tsk_[0-9A-Z]{26})?[a-z_/{}]*(?:\?[\w=&%.~-]+)?"
    r"|https://api\.outputlayer\.dev/v1/outputs/[\w%.~-]+/content",
    re.ASCII,
)
SAID: Final = ("error", "message", "details", "reason", "outcome")
VARYING: Final = {"endpoint", "retry_after_seconds"}
HOUR: Final = 3_600

Json = dict[str, Any]


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """An answer: its name, status and headers, and what of it the service says in its own words."""

    name: str
    status: int
    headers: dict[str, str]
    said: list[Json]
    endpoints: list[str]


@pytest.fixture(scope="module")
def told(databases: Databases) -> dict[str, list[Told]]:
    """Let an account walk through everything for each of the texts."""
    with databases.sqlite() as database:
        return asyncio.run(all_walked(database))


async def all_walked(database: Database) -> dict[str, list[Told]]:
    answers: dict[str, list[Told]] = {}
    async with running(database) as service:
        for name, text in {"harmless": HARMLESS, **HOSTILE}.items():
            answers[name] = await walked(service, text)
            # Windows open again.
            service.clock.advance(HOUR)
        assert service.observer.faults == []
    return answers


async def walked(service: Harness, text: str) -> list[Told]:
    account = await service.account()
    kept = []

    async def ask(sent: Sent) -> Json:
        headers = {**account.headers, **sent.headers}
        answer = await service.client.request(
            sent.method, sent.path, json=sent.body, headers=headers
        )
        kept.append(heard(sent, answer))
        found: Json = answer.json()
        return found

    await through_awaited(walk(text, type_of(text)), ask)
    return kept


def test_the_walk_passes_every_operation_that_takes_a_text(told: dict[str, list[Told]]) -> None:
    names = {one.name for one in told["harmless"]}

    assert names >= BY_NAME.keys() - LEFT_OUT.keys()
    assert len({json.dumps(one.said) for one in told["harmless"]}) > 20


@pytest.mark.parametrize("name", HOSTILE)
def test_guidance_is_the_same_whatever_a_tenant_writes(
    name: str, told: dict[str, list[Told]]
) -> None:
    harmless = [(one.name, one.status, one.said) for one in told["harmless"]]

    assert [(one.name, one.status, one.said) for one in told[name]] == harmless
    assert MARK not in json.dumps(harmless)


@pytest.mark.parametrize("name", HOSTILE)
def test_no_guidance_leads_anywhere_but_here(name: str, told: dict[str, list[Told]]) -> None:
    endpoints = {endpoint for one in told[name] for endpoint in one.endpoints}

    assert len(endpoints) > 10
    assert [one for one in endpoints if not ENDPOINT.fullmatch(one)] == []


@pytest.mark.parametrize("name", HOSTILE)
def test_headers_hold_nothing_that_a_tenant_wrote(name: str, told: dict[str, list[Told]]) -> None:
    harmless = [set(one.headers) for one in told["harmless"]]

    assert [set(one.headers) for one in told[name]] == harmless
    for one in told[name]:
        for header, value in one.headers.items():
            # The next page of a filtered list has the filter in its address, percent-encoded.
            assert MARK not in value or (header == "link" and value.isascii()), (one.name, header)


def test_log_metrics_and_documents_hold_nothing_that_a_tenant_wrote(tmp_path: Path) -> None:
    with (
        serving(tmp_path / "orchestrion.db") as served,
        httpx2.Client(base_url=served.url(), timeout=PATIENCE_SECONDS) as client,
    ):
        headers = {"Authorization": f"Bearer {served.first_key()}"}
        before = {path: client.get(path).content for path in DOCUMENTS}

        def ask(sent: Sent) -> Json:
            answer = client.request(
                sent.method, sent.path, json=sent.body, headers={**headers, **sent.headers}
            )
            found: Json = answer.json()
            return found

        for text in HOSTILE.values():
            through(walk(text, type_of(text)), ask)
        page = f"http://127.0.0.1:{served.metrics_port}/metrics"
        with urlopen(page, timeout=PATIENCE_SECONDS) as answer:
            metrics = answer.read()
        after = {path: client.get(path).content for path in DOCUMENTS}

    assert after == before
    for said in (served.log, served.stdout.encode(), metrics, *after.values()):
        assert MARK.encode() not in said
        assert b"evil" not in said
    assert len(served.lines) > 50 * len(HOSTILE)
    for line in served.lines:
        assert line.keys() <= {*FIELDS, "timestamp", "level", "event"}


def heard(sent: Sent, answer: httpx2.Response) -> Told:
    body = answer.json()
    parts = [body, *body.get("items", ())]
    parts += [part["body"] for part in body.get("items", ()) if "body" in part]
    contracts = [part["agent_contract"] for part in parts if "agent_contract" in part]
    said = [{name: part[name] for name in SAID if name in part} for part in parts]
    return Told(
        name=sent.name,
        status=answer.status_code,
        headers=dict(answer.headers),
        said=[*said, *({"next": [step(one) for one in steps_of(one)]} for one in contracts)],
        endpoints=[one["endpoint"] for each in contracts for one in steps_of(each)],
    )


def steps_of(contract: Json) -> Iterator[Json]:
    yield from contract["next_actions"]


def step(one: Json) -> Json:
    """Leave out where a step leads, which has the caller's ids in it, and seconds."""
    return {name: value for name, value in one.items() if name not in VARYING}


def type_of(text: str) -> str:
    """Write it as the name of a type, as far as that goes."""
    return re.sub(r"[^a-zA-Z0-9_-]", "_", text)[:90]
