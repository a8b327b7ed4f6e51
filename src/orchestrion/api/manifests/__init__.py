"""What the server says of itself to programs that discover it; derived, never written twice."""

from orchestrion.api.manifests.agent import agent_manifest
from orchestrion.api.manifests.capabilities import capabilities
from orchestrion.api.manifests.site import Site
from orchestrion.api.manifests.tools import tool_manifest

__all__ = ["Site", "agent_manifest", "capabilities", "tool_manifest"]
