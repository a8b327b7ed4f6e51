"""`orchestrion accounts`: what an operator sees and sets of an account."""

import asyncio

import click
import msgspec

from orchestrion.cli.flags import settings_flags, sources
from orchestrion.cli.printing import Shape, printer_in
from orchestrion.cli.refusals import Refusal, refusals
from orchestrion.core import quota
from orchestrion.core.account import Account
from orchestrion.core.ids import AccountId
from orchestrion.core.instants import DAY, Instant, format_instant, parse_instant
from orchestrion.core.limits import PLAN_DAYS_AHEAD_MAX
from orchestrion.core.plans import Catalogue
from orchestrion.core.purchase_commands import SetPlan
from orchestrion.databases import operator_of
from orchestrion.settings import DATABASE_SETTINGS, load_catalogue, load_database_options
from orchestrion.store.operator import AccountSettings, wall_time

# What a plan allows stands in the catalogue, not in the database.
PLAN_SETTINGS = (*DATABASE_SETTINGS, "plans")


class _Shown(msgspec.Struct, frozen=True, kw_only=True):
    """An account as it is printed; `plan` is in force, `given_plan` may have run out."""

    account_id: str
    email: str | None
    created_at: str
    plan: str
    given_plan: str
    plan_expires_at: str | None
    cycle_started_at: str
    tasks_in_cycle: int
    tasks_per_cycle: int


@click.group
def accounts() -> None:
    """See and set what holds for an account, also while a server runs."""


@accounts.command("set")
@click.argument("account")
@click.option(
    "--require-lease-token/--no-require-lease-token",
    required=True,
    help="Whether complete, fail and heartbeat must carry the lease_token of the claim.",
)
@settings_flags(DATABASE_SETTINGS)
def set_(account: str, *, require_lease_token: bool, **values: str | None) -> None:
    """Change an account; running servers follow within 5 seconds."""
    with refusals():
        operator = operator_of(load_database_options(sources(values)))
        settings = AccountSettings(require_lease_token=require_lease_token)
        asyncio.run(operator.set_account(account, settings))
    click.echo(account)
    words = "must" if require_lease_token else "need not"
    click.echo(f"Its workers {words} send the lease_token of their claims.", err=True)


@accounts.command
@click.argument("account")
@click.option("--json", "shape", flag_value="json", help="Print one JSON object.")
@settings_flags(PLAN_SETTINGS)
def show(account: str, shape: str | None, **values: str | None) -> None:
    """Show an account's plan, when it ends, and what this cycle has used of it."""
    with refusals():
        given = sources(values)
        operator = operator_of(load_database_options(given))
        catalogue = load_catalogue(given)
        found = asyncio.run(operator.account(account))
    _print(_shown(found, catalogue), shape)


@accounts.command("set-plan")
@click.argument("account")
@click.argument("plan")
@click.option(
    "--days",
    type=click.IntRange(1, PLAN_DAYS_AHEAD_MAX),
    help="Let the plan end in so many days; without it and --until it has no end.",
)
@click.option("--until", metavar="INSTANT", help="Let it end then, such as 2027-01-31T00:00:00Z.")
@click.option("--json", "shape", flag_value="json", help="Print one JSON object.")
@settings_flags(PLAN_SETTINGS)
def set_plan(
    account: str,
    plan: str,
    *,
    days: int | None,
    until: str | None,
    shape: str | None,
    **values: str | None,
) -> None:
    """Give an account a plan without payment; running servers follow within 5 seconds.

    Another plan than the present one begins a cycle of its own.
    """
    with refusals():
        given = sources(values)
        operator = operator_of(load_database_options(given))
        catalogue = load_catalogue(given)
        ends = _end(days, until)
        command = SetPlan(account_id=AccountId(account), plan_id=plan, expires_at=ends)
        changed = asyncio.run(operator.set_plan(command, catalogue))
    _print(_shown(changed, catalogue), shape)
    click.echo(f"The plan is set; it {_ending(ends)}.", err=True)


def _end(days: int | None, until: str | None) -> Instant | None:
    if days is not None and until is not None:
        raise Refusal("give --days or --until, not both")
    if until is None:
        return None if days is None else Instant(wall_time() + days * DAY)
    instant = parse_instant(until)
    if instant is None:
        raise Refusal("--until is no RFC 3339 time with an offset, such as 2027-01-31T00:00:00Z")
    return instant


def _ending(ends: Instant | None) -> str:
    if ends is None:
        return "has no end"
    if ends <= wall_time():
        return f"is over already: it ended at {format_instant(ends)}"
    return f"ends at {format_instant(ends)}"


def _shown(account: Account, catalogue: Catalogue) -> _Shown:
    now = wall_time()
    account = quota.rolled(account, now)
    ends = account.plan_expires_at
    return _Shown(
        account_id=account.id,
        email=account.email,
        created_at=format_instant(account.created_at),
        plan=catalogue.plan_id(account, now),
        given_plan=account.plan,
        plan_expires_at=None if ends is None else format_instant(ends),
        cycle_started_at=format_instant(account.cycle_started_at),
        tasks_in_cycle=account.tasks_in_cycle,
        tasks_per_cycle=catalogue.in_force(account, now).tasks_per_cycle,
    )


def _print(shown: _Shown, shape: str | None) -> None:
    printer = printer_in(shape)
    if printer.single_shape() is Shape.TABLE:
        values = msgspec.structs.asdict(shown)
        printer.fields(
            {name: None if value is None else str(value) for name, value in values.items()}
        )
    else:
        printer.json(shown)
