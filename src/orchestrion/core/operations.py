"""The table of operations: routes, schema, tools and guidance all derive from these rows."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

import msgspec

from orchestrion.core import bodies
from orchestrion.core.errors import ErrorCode


class Access(StrEnum):
    """Who may call."""

    PUBLIC = "public"
    KEYED = "keyed"


class Allowance(StrEnum):
    """Which limit a call counts against (decisions §8)."""

    NONE = "none"
    DISCOVERY = "discovery"
    REGISTRATION = "registration"
    READS = "reads"
    MUTATIONS = "mutations"
    HEARTBEATS = "heartbeats"
    CREATES = "creates"
    CLAIMS = "claims"


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One row. `refusals` are those beyond what every operation of its kind may answer."""

    name: str
    method: str
    path: str
    tag: str
    summary: str
    description: str
    access: Access
    allowance: Allowance
    answer: str
    status: int = 200
    body: type[msgspec.Struct] | None = None
    body_required: bool = False
    query: tuple[str, ...] = ()
    refusals: tuple[ErrorCode, ...] = ()


_E = ErrorCode

_TASK_ROWS = (
    Operation(
        name="claim_next_task",
        method="POST",
        path="/v1/tasks/claim",
        tag="Tasks",
        summary="Take the next task of a type",
        description=(
            "Hands out the claimable task of the type with the highest priority, among equals the "
            "one due longest, under a lease. Keep the lease_token of the answer and send it with "
            "every heartbeat, complete and fail. `task: null` means that nothing can be claimed "
            "now: wait as told and ask again."
        ),
        access=Access.KEYED,
        allowance=Allowance.CLAIMS,
        answer="ClaimResponse",
        body=bodies.ClaimNextBody,
        body_required=True,
        refusals=(_E.PLAN_EXPIRED, _E.MAX_WORKERS_REACHED),
    ),
    Operation(
        name="complete_task",
        method="POST",
        path="/v1/tasks/{id}/complete",
        tag="Tasks",
        summary="Finish a task",
        description=(
            "Ends a claimed task well, with an inline result, the name of an artifact kept "
            "elsewhere, both or neither. Send the lease_token of your claim: it proves that the "
            "lease is still yours. lease_expired means that it is not: discard the work."
        ),
        access=Access.KEYED,
        allowance=Allowance.MUTATIONS,
        answer="TaskWithContract",
        body=bodies.CompleteBody,
        refusals=(_E.TASK_NOT_FOUND, _E.LEASE_EXPIRED, _E.INVALID_TRANSITION),
    ),
    Operation(
        name="create_task",
        method="POST",
        path="/v1/tasks",
        tag="Tasks",
        summary="Create a task",
        description=(
            "Stores a task as pending; workers can claim it at once, or from scheduledAt on. With "
            "an idempotency key the same request can be repeated safely for seven days: it never "
            "makes a second task."
        ),
        access=Access.KEYED,
        allowance=Allowance.CREATES,
        answer="TaskWithContract",
        status=201,
        body=bodies.CreateBody,
        body_required=True,
        refusals=(
            _E.IDEMPOTENCY_CONFLICT,
            _E.IDEMPOTENCY_IN_FLIGHT,
            _E.QUOTA_EXCEEDED,
            _E.PLAN_EXPIRED,
        ),
    ),
    Operation(
        name="list_tasks",
        method="GET",
        path="/v1/tasks",
        tag="Tasks",
        summary="List the account's tasks",
        description=(
            "Lists the account's tasks, newest first, filtered and in pages. To read on "
            "send nextCursor with the same filters, or follow the Link header. New tasks do not "
            "shift pages."
        ),
        access=Access.KEYED,
        allowance=Allowance.READS,
        answer="TaskList",
        query=("status", "type", "claimed_by", "limit", "cursor"),
    ),
    Operation(
        name="heartbeat",
        method="POST",
        path="/v1/tasks/{id}/heartbeat",
        tag="Tasks",
        summary="Renew a lease",
        description=(
            "Makes the lease of a task you hold end leaseDurationSeconds from now. Send one every "
            "third of the lease while you work, with your lease_token. lease_expired means that "
            "the task is no longer yours: stop working on it."
        ),
        access=Access.KEYED,
        allowance=Allowance.HEARTBEATS,
        answer="TaskWithContract",
        body=bodies.HeartbeatBody,
        refusals=(_E.TASK_NOT_FOUND, _E.LEASE_EXPIRED, _E.INVALID_TRANSITION),
    ),
    Operation(
        name="fail_task",
        method="POST",
        path="/v1/tasks/{id}/fail",
        tag="Tasks",
        summary="Report a failed attempt",
        description=(
            "Ends the attempt of a task you hold: it goes back to pending, after a delay if you "
            "ask for one, or to dead_letter when no attempt is left. Use it too for a task you "
            "cannot finish now: the next worker then need not wait for the lease to end."
        ),
        access=Access.KEYED,
        allowance=Allowance.MUTATIONS,
        answer="TaskWithContract",
        body=bodies.FailBody,
        refusals=(_E.TASK_NOT_FOUND, _E.LEASE_EXPIRED, _E.INVALID_TRANSITION),
    ),
    Operation(
        name="claim_task",
        method="POST",
        path="/v1/tasks/{id}/claim",
        tag="Tasks",
        summary="Take one task by id",
        description=(
            "Claims this very task if it is pending and due, or claimed under a lease that has "
            "ended with attempts left. The answer is that of a claim by type."
        ),
        access=Access.KEYED,
        allowance=Allowance.CLAIMS,
        answer="ClaimSuccessResponse",
        body=bodies.ClaimTaskBody,
        refusals=(
            _E.TASK_NOT_FOUND,
            _E.INVALID_TRANSITION,
            _E.NOT_YET_CLAIMABLE,
            _E.PLAN_EXPIRED,
            _E.MAX_WORKERS_REACHED,
        ),
    ),
    Operation(
        name="check_task_status",
        method="GET",
        path="/v1/tasks/{id}",
        tag="Tasks",
        summary="Read a task",
        description=(
            "Shows the task as it is now, with what can be done next. A claimed task is shown as "
            "claimed until somebody acts on it, even after its lease: lease_valid tells."
        ),
        access=Access.KEYED,
        allowance=Allowance.READS,
        answer="TaskWithContract",
        refusals=(_E.TASK_NOT_FOUND,),
    ),
    Operation(
        name="cancel_task",
        method="POST",
        path="/v1/tasks/{id}/cancel",
        tag="Tasks",
        summary="Withdraw a pending task",
        description=(
            "Withdraws a task that nobody is working on, for good. While a worker holds a live "
            "lease the answer is task_currently_claimed."
        ),
        access=Access.KEYED,
        allowance=Allowance.MUTATIONS,
        answer="TaskWithContract",
        body=bodies.NoBody,
        refusals=(_E.TASK_NOT_FOUND, _E.TASK_CURRENTLY_CLAIMED, _E.INVALID_TRANSITION),
    ),
    Operation(
        name="requeue_task",
        method="POST",
        path="/v1/tasks/{id}/requeue",
        tag="Tasks",
        summary="Put a dead task back",
        description=(
            "Returns a dead_letter task to pending with all its attempts, due at once. Mend what "
            "made it fail first; lastFailureReason tells."
        ),
        access=Access.KEYED,
        allowance=Allowance.MUTATIONS,
        answer="TaskWithContract",
        body=bodies.NoBody,
        refusals=(_E.TASK_NOT_FOUND, _E.INVALID_TRANSITION),
    ),
)

