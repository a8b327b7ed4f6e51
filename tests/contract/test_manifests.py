"""The discovery documents say what the tables of the code say."""

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator

from orchestrion.api.manifests import Site, agent_manifest, capabilities, tool_manifest
from orchestrion.api.manifests.action_meanings import MEANINGS
from orchestrion.api.manifests.tool_table import TOOLS
from orchestrion.core import limits
from orchestrion.core.errors import CATALOGUE, ActionCode, ErrorCode
from orchestrion.core.lifecycle import TABLE, TERMINAL
from orchestrion.core.operations import BY_NAME, OPERATIONS
from orchestrion.core.plans import HOSTED, SELF_HOSTED
from orchestrion.core.task import Status
from tests.answers import AnswerCheck
from tests.contract.documents import PYTHON_ONLY, served

HERE = Site(version="1.2.3", catalogue=SELF_HOSTED)
SHOP = Site(
    version="1.2.3", catalogue=HOSTED, public_url="https://tasks.example.com", sells_plans=True
)
TOOL_NAMES = {
    *("create_task", "list_tasks", "check_task_status", "claim_task", "heartbeat"),
    *("complete_task", "fail_task", "requeue_task", "check_billing_status", "verify_payment"),
    *("create_tasks", "complete_tasks", "fail_tasks", "heartbeat_tasks"),
    *(
        "explain_task",
        "get_stats",
        "wait_for_tasks",
        "cancel_task",
        "release_task",
        "register_key",
        "list_plans",
        "start_checkout",
    ),
}
# Bounds of the server's own work, which no caller meets.
INWARD = {
    *("EXPIRE_BATCH_MAX", "PURGE_BATCH_MAX", "CLAIM_OVERDUE_MARGIN", "AGAIN_MAX"),
    *("HELD_UNDER_KEY_MAX", "LOOK_SECONDS_AHEAD", "LOOK_LEASES_MAX", "BATCH_BYTES_AT_ONCE"),
    *("WAIT_READS_MAX", "SIMILAR_LETTERS_MAX", "STATS_ACCOUNTS_MAX", "TASK_MINUTES_SECONDS"),
}

Json = dict[str, Any]


def plain(value: object) -> Json:
    found: Json = json.loads(msgspec.json.encode(value))
    return found


@pytest.mark.parametrize("site", [HERE, SHOP], ids=["here", "shop"])
def test_the_documents_fit_the_schema(site: Site) -> None:
    check = AnswerCheck()
    headers = {"content-type": "application/json", "x-request-id": "req_12345678"}

    for path, value in (
        ("/.well-known/agent.json", agent_manifest(site)),
        ("/v1/capabilities", capabilities(site)),
        ("/v1/tool", tool_manifest(site)),
    ):
        check.check("GET", path, 200, headers, msgspec.json.encode(value))


def test_the_agent_manifest_has_every_link_and_no_face_of_a_card() -> None:
    found = plain(agent_manifest(SHOP))

    links = {name: url for name, url in found.items() if name.endswith("_url")}
    assert links == {
        "capabilities_url": "https://tasks.example.com/v1/capabilities",
        "tool_manifest_url": "https://tasks.example.com/v1/tool",
        "openapi_schema_url": "https://tasks.example.com/v1/schema",
        "registration_url": "https://tasks.example.com/v1/keys/register",
        "documentation_url": "https://tasks.example.com/AGENTS.md",
        "health_url": "https://tasks.example.com/health",
        "llms_txt_url": "https://tasks.example.com/llms.txt",
        "agent_contract_url": "https://tasks.example.com/AGENT_CONTRACT.md",
        "plans_url": "https://tasks.example.com/v1/billing/plans",
    }
    assert found["kind"] == "orchestrion-discovery"
    assert {"scheme", "header", "key_format", "registration"} <= set(found["authentication"])
    assert found.keys().isdisjoint({"url", "skills", "capabilities", "protocolVersion"})


def test_links_without_a_public_address_are_paths_that_exist() -> None:
    paths = served()["paths"]

    for name, url in plain(agent_manifest(HERE)).items():
        if name.endswith("_url"):
            assert url in paths, name


