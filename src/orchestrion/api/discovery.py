"""The public documents of a running server, rendered once at its start."""

from collections.abc import Mapping

import msgspec

from orchestrion.api.manifests import Site, agent_manifest, capabilities, tool_manifest
from orchestrion.api.pages import JSON_TYPE, MARKDOWN_TYPE, TEXT_TYPE, Page
from orchestrion.documents import read_document

_TEXTS = {
    "read_llms_txt": ("llms.txt", TEXT_TYPE),
    "read_agents_guide": ("AGENTS.md", MARKDOWN_TYPE),
    "read_contract_guide": ("AGENT_CONTRACT.md", MARKDOWN_TYPE),
    "get_schema": ("openapi.json", JSON_TYPE),
}
_MANIFESTS = {
    "get_agent_manifest": agent_manifest,
    "get_capabilities": capabilities,
    "get_tool_manifest": tool_manifest,
}


def documents(site: Site) -> Mapping[str, Page]:
    """Render every public document, by operation."""
    texts = {
        operation: Page(body=_text(name), content_type=content_type)
        for operation, (name, content_type) in _TEXTS.items()
    }
    manifests = {
        operation: Page(body=msgspec.json.encode(write(site)), content_type=JSON_TYPE)
        for operation, write in _MANIFESTS.items()
    }
    return {**texts, **manifests}


def _text(name: str) -> bytes:
    """Give a document as it is served: what people read in the repository, programs read here."""
    text = read_document(name)
    return msgspec.json.format(text, indent=-1) if name.endswith(".json") else text
