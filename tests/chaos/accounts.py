"""The accounts of a campaign: some that nothing limits, some that every limit of a plan meets."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import httpx2

from tests.chaos.asking import Account
from tests.chaos.forgetting import DAY_SECONDS
from tests.chaos.ground import Ground

WIDE: Final = 1_000_000
# One plan forgets soon, as a day takes a second; the others not within a run.
RETENTION_DAYS: Final[Mapping[str, int]] = {"agency": 15}
RETENTION_DAYS_MAX: Final = 3_650
_TRUE_DAY_SECONDS: Final = 86_400
# A cycle and an hour are longer than a run: what is used up stays used up.
PLANS: Final[Mapping[str, Mapping[str, int]]] = {
    "free": {},
    "basic": {"max_workers": 4, "tasks_per_cycle": 120},
    "pro": {"claims_per_hour": 150, "creates_per_hour": 150},
    "agency": {},
}
# The plan of each account, and how many clients it has.
ACCOUNTS: Final = (
    ("a0", "free", 4),
    ("a1", "free", 4),
    ("a2", "agency", 4),
    ("a3", "basic", 2),
    ("a4", "pro", 2),
)
CLIENTS: Final = sum(clients for _, _, clients in ACCOUNTS)
_LIMITS: Final = ("max_workers", "tasks_per_cycle", "claims_per_hour", "creates_per_hour")
# What the history calls a limit where the catalogue calls it otherwise.
_NAMES: Final = {"tasks_per_cycle": "monthly_tasks"}
_SAFE: Final = re.compile(r"acct_[0-9A-Z]+")


def limits_of(plan: str) -> dict[str, int]:
    """Give all limits of a plan."""
    return {name: PLANS[plan].get(name, WIDE) for name in _LIMITS}


def retention_days(plan: str) -> int:
    """Give how long a plan keeps what has ended."""
    return RETENTION_DAYS.get(plan, RETENTION_DAYS_MAX)


def write_plans(path: Path) -> None:
    """Write the catalogue for the servers."""
    lines: list[str] = []
    for price, plan in enumerate(PLANS):
        lines += [f"[plans.{plan}]", f'name = "{plan}"', f"price_usd = {price}"]
        lines += [f"{name} = {limit}" for name, limit in limits_of(plan).items()]
        lines += [f"retention_days = {retention_days(plan)}", ""]
    path.write_text("\n".join(lines), "utf-8")


async def register(ground: Ground) -> list[Account]:
    """Register the accounts, and put each on its plan before it asks anything."""
    found: list[Account] = []
    url = f"http://127.0.0.1:{ground.replicas[0].port}"
    async with httpx2.AsyncClient(base_url=url, timeout=60) as client:
        for name, plan, _ in ACCOUNTS:
            answer = await client.post("/v1/keys/register")
            assert answer.status_code == 201, answer.text
            told = answer.json()
            account = Account(
                name=name,
                id=told["accountId"],
                key=told["apiKey"],
                limits=limits_of(plan),
                retention_seconds=retention_days(plan) * DAY_SECONDS,
            )
            assert _SAFE.fullmatch(account.id)
            await ground.fetch(f"update accounts set plan = '{plan}' where id = '{account.id}'")
            found.append(account)
    return found


def described(account: Account) -> dict[str, object]:
    """Describe an account for the checker; its key is left out."""
    return {
        "name": account.name,
        "id": account.id,
        **{
            _NAMES.get(name, name): limit for name, limit in account.limits.items() if limit != WIDE
        },
        "retention_days": account.retention_seconds / _TRUE_DAY_SECONDS,
    }