def test_capabilities_list_states_and_transitions_of_the_table() -> None:
    lifecycle = plain(capabilities(HERE))["task_lifecycle"]

    assert lifecycle["states"] == list(Status)
    assert set(lifecycle["terminal_states"]) == TERMINAL
    steps = {(step["from"], step["trigger"], step["to"]) for step in lifecycle["transitions"]}
    expected = {(state, verb, row.target) for (state, verb), row in TABLE.items()}
    expected |= {
        (state, verb, target)
        for (state, verb), row in TABLE.items()
        for target in (row.exhausted, row.withdrawn)
        if target
    }
    assert steps == expected


def test_capabilities_list_every_error_as_the_catalogue_has_it() -> None:
    errors = {row["code"]: row for row in plain(capabilities(SHOP))["errors"]}

    assert list(errors) == list(ErrorCode)
    for code, row in CATALOGUE.items():
        assert errors[code]["status"] == row.statuses[0]
        assert errors[code]["statuses"] == list(row.statuses)
        assert errors[code]["retryable"] is row.retryable
        assert errors[code]["meaning"] == row.meaning
        assert errors[code]["recommended_action"] == row.action


def test_nobody_is_told_to_buy_where_nothing_is_sold() -> None:
    actions = {row["recommended_action"] for row in plain(capabilities(HERE))["errors"]}

    assert actions.isdisjoint({ActionCode.UPGRADE_PLAN, ActionCode.RENEW_PLAN})


def test_capabilities_list_every_action_with_operations_that_exist() -> None:
    actions = {row["code"]: row["operations"] for row in plain(capabilities(HERE))["actions"]}

    assert list(actions) == list(ActionCode)
    assert {name for names in actions.values() for name in names} <= BY_NAME.keys()
    assert set(MEANINGS) == set(ActionCode)


def test_capabilities_hold_every_bound_that_callers_meet() -> None:
    published = set(_numbers(plain(capabilities(SHOP))))

    bounds = {name: value for name, value in vars(limits).items() if name.isupper()}
    missing = {name for name, value in bounds.items() if value not in published} - INWARD

    assert missing == set()


def test_rate_limits_follow_the_catalogue() -> None:
    def names(site: Site) -> set[str]:
        return {row["name"] for row in plain(capabilities(site))["rate_limits"]}

    assert names(HERE) == {"creates", "claims", "registration"}
    assert names(SHOP) == names(HERE) | {"reads", "mutations", "heartbeats", "discovery"}
    creates = plain(capabilities(SHOP))["rate_limits"][0]
    assert creates["limit_by_plan"] == {"free": 120, "basic": 500, "pro": 2_000, "agency": 7_500}


def test_there_is_a_tool_for_each_operation_an_agent_calls() -> None:
    tools = plain(tool_manifest(HERE))["tools"]

    assert {tool["name"] for tool in tools} == TOOL_NAMES
    routed = {name for tool in TOOLS for name in tool.routes}
    called = {row.name for row in OPERATIONS if row.tag in ("Tasks", "Billing")}
    assert routed == called | {"register_key"}


def test_a_tool_bears_the_name_of_the_action_that_recommends_it() -> None:
    operations = {name for row in MEANINGS.values() for name in row.operations}
    named = {code for code in ActionCode if code in BY_NAME}

    assert named <= TOOL_NAMES
    assert {tool for tool in TOOL_NAMES if tool in operations} >= named


@pytest.mark.parametrize("tool", plain(tool_manifest(HERE))["tools"], ids=lambda one: one["name"])
def test_a_tool_is_complete(tool: Json) -> None:
    assert set(tool) == {
        *("name", "title", "description", "inputSchema", "outputSchema", "annotations", "_meta")
    }
    assert set(tool["annotations"]) == {
        *("readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint")
    }
    assert "Next:" in tool["description"]
    for schema in (tool["inputSchema"], tool["outputSchema"]):
        Draft202012Validator.check_schema(schema)
        assert schema["type"] == "object"
        assert {"oneOf", "anyOf", "allOf"}.isdisjoint(schema)
    assert tool["inputSchema"]["additionalProperties"] is False


