"""The doctor's look at an API key: is it taken, and what does its plan allow."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

import msgspec

from orchestrion.cli.doctor_finding import Finding, bad, doubtful, good
from orchestrion.cli.doctor_server import Server
from orchestrion.client.account import PlanStatus

SHOWN_LENGTH: Final = 12
USED_SHARE_MAX: Final = 0.9
DAYS_LEFT_MIN: Final = 3
OK: Final = 200
REFUSED: Final = 401


def key_findings(server: Server, key: str | None) -> Iterator[Finding]:
    """Tell whether the key works, and what is left of its plan; raises httpx2.HTTPError."""
    if key is None:
        yield doubtful("key", "no API key is set", "orchestrion keys register")
        return
    heard = server.ask("/v1/billing/status")
    name = f"key {key[:SHOWN_LENGTH]}…"
    if heard.status == REFUSED:
        yield bad("key", f"{name}: {heard.refusal}", "orchestrion keys register")
    elif heard.status != OK:
        yield doubtful("key", f"{name}: {heard.refusal}", "orchestrion doctor")
    else:
        yield good("key", f"{name} works")
        yield from _plan(msgspec.convert(heard.body, PlanStatus))


def _plan(status: PlanStatus) -> Iterator[Finding]:
    used, allowed = status.tasks_created_this_cycle, status.plan.max_tasks_per_month
    text = f"plan {status.plan.name}: {used:,} of {allowed:,} tasks used in this cycle"
    if used >= allowed:
        yield bad("quota", text, "orchestrion plan list")
    elif used > USED_SHARE_MAX * allowed:
        yield doubtful("quota", text, "orchestrion plan list")
    else:
        yield good("quota", text)
    if status.plan_expires_at is not None:
        yield _end(status.plan_expires_at)


def _end(ends: datetime) -> Finding:
    left = ends - datetime.now(UTC)
    if left.total_seconds() <= 0:
        return bad("plan", f"plan expired {_days(-left.days)} ago", "orchestrion plan list")
    if left.days < DAYS_LEFT_MIN:
        return doubtful("plan", f"plan ends in {_days(left.days)}", "orchestrion plan list")
    return good("plan", f"plan holds for {_days(left.days)}")


def _days(days: int) -> str:
    return "1 day" if days == 1 else f"{days} days"