_BILLING_ROWS = (
    Operation(
        name="list_plans",
        method="GET",
        path="/v1/billing/plans",
        tag="Billing",
        summary="List the plans",
        description="Shows every plan of this server with its limits and price. Needs no key.",
        access=Access.PUBLIC,
        allowance=Allowance.DISCOVERY,
        answer="PlanList",
    ),
    Operation(
        name="check_billing_status",
        method="GET",
        path="/v1/billing/status",
        tag="Billing",
        summary="Show plan and usage",
        description="Shows the account's plan, when it ends, and what this cycle has used of it.",
        access=Access.KEYED,
        allowance=Allowance.READS,
        answer="BillingStatusResponse",
    ),
    Operation(
        name="start_checkout",
        method="POST",
        path="/v1/billing/checkout",
        tag="Billing",
        summary="Start buying a plan",
        description=(
            "Opens a checkout and answers the address where a human approves the payment; a "
            "program cannot. Verify the purchase afterwards. Servers without payments answer 503."
        ),
        access=Access.KEYED,
        allowance=Allowance.READS,
        answer="CheckoutResponse",
        status=201,
        body=bodies.CheckoutBody,
        body_required=True,
    ),
    Operation(
        name="verify_payment",
        method="POST",
        path="/v1/billing/verify",
        tag="Billing",
        summary="Settle a payment",
        description=(
            "Captures a payment that a human has approved and puts its plan into force. Safe to "
            "repeat: a settled purchase stays settled and is never charged again."
        ),
        access=Access.KEYED,
        allowance=Allowance.READS,
        answer="VerifyResponse",
        body=bodies.VerifyBody,
        body_required=True,
        refusals=(_E.PAYMENT_FAILED,),
    ),
)

