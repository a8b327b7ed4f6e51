"""How plans look to people."""

from collections.abc import Sequence

import msgspec

from orchestrion.cli.printing import Printer, Rows, Shape
from orchestrion.cli.tasks_table import clock_time
from orchestrion.client.account import Plan, PlanStatus

HEADINGS = ("plan", "USD / 30 days", "workers", "tasks", "claims/h", "creates/h", "days", "sold")


def print_plans(printer: Printer, plans: Sequence[Plan], answer: msgspec.Raw) -> None:
    """Print plans: a table, the answer as it came, or a line for each."""
    match printer.list_shape():
        case Shape.TABLE:
            printer.rows(Rows(headings=HEADINGS, lines=map(_row, plans)))
        case Shape.JSON:
            printer.json(answer)
        case Shape.JSONL:
            for one in msgspec.json.decode(answer, type=_Plans).plans:
                printer.line(one)


def status_fields(status: PlanStatus) -> dict[str, str | None]:
    """Lay an account's plan out as fields."""
    plan = status.plan
    ends = status.plan_expires_at
    return {
        "plan": plan.name or plan.id,
        "ends": "never" if ends is None else f"{clock_time(ends)} UTC",
        "cycle began": f"{clock_time(status.cycle_started_at)} UTC",
        "tasks": f"{status.tasks_created_this_cycle:,} of {plan.max_tasks_per_month:,}",
        "workers": f"{plan.max_workers:,}",
        "claims": f"{plan.max_claims_per_hour:,} an hour",
        "creates": f"{plan.max_creates_per_hour:,} an hour",
        "kept for": f"{plan.retention_days} days",
    }


class _Plans(msgspec.Struct, frozen=True):
    plans: list[msgspec.Raw]


def _row(plan: Plan) -> tuple[str, ...]:
    return (
        plan.id,
        f"{plan.price_usd:.2f}",
        f"{plan.max_workers:,}",
        f"{plan.max_tasks_per_month:,}",
        f"{plan.max_claims_per_hour:,}",
        f"{plan.max_creates_per_hour:,}",
        str(plan.retention_days),
        "yes" if plan.purchasable else "no",
    )
