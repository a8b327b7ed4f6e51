"""agent.json: links for a program that knows only the host. It is not an A2A card."""

from orchestrion.api.manifests.site import NAME, Json, Site
from orchestrion.api.schema import API_VERSION
from orchestrion.core.operations import BY_NAME

_LINKS = (
    ("capabilities_url", BY_NAME["get_capabilities"].path),
    ("tool_manifest_url", BY_NAME["get_tool_manifest"].path),
    ("openapi_schema_url", BY_NAME["get_schema"].path),
    ("registration_url", BY_NAME["register_key"].path),
    ("documentation_url", "/AGENTS.md"),
    ("health_url", BY_NAME["check_health"].path),
    ("llms_txt_url", "/llms.txt"),
    ("agent_contract_url", "/AGENT_CONTRACT.md"),
    ("plans_url", BY_NAME["list_plans"].path),
)


def agent_manifest(site: Site) -> Json:
    """Write the manifest."""
    return {
        "kind": "orchestrion-discovery",
        "name": NAME,
        "description": (
            "A task service for autonomous agents: create a task, claim it under a lease, "
            "complete it, and be told after every answer what to do next. This document is "
            "Orchestrion's own manifest of links, not an A2A agent card."
        ),
        "version": site.version,
        "api_version": API_VERSION,
        **{name: site.link(path) for name, path in _LINKS},
        "authentication": site.authentication(),
    }
