"""The public documents of a running server, rendered once at its start."""

from collections.abc import Mapping

from orchestrion.api.pages import JSON_TYPE, MARKDOWN_TYPE, TEXT_TYPE, Page
from orchestrion.core.contract import Guide
from orchestrion.core.plans import Catalogue
from orchestrion.documents import read_document

_TEXTS = {
    "read_llms_txt": ("llms.txt", TEXT_TYPE),
    "read_agents_guide": ("AGENTS.md", MARKDOWN_TYPE),
    "read_contract_guide": ("AGENT_CONTRACT.md", MARKDOWN_TYPE),
}


def documents(catalogue: Catalogue, guide: Guide, public_url: str) -> Mapping[str, Page]:
    """Render every public document, by operation."""
    texts = {
        operation: Page(body=read_document(name), content_type=content_type)
        for operation, (name, content_type) in _TEXTS.items()
    }
    temp = {n: Page(body=b'{}', content_type=JSON_TYPE) for n in ('get_agent_manifest','get_capabilities','get_tool_manifest','get_schema')}
    return {**texts, **temp}
