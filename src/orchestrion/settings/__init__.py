"""Everything an operator can set, read once at the start; nothing below main may import it."""

from pathlib import Path
from typing import Literal

import msgspec

from orchestrion.settings.sources import SettingError, Sources, resolve
from orchestrion.settings.table import SETTINGS, Setting
from orchestrion.settings.values import PLANS_BUILT_IN, Network, sqlite_path

__all__ = [
    "SETTINGS",
    "Network",
    "Setting",
    "SettingError",
    "Settings",
    "Sources",
    "load_database_path",
    "load_settings",
]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of one server, every value checked; a field's default is the setting's."""

    host: str = "127.0.0.1"
    port: int = 8080
    database: str = "sqlite:///orchestrion.db"
    plans: str = "self-hosted"
    registration: Literal["open", "closed"] = "open"
    public_url: str = ""
    trusted_proxies: tuple[Network, ...] = ()
    cors_origins: tuple[str, ...] = ()
    artifact_base_url: str = "https://api.outputlayer.dev"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["auto", "json", "console"] = "auto"
    metrics_host: str = "127.0.0.1"
    metrics_port: int = 0
    drain_delay_seconds: int = 0
    shutdown_seconds: int = 20

    @property
    def database_path(self) -> Path:
        """The file behind the database URL."""
        return sqlite_path(self.database)

    @property
    def plans_path(self) -> Path | None:
        """The file of plans, or None where a built-in catalogue is named."""
        return None if self.plans in PLANS_BUILT_IN else Path(self.plans)


def load_settings(sources: Sources) -> Settings:
    """Read all settings from the sources; raises SettingError."""
    names = [setting.name for setting in SETTINGS]
    return msgspec.structs.replace(Settings(), **resolve(SETTINGS, sources, names))


def load_database_path(sources: Sources) -> Path:
    """Read where the database is, whatever the other settings say; raises SettingError."""
    given = resolve(SETTINGS, sources, ["database"])
    return msgspec.structs.replace(Settings(), **given).database_path
