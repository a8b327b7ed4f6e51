"""The operations around tasks: plans, keys, discovery, and the pages beside the API."""

from msgspec.structs import replace

from orchestrion.core import bodies
from orchestrion.core.errors import ErrorCode
from orchestrion.core.operation import Access, Allowance, Errand, Operation

BILLING_OPERATIONS: tuple[Operation, ...] = (
    Operation(
        name="list_plans",
        method="GET",
        path="/v1/billing/plans",
        tag="Billing",
        summary="List the plans",
        description="Shows every plan of this server with its limits and price. Needs no key.",
        access=Access.PUBLIC,
        allowance=Allowance.DISCOVERY,
        errand=None,
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
        errand=Errand.GET,
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
        errand=Errand.CREATE,
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
        errand=None,
        answer="VerifyResponse",
        body=bodies.VerifyBody,
        body_required=True,
        refusals=(ErrorCode.PAYMENT_FAILED,),
    ),
)

PUBLIC_OPERATIONS: tuple[Operation, ...] = (
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
        errand=Errand.CREATE,
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
        errand=None,
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
        errand=None,
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
        errand=None,
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
        errand=None,
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
        errand=None,
        answer="OpenApiDocument",
    ),
)


def _landing(name: str, path: str, summary: str) -> Operation:
    page = _page(name, path, summary, Allowance.NONE)
    # PayPal leads people here, and names the order.
    return replace(page, tag="Billing", strange_query=("token",))


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
        errand=None,
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
    _landing("read_approved_page", "/billing/approved", "Where a human lands who approved"),
    _landing("read_cancelled_page", "/billing/cancelled", "Where a human lands who did not"),
    Operation(
        name="receive_payment_event",
        method="POST",
        path="/billing/paypal",
        tag="Billing",
        summary="Take an event of PayPal",
        description=(
            "PayPal tells here that a payment was approved or made, so that it is settled sooner. "
            "Nothing depends on it. Each event is verified with PayPal. Not for callers of the API."
        ),
        access=Access.PUBLIC,
        allowance=Allowance.EVENTS,
        errand=None,
        answer="",
        body=bodies.PaymentEvent,
        body_required=True,
    ),
    _page("check_liveness", "/livez", "Tells whether the process lives", Allowance.NONE),
    _page("check_readiness", "/readyz", "Tells whether to send requests here", Allowance.NONE),
)
