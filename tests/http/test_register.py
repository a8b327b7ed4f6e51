"""POST /v1/keys/register."""

import re
import zlib

from orchestrion.service import ServiceOptions
from tests.databases import Database
from tests.harness import Harness, running
from tests.http.callers import advice, ok, recommended, refused


async def test_anybody_gets_an_account_and_a_key(service: Harness) -> None:
    answer = await service.client.post("/v1/keys/register")

    body = ok(answer, 201)
    assert re.fullmatch(r"acct_[0-9A-HJKMNP-TV-Z]{26}", body["accountId"])
    assert re.fullmatch(r"orch_live_[0-9a-f]{64}", body["apiKey"])
    digits = body["apiKey"].removeprefix("orch_live_")
    assert int(digits[56:], 16) == zlib.crc32(digits[:56].encode())
    assert advice(body) == ["create_task", "claim_task"]


async def test_the_key_works_at_once(service: Harness) -> None:
    key = (await service.client.post("/v1/keys/register")).json()["apiKey"]

    ok(await service.client.get("/v1/tasks", headers={"Authorization": f"Bearer {key}"}))


async def test_an_address_for_mail_is_optional(service: Harness) -> None:
    ok(await service.client.post("/v1/keys/register", json={"email": "ada@example.org"}), 201)
    ok(await service.client.post("/v1/keys/register", json={}), 201)


async def test_the_key_is_kept_by_no_cache(service: Harness) -> None:
    answer = await service.client.post("/v1/keys/register")

    assert answer.headers["cache-control"] == "no-store"


async def test_a_closed_server_registers_nobody(database: Database) -> None:
    async with running(database, ServiceOptions(registration="closed")) as service:
        answer = refused(await service.client.post("/v1/keys/register"), 404, "invalid_request")

    assert recommended(answer)["action"] == "fix_request"
    assert "operator" in answer["message"]


async def test_a_closed_server_sends_strangers_to_its_operator(database: Database) -> None:
    async with running(database, ServiceOptions(registration="closed")) as service:
        answer = await service.client.get("/v1/tasks")

    step = answer.json()["agent_contract"]["next_actions"][0]
    assert (answer.status_code, step["action"]) == (401, "authenticate")
    assert "operator" in step["description"]
