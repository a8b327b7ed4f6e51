"""The public documents: what they are, and how they are kept in caches."""

import json
import re

import msgspec
import pytest

from orchestrion.core.errors import ActionCode, ErrorCode
from orchestrion.core.operations import OPERATIONS, PAGES
from orchestrion.core.task import Status
from orchestrion.documents import read_document
from orchestrion.service import ServiceOptions
from tests.databases import Database
from tests.harness import Harness, running
from tests.http.callers import Caller, ok, recommended

JSON = ["/.well-known/agent.json", "/v1/capabilities", "/v1/tool", "/v1/schema"]
TEXTS = {
    "/llms.txt": "text/plain; charset=utf-8",
    "/AGENTS.md": "text/markdown; charset=utf-8",
    "/AGENT_CONTRACT.md": "text/markdown; charset=utf-8",
}
ALL = [*JSON, *TEXTS]


@pytest.mark.parametrize("path", ALL)
async def test_a_document_is_public_and_may_be_kept_for_five_minutes(
    path: str, service: Harness
) -> None:
    answer = await service.client.get(path)

    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "public, max-age=300"
    assert answer.headers["content-type"] == TEXTS.get(path, "application/json")
    assert len(answer.content) > 200


@pytest.mark.parametrize("path", ALL)
async def test_who_has_a_document_is_not_sent_it_again(path: str, service: Harness) -> None:
    etag = (await service.client.get(path)).headers["etag"]
    assert re.fullmatch(r'"[^"]+"', etag)

    for known in (etag, f'"other", {etag}', f"W/{etag}", "*"):
        answer = await service.client.get(path, headers={"If-None-Match": known})
        assert (answer.status_code, answer.content) == (304, b""), known
        assert answer.headers["etag"] == etag
        assert answer.headers["cache-control"] == "public, max-age=300"
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "content-length" not in answer.headers


@pytest.mark.parametrize("path", ALL)
async def test_who_has_another_document_is_sent_this_one(path: str, service: Harness) -> None:
    answer = await service.client.get(path, headers={"If-None-Match": '"other"'})

    assert answer.status_code == 200
    assert answer.content


@pytest.mark.parametrize("path", ALL)
async def test_a_document_stays_the_same_while_the_service_runs(
    path: str, service: Harness
) -> None:
    first = await service.client.get(path)
    service.clock.advance(1_000_000)

    assert (await service.client.get(path)).content == first.content


async def test_every_link_of_the_manifest_leads_somewhere(service: Harness) -> None:
    manifest = (await service.client.get("/.well-known/agent.json")).json()

    links = {name: link for name, link in manifest.items() if name.endswith("_url")}
    assert len(links) == 9
    for name, link in links.items():
        method = "POST" if name == "registration_url" else "GET"
        answer = await service.client.request(method, link)
        assert answer.status_code in (200, 201), (name, link)


async def test_a_server_that_knows_its_address_writes_it_into_its_links(database: Database) -> None:
    here = "https://tasks.example.org"
    async with running(database, ServiceOptions(public_url=here)) as service:
        manifest = (await service.client.get("/.well-known/agent.json")).json()

    links = [link for name, link in manifest.items() if name.endswith("_url")]
    assert all(link.startswith(f"{here}/") for link in links)


async def test_artifacts_are_where_the_operator_says(database: Database) -> None:
    options = ServiceOptions(artifact_base_url="https://files.example.org")
    async with running(database, options) as service:
        caller = Caller(service, await service.account())
        claim = await caller.held()
        task = ok(await caller.do("complete", claim["task"]["id"], output_id="out_1"))
        capabilities = (await service.client.get("/v1/capabilities")).json()

    assert recommended(task)["endpoint"] == "https://files.example.org/v1/outputs/out_1/content"
    assert capabilities["artifact_base_url"] == "https://files.example.org"


async def test_the_manifest_cannot_be_taken_for_an_agent_card(service: Harness) -> None:
    manifest = (await service.client.get("/.well-known/agent.json")).json()

    assert not {"skills", "url", "protocolVersion", "defaultInputModes"} & set(manifest)


async def test_the_capabilities_name_every_state_code_and_action(service: Harness) -> None:
    capabilities = (await service.client.get("/v1/capabilities")).json()

    assert capabilities["task_lifecycle"]["states"] == list(Status)
    assert {row["code"] for row in capabilities["errors"]} == set(ErrorCode)
    assert {row["code"] for row in capabilities["actions"]} == set(ActionCode)
    assert capabilities["idempotency"]["life_seconds"] == 7 * 24 * 3600


async def test_the_schema_knows_every_operation(service: Harness) -> None:
    schema = (await service.client.get("/v1/schema")).json()

    served = {(method.upper(), path) for path, row in schema["paths"].items() for method in row}
    assert {(row.method, row.path) for row in OPERATIONS + PAGES} <= served


@pytest.mark.parametrize("path", JSON)
async def test_programs_are_sent_no_spaces_between(path: str, service: Harness) -> None:
    answer = await service.client.get(path)

    assert answer.content == msgspec.json.format(answer.content, indent=-1)
    assert answer.json()


async def test_the_schema_as_it_is_served_is_the_one_in_the_repository(service: Harness) -> None:
    schema = (await service.client.get("/v1/schema")).json()

    assert schema == json.loads(read_document("openapi.json"))


async def test_where_an_unknown_route_leads_every_route_is_named(service: Harness) -> None:
    refusal = (await service.client.get("/v1/task")).json()

    found = (await service.client.get(recommended(refusal)["endpoint"])).json()

    named = {(row["method"], row["path"]) for row in found["operations"]}
    assert named == {(row.method, row.path) for row in OPERATIONS}


async def test_every_route_of_a_tool_is_a_route(service: Harness) -> None:
    manifest = (await service.client.get("/v1/tool")).json()

    known = {(row.method, row.path.replace("{id}", "{task_id}")) for row in OPERATIONS}
    for tool in manifest["tools"]:
        for route in tool["_meta"]["orchestrion/http"]["routes"]:
            path = re.sub(r"\{\w+\}", "{task_id}", route["path"])
            assert (route["method"], path) in known, tool["name"]


@pytest.mark.parametrize("path", TEXTS)
async def test_paths_named_in_a_text_exist(path: str, service: Harness) -> None:
    text = (await service.client.get(path)).text

    templates = {re.sub(r"\{\w+\}", "{id}", row.path) for row in OPERATIONS + PAGES}
    for named in re.findall(r"(?:GET|POST) (/v1/[\w/{}.-]*[\w}])", text):
        assert re.sub(r"\{\w+\}|tsk_\w+", "{id}", named) in templates, named


async def test_documents_carry_no_guidance_but_their_refusals_do(service: Harness) -> None:
    for path in JSON:
        assert "agent_contract" not in json.loads((await service.client.get(path)).content)
        refusal = await service.client.get(f"{path}?token=x")
        assert "agent_contract" in refusal.json()