_PUBLIC_ROWS = (
    Operation(
        name="register_key",
        method="POST",
        path="/v1/keys/register",
        tag="Public",
        summary="Get an API key",
        description=(
            "Makes an account and its first key. The key is in this answer and never shown again: "
            "store it as a secret. Servers can be closed to registration."
        ),
        access=Access.PUBLIC,
        allowance=Allowance.REGISTRATION,
        answer="KeyRegistrationResponse",
        status=201,
        body=bodies.RegisterBody,
    ),
    Operation(
        name="check_health",
        method="GET",
        path="/health",
        tag="Public",
        summary="Tell whether the service works",
        description=(
            "Answers 200 while the process serves, and says whether its background work keeps up."
        ),
        access=Access.PUBLIC,
        allowance=Allowance.NONE,
        answer="HealthResponse",
    ),
    Operation(
        name="get_agent_manifest",
        method="GET",
        path="/.well-known/agent.json",
        tag="Public",
        summary="Discover the service",
        description=(
            "Links to everything an agent needs, for one that knows only this host. Not an A2A "
            "card."
        ),
        access=Access.PUBLIC,
        allowance=Allowance.DISCOVERY,
        answer="AgentManifest",
    ),
    Operation(
        name="get_capabilities",
        method="GET",
        path="/v1/capabilities",
        tag="Public",
        summary="Show what the server can do",
        description=(
            "States, transitions, every limit, error codes, action codes and rate limits as data."
        ),
        access=Access.PUBLIC,
        allowance=Allowance.DISCOVERY,
        answer="Capabilities",
    ),
    Operation(
        name="get_tool_manifest",
        method="GET",
        path="/v1/tool",
        tag="Public",
        summary="Show the tools",
        description=(
            "The operations an agent calls as tools with closed schemas, in the form of an MCP "
            "`tools/list`, each with the HTTP request it stands for."
        ),
        access=Access.PUBLIC,
        allowance=Allowance.DISCOVERY,
        answer="ToolManifest",
    ),
    Operation(
        name="get_schema",
        method="GET",
        path="/v1/schema",
        tag="Public",
        summary="Show the schema",
        description="The OpenAPI 3.1 description of this API: the document you are reading.",
        access=Access.PUBLIC,
        allowance=Allowance.DISCOVERY,
        answer="OpenApiDocument",
    ),
)


def _page(name: str, path: str, summary: str, allowance: Allowance) -> Operation:
    return Operation(
        name=name,
        method="GET",
        path=path,
        tag="Public",
        summary=summary,
        description=summary + ".",
        access=Access.PUBLIC,
        allowance=allowance,
        answer="",
    )


# Beside the API: what people, agents and supervisors read.
PAGES: tuple[Operation, ...] = (
    _page("read_llms_txt", "/llms.txt", "The service in brief, for models", Allowance.DISCOVERY),
    _page("read_agents_guide", "/AGENTS.md", "The integration guide", Allowance.DISCOVERY),
    _page(
        "read_contract_guide",
        "/AGENT_CONTRACT.md",
        "The specification of agent_contract",
        Allowance.DISCOVERY,
    ),
    _page("check_liveness", "/livez", "Tells whether the process lives", Allowance.NONE),
    _page("check_readiness", "/readyz", "Tells whether to send requests here", Allowance.NONE),
)

# The hottest rows stand first: routes are tried in this order.
OPERATIONS: tuple[Operation, ...] = _TASK_ROWS + _BILLING_ROWS + _PUBLIC_ROWS

BY_NAME: Mapping[str, Operation] = MappingProxyType({row.name: row for row in OPERATIONS + PAGES})
