"""The few things in which one server's manifests differ from another's."""

import msgspec

from orchestrion.core.ids import KEY_PREFIX
from orchestrion.core.operations import BY_NAME
from orchestrion.core.plans import Catalogue

NAME = "Orchestrion"
Json = dict[str, object]


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """One server. Without a public address every link is a path, good on any host."""

    version: str
    catalogue: Catalogue
    public_url: str = ""
    sells_plans: bool = False
    registration: str = "open"
    artifact_base_url: str = "https://api.outputlayer.dev"

    def link(self, path: str) -> str:
        """Write where a path of this server is."""
        return self.public_url.rstrip("/") + path

    def authentication(self) -> Json:
        """Say how to send a key and how to get one."""
        register = BY_NAME["register_key"]
        return {
            "scheme": "bearer",
            "header": "Authorization",
            "format": f"Bearer {KEY_PREFIX}...",
            "key_format": f"^{KEY_PREFIX}[0-9a-f]{{64}}$",
            "registration": {
                "method": register.method,
                "url": self.link(register.path),
                "open": self.registration == "open",
            },
        }
