"""`orchestrion accounts`: what an operator sets for an account."""

import asyncio

import click

from orchestrion.cli.flags import settings_flags, sources
from orchestrion.cli.refusals import refusals
from orchestrion.databases import operator_of
from orchestrion.settings import DATABASE_SETTINGS, load_database_options
from orchestrion.store.operator import AccountSettings


@click.group
def accounts() -> None:
    """Set what holds for an account, also while a server runs."""


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
