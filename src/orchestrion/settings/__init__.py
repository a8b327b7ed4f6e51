"""Everything an operator can set, read once at the start; nothing below main may import it."""

from pathlib import Path
from typing import Literal

import msgspec

from orchestrion.core.plan_file import catalogue_from_toml
from orchestrion.core.plans import HOSTED, SELF_HOSTED, Catalogue
from orchestrion.payments.hosts import BaseUrl
from orchestrion.payments.paypal import PayPalOptions
from orchestrion.payments.tokens import Credentials
from orchestrion.selling import Taker
from orchestrion.settings.sources import SettingError, Sources, resolve, shown
from orchestrion.settings.table import SETTINGS, Setting
from orchestrion.settings.values import PLANS_BUILT_IN, PORT_MAX, Network, Secret, loopback
from orchestrion.store.address import (
    Address,
    Batches,
    DatabaseOptions,
    Pooler,
    PostgresUrl,
    SqliteFile,
)

__all__ = [
    "DATABASE_SETTINGS",
    "SETTINGS",
    "Network",
    "Setting",
    "SettingError",
    "Settings",
    "Sources",
    "load_catalogue",
    "load_database_options",
    "load_settings",
]

# What every command needs that only opens the database.
DATABASE_SETTINGS = ("database", "database_pooler")


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of one server, every value checked; a field's default is the setting's."""

    host: str = "127.0.0.1"
    port: int = 8080
    database: Address = SqliteFile(path=Path("orchestrion.db"))
    database_pooler: Pooler = "none"
    database_batches: Batches = "mixed"
    notify_database: PostgresUrl | None = None
    plans: str = "self-hosted"
    registration: Literal["open", "closed"] = "open"
    public_url: str = ""
    payments: Literal["auto", "off", "paypal", "pretend"] = "auto"
    paypal_client_id: str = ""
    paypal_secret: Secret | None = None
    paypal_base_url: str = "https://api-m.paypal.com"
    paypal_webhook_id: str = ""
    trusted_proxies: tuple[Network, ...] = ()
    cors_origins: tuple[str, ...] = ()
    artifact_base_url: str = "https://api.outputlayer.dev"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["auto", "json", "console"] = "auto"
    metrics_host: str = "127.0.0.1"
    metrics_port: int = 0
    workers: int = 1
    drain_delay_seconds: int = 0
    shutdown_seconds: int = 20

    @property
    def database_options(self) -> DatabaseOptions:
        """The database, as what opens it wants it."""
        return DatabaseOptions(
            address=self.database,
            pooler=self.database_pooler,
            batches=self.database_batches,
            notify=self.notify_database,
        )

    @property
    def taker(self) -> Taker:
        """Who takes payments, as what opens them wants it."""
        if self.payments == "pretend":
            return "pretend"
        if not self.takes_paypal or self.paypal_secret is None:
            return None
        return PayPalOptions(
            base_url=BaseUrl.parse(self.paypal_base_url),
            credentials=Credentials(
                client_id=self.paypal_client_id, secret=self.paypal_secret.text
            ),
            webhook_id=self.paypal_webhook_id or None,
        )

    @property
    def takes_paypal(self) -> bool:
        """Whether real payments are wanted."""
        wanted = self.payments == "auto" and self.paypal_client_id != ""
        return wanted or self.payments == "paypal"

    @property
    def landing_url(self) -> str:
        """Where people come back to from paying."""
        if self.public_url or self.payments != "pretend":
            return self.public_url
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    @property
    def metrics_ports(self) -> range:
        """The port of each worker's metrics, in the order of their indexes; none if off."""
        return range(self.metrics_port, self.metrics_port + (self.metrics_port and self.workers))

    @property
    def catalogue(self) -> Catalogue:
        """The plans on offer."""
        if self.plans_path is not None:
            return catalogue_from_toml(self.plans_path.read_text("utf-8"))
        return HOSTED if self.plans == "hosted" else SELF_HOSTED

    @property
    def plans_path(self) -> Path | None:
        """The file of plans, or None where a built-in catalogue is named."""
        return None if self.plans in PLANS_BUILT_IN else Path(self.plans)


def load_settings(sources: Sources) -> Settings:
    """Read all settings from the sources; raises SettingError."""
    names = [setting.name for setting in SETTINGS]
    settings = msgspec.structs.replace(Settings(), **resolve(SETTINGS, sources, names))
    _refuse_too_many_workers(settings)
    _refuse_wakeups_of_a_file(settings)
    _refuse_lacking_payments(settings)
    _refuse_pretended_payments(settings)
    return settings


def load_database_options(sources: Sources) -> DatabaseOptions:
    """Read where the database is, whatever the other settings say; raises SettingError."""
    given = resolve(SETTINGS, sources, DATABASE_SETTINGS)
    return msgspec.structs.replace(Settings(), **given).database_options


def load_catalogue(sources: Sources) -> Catalogue:
    """Read which plans are on offer, whatever the other settings say; raises SettingError."""
    given = resolve(SETTINGS, sources, ("plans",))
    return msgspec.structs.replace(Settings(), **given).catalogue


def _refuse_wakeups_of_a_file(settings: Settings) -> None:
    if settings.notify_database is not None and isinstance(settings.database, SqliteFile):
        raise SettingError(
            "setting notify_database has no meaning on a SQLite database, a file that one process "
            "writes: allowed is nothing there, or a URL with database postgresql://…"
        )


def _refuse_too_many_workers(settings: Settings) -> None:
    if settings.workers > 1 and isinstance(settings.database, SqliteFile):
        raise SettingError(
            f"setting workers cannot be {settings.workers} on a SQLite database, a file that one "
            "process writes: allowed is 1 there, or more with database postgresql://…"
        )
    port_max = PORT_MAX + 1 - settings.workers
    if settings.metrics_port > port_max:
        raise SettingError(
            f"setting metrics_port cannot be {settings.metrics_port} with {settings.workers} "
            f"workers, each on a port of its own: allowed is up to {port_max}"
        )


def _refuse_lacking_payments(settings: Settings) -> None:
    if not settings.takes_paypal:
        return
    needed = ("paypal_client_id", "paypal_secret", "public_url")
    lacking = [name for name in needed if not getattr(settings, name)]
    if lacking:
        raise SettingError(
            f"setting payments cannot be paypal without {' and '.join(lacking)}: "
            f"PayPal needs {', '.join(needed)}"
        )


def _refuse_pretended_payments(settings: Settings) -> None:
    if settings.payments != "pretend":
        return
    # Whoever can reach the pretend PayPal pays nothing, and changes what it does.
    if not loopback(settings.host):
        raise SettingError(
            f"setting payments cannot be pretend on host {shown(settings.host)}: "
            "allowed is an address of this machine alone there, such as 127.0.0.1"
        )
    if settings.workers > 1:
        raise SettingError(
            f"setting payments cannot be pretend with {settings.workers} workers: allowed is 1"
        )
    if not settings.port and not settings.public_url:
        raise SettingError(
            "setting payments cannot be pretend on port 0: allowed is a port or public_url, as "
            "people come back there from paying"
        )
