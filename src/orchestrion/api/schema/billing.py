"""Schemas of keys, plans and payments."""

from orchestrion.api.schema.shapes import (
    Schema,
    choice,
    component,
    flag,
    instant,
    instant_or_null,
    struct,
    text,
    whole,
)
from orchestrion.core.plans import PLAN_IDS

_CONTRACT: Schema = {"agent_contract": component("AgentContract")}
_REQUEST_ID = text("Names this request; X-Request-Id says the same.")

_KEY_REGISTRATION = struct(
    "A new account and its key.",
    {
        "apiKey": text(
            "The key itself, in this answer and never again: store it as a secret. The server "
            "keeps only its hash."
        ),
        "accountId": text("The account that owns what is created with the key."),
        **_CONTRACT,
    },
    ("apiKey", "accountId"),
)

_PLAN = struct(
    "A plan: its price and what it allows.",
    {
        "id": choice("Names the plan in requests.", PLAN_IDS),
        "name": text("Names the plan for people."),
        "priceUsd": {"type": "number", "description": "US dollars for 30 days; 0 is free."},
        "maxWorkers": whole("Live leases the account may hold at a time."),
        "maxTasksPerMonth": whole("Tasks that may be created in a cycle of 30 days."),
        "maxClaimsPerHour": whole("Tasks that may be handed out in an hour."),
        "maxCreatesPerHour": whole("Tasks that may be created in an hour."),
        "retentionDays": whole("Days after which a finished task is deleted."),
        "purchasable": flag("Whether a checkout can be started for it on this server."),
    },
)

_BILLING_STATUS = struct(
    "The account's plan and what this cycle has used of it.",
    {
        "plan": component("PlanDefinition"),
        "planExpiresAt": instant_or_null(
            "When the paid plan ends, or ended: then `plan` shows free again. null: never paid."
        ),
        "tasksCreatedThisCycle": whole("Counts against maxTasksPerMonth."),
        "cycleStartedAt": instant("Start of the 30 days that are being counted."),
        "request_id": _REQUEST_ID,
        **_CONTRACT,
    },
    ("plan", "planExpiresAt", "tasksCreatedThisCycle", "cycleStartedAt", "request_id"),
)

_CHECKOUT = struct(
    "A checkout waits for a human, who approves the payment at checkoutUrl.",
    {
        "purchaseId": text("Names the purchase: verify it by this id (`pur_` and a ULID)."),
        "orderId": text("PayPal's name for the order."),
        "checkoutUrl": text(
            "Show this address to a human; it is no use to a program.", format="uri"
        ),
        "planId": text("The plan that is being bought."),
        "planName": text("Its name for people."),
        "priceUsd": {"type": "number", "description": "What the human will be asked to pay."},
        "checkoutExpiresAt": instant("After this moment the checkout can no longer be paid."),
        "request_id": _REQUEST_ID,
        **_CONTRACT,
    },
)

_VERIFY = struct(
    "The payment is settled and the plan in force.",
    {
        "outcome": {
            "type": "string",
            "enum": ["activated", "already_confirmed"],
            "description": "`activated` by this call, or by an earlier one. Both are success.",
        },
        "purchaseId": text("The purchase that was settled."),
        "planId": text("The plan it bought."),
        "message": text("A fixed sentence for readers."),
        "request_id": _REQUEST_ID,
        **_CONTRACT,
    },
)

# What a refused checkout has beside the error, because another one is pending.
PENDING_CHECKOUT: Schema = {
    "purchaseId": text("Where a checkout is refused because one is pending: its purchase."),
    "planId": text("Where a checkout is pending: the plan it is for."),
    "checkoutUrl": text("Where a checkout is pending: the address to show to a human."),
    "checkoutExpiresAt": instant("Where a checkout is pending: when it can no longer be paid."),
}

BILLING_COMPONENTS: Schema = {
    "KeyRegistrationResponse": _KEY_REGISTRATION,
    "PlanDefinition": _PLAN,
    "BillingStatusResponse": _BILLING_STATUS,
    "CheckoutResponse": _CHECKOUT,
    "VerifyResponse": _VERIFY,
}