@pytest.mark.parametrize("tool", plain(tool_manifest(HERE))["tools"], ids=lambda one: one["name"])
def test_the_arguments_of_a_tool_all_have_a_place_in_its_request(tool: Json) -> None:
    placed = set()
    for route in tool["_meta"]["orchestrion/http"]["routes"]:
        row = BY_NAME[route["operationId"]]
        assert (route["method"], route["path"].replace("task_id", "id")) == (row.method, row.path)
        for kind in ("path_arguments", "query_arguments", "header_arguments", "body_arguments"):
            placed |= set(route[kind])

    assert placed == set(tool["inputSchema"]["properties"])


def test_the_arguments_of_a_tool_have_the_bounds_of_the_operation() -> None:
    tools = {tool["name"]: tool["inputSchema"] for tool in plain(tool_manifest(HERE))["tools"]}
    body = served()["paths"]["/v1/tasks"]["post"]["requestBody"]["content"]["application/json"]

    assert tools["create_task"]["properties"] == body["schema"]["properties"]
    assert tools["create_task"]["required"] == ["type", "payload"]
    assert tools["list_tasks"]["properties"]["limit"]["default"] == limits.PAGE_SIZE_DEFAULT
    for name in ("heartbeat", "complete_task", "fail_task", "release_task"):
        assert tools[name]["required"] == ["task_id", "lease_token"]


def test_every_pattern_of_a_tool_is_one_that_json_schema_knows() -> None:
    patterns = list(_patterns(plain(tool_manifest(HERE))))

    assert patterns
    assert [one for one in patterns if PYTHON_ONLY.search(one)] == []


def test_tools_that_act_on_a_lease_say_that_any_conflict_ends_it() -> None:
    tools = {tool["name"]: tool["description"] for tool in plain(tool_manifest(HERE))["tools"]}

    for name in ("heartbeat", "complete_task", "fail_task", "release_task"):
        assert "409" in tools[name], name
    for name in ("heartbeat_tasks", "complete_tasks", "fail_tasks"):
        assert "409" in tools[name], name


def test_capabilities_name_the_route_of_every_operation() -> None:
    operations = plain(capabilities(HERE))["operations"]

    assert operations == [
        {"operation": row.name, "method": row.method, "path": row.path} for row in OPERATIONS
    ]


def test_capabilities_tell_how_each_repeat_is_answered() -> None:
    idempotency = plain(capabilities(HERE))["idempotency"]

    assert idempotency["replay"] == {"status": 201, "header": "Idempotent-Replayed"}
    assert idempotency["claims"]["replay"] == {"status": 200, "header": "Idempotent-Replayed"}


def test_what_tools_give_back_fits_their_schema() -> None:
    whole = served()
    values = {name: one["value"] for name, one in whole["components"]["examples"].items()}
    shown = {
        "create_task": "task_pending",
        "claim_task": "claim_found",
        "list_tasks": "page_with_more",
        "list_plans": "plans",
        "check_billing_status": "billing_status",
        "register_key": "key",
        "start_checkout": "checkout",
        "verify_payment": "verified",
    }
    tools = {tool["name"]: tool["outputSchema"] for tool in plain(tool_manifest(HERE))["tools"]}

    for tool, example in {**shown, "claim_task": "claim_empty"}.items():
        assert list(Draft202012Validator(tools[tool]).iter_errors(values[example])) == []
    assert list(Draft202012Validator(tools["claim_task"]).iter_errors(values["claim_found"])) == []
    assert not Draft202012Validator(tools["claim_task"]).is_valid(values["task_pending"])


def _patterns(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("pattern"), str):
            yield node["pattern"]
        for value in node.values():
            yield from _patterns(value)
    elif isinstance(node, list):
        for value in node:
            yield from _patterns(value)


def _numbers(node: object) -> list[int]:
    if isinstance(node, dict):
        return [number for value in node.values() for number in _numbers(value)]
    if isinstance(node, list):
        return [number for value in node for number in _numbers(value)]
    return [node] if isinstance(node, int) and not isinstance(node, bool) else []
