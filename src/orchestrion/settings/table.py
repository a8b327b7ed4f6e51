"""The table of settings: flags, variables, file keys and help all derive from it."""

import msgspec

from orchestrion.settings.values import (
    BASE_URL,
    CREDENTIAL,
    DATABASE,
    HOST,
    NOTIFY_DATABASE,
    ORIGINS,
    PAYPAL_URL,
    PLANS,
    PORT_MAX,
    PROXIES,
    PUBLIC_URL,
    SECONDS_MAX,
    SECRET,
    Kind,
    one_of,
    whole_number,
)

VARIABLE_START = "ORCHESTRION_"
WORKERS_MAX = 64


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """One setting: its name as a field of Settings, how it is read, and what it does."""

    name: str
    kind: Kind
    about: str
    # A secret has no flag, since command lines are public, but `…_FILE` may point to it.
    secret: bool = False
    # One that may hold a password keeps its flag; `…_FILE` may point to it, and refusals hide it.
    sensitive: bool = False

    @property
    def pointed(self) -> bool:
        """Whether a variable may name a file that holds the value."""
        return self.secret or self.sensitive

    @property
    def flag(self) -> str:
        """The flag of the command line."""
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        """The environment variable."""
        return VARIABLE_START + self.name.upper()


SETTINGS = (
    Setting(name="host", kind=HOST, about="Address the API listens on."),
    Setting(name="port", kind=whole_number(0, PORT_MAX), about="Port of the API; 0 takes any."),
    Setting(name="database", kind=DATABASE, about="Where everything is kept.", sensitive=True),
    Setting(
        name="database_pooler",
        kind=one_of("none", "transaction"),
        about="What stands before PostgreSQL: transaction is PgBouncer in transaction mode.",
    ),
    Setting(
        name="database_batches",
        kind=one_of("mixed", "one-account"),
        about="Whose commands share a transaction: one-account where accounts are distributed.",
    ),
    Setting(
        name="notify_database",
        kind=NOTIFY_DATABASE,
        about="The same database past its pooler, for wake-ups; else that of database.",
        sensitive=True,
    ),
    Setting(name="plans", kind=PLANS, about="Catalogue of plans and their limits."),
    Setting(
        name="registration",
        kind=one_of("open", "closed"),
        about="Whether callers may register keys; operators always may.",
    ),
    Setting(
        name="public_url",
        kind=PUBLIC_URL,
        about="Address callers know the service by; else that of each request.",
    ),
    Setting(
        name="payments",
        kind=one_of("auto", "off", "paypal", "pretend"),
        about="Who takes payments. auto: paypal where its client id is set, else off. pretend: a "
        "pretend PayPal for trials, on this machine alone.",
    ),
    Setting(
        name="paypal_client_id",
        kind=CREDENTIAL,
        about="Client id of the app at PayPal; needs the secret and public_url too.",
    ),
    Setting(
        name="paypal_secret",
        kind=SECRET,
        about="Secret of the app at PayPal.",
        secret=True,
    ),
    Setting(
        name="paypal_base_url",
        kind=PAYPAL_URL,
        about="Where PayPal's API is called: the live one or the sandbox.",
    ),
    Setting(
        name="paypal_webhook_id",
        kind=CREDENTIAL,
        about="Id of the webhook at PayPal that calls /billing/paypal; without it no events are "
        "taken.",
    ),
    Setting(name="trusted_proxies", kind=PROXIES, about="Proxies whose forwarded addresses count."),
    Setting(
        name="cors_origins", kind=ORIGINS, about="Web pages that may call routes that need a key."
    ),
    Setting(
        name="artifact_base_url",
        kind=BASE_URL,
        about="Where the outputs that completed tasks name are downloaded.",
    ),
    Setting(
        name="log_level",
        kind=one_of("debug", "info", "warning", "error"),
        about="Least severe entry that is logged.",
    ),
    Setting(
        name="log_format",
        kind=one_of("auto", "json", "console"),
        about="Shape of the log; auto is console on a terminal, json elsewhere.",
    ),
    Setting(name="metrics_host", kind=HOST, about="Address /metrics listens on."),
    Setting(
        name="metrics_port",
        kind=whole_number(0, PORT_MAX),
        about="Port of /metrics; 0 is off. Worker i of several has the i-th port after it.",
    ),
    Setting(
        name="workers",
        kind=whole_number(1, WORKERS_MAX),
        about="Processes that serve together; more than 1 need PostgreSQL.",
    ),
    Setting(
        name="drain_delay_seconds",
        kind=whole_number(0, SECONDS_MAX),
        about="Time to go on serving, not ready, after the signal to stop.",
    ),
    Setting(
        name="shutdown_seconds",
        kind=whole_number(1, SECONDS_MAX),
        about="Time accepted requests have to finish.",
    ),
)
