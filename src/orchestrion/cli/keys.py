"""`orchestrion keys`: API keys made, listed and revoked by the operator, or asked of a server."""

import asyncio
from collections.abc import Mapping

import click
import msgspec

from orchestrion.cli.flags import settings_flags, sources
from orchestrion.cli.keys_register import register
from orchestrion.cli.printing import Rows, Shape, printer_in
from orchestrion.cli.refusals import Refusal, refusals
from orchestrion.core.bodies import RegisterBody
from orchestrion.core.ids import KEY_PREFIX
from orchestrion.core.instants import format_instant
from orchestrion.databases import operator_of
from orchestrion.settings import DATABASE_SETTINGS, load_database_options
from orchestrion.store.operator import Operator

AMBIGUOUS_SHOWN_MAX = 5


class _Row(msgspec.Struct, frozen=True, kw_only=True):
    """One key as it is printed: never the key itself, which nobody keeps."""

    key_id: str
    account_id: str
    created_at: str
    revoked_at: str | None


@click.group
def keys() -> None:
    """Make, list and revoke API keys, also while a server runs.

    create, list and revoke work on the database, for its operator; register asks a server.
    """


keys.add_command(register)


@keys.command
@click.option("--account", metavar="ID", help="Account the key is for; else a new one is made.")
@click.option("--email", metavar="ADDRESS", help="Contact kept with a new account.")
@click.option("--json", "shape", flag_value="json", help="Print key, key id and account as JSON.")
@settings_flags(DATABASE_SETTINGS)
def create(account: str | None, email: str | None, shape: str | None, **values: str | None) -> None:
    """Make a key and print it, once."""
    with refusals():
        _refuse_bad_email(email)
        created = asyncio.run(_operator(values).create_key(account, email))
    if shape == "json":
        parts = {"key": created.key, "key_id": created.key_id, "account_id": created.account_id}
        click.echo(msgspec.json.encode(parts))
        return
    click.echo(created.key)
    click.echo(
        f"Key {created.key_id} of account {created.account_id}. It is shown only now; "
        f"`orchestrion keys revoke {created.key_id}` ends it.",
        err=True,
    )


def _refuse_bad_email(email: str | None) -> None:
    if email is None:
        return
    try:
        msgspec.convert({"email": email}, RegisterBody)
    except msgspec.ValidationError as error:
        raise Refusal("--email is not an address") from error


@keys.command("list")
@click.option("--json", "shape", flag_value="json", help="Print one JSON array.")
@settings_flags(DATABASE_SETTINGS)
def list_(shape: str | None, **values: str | None) -> None:
    """List keys, revoked ones included.

    A table on a terminal; elsewhere a JSON object for each on a line.
    """
    with refusals():
        rows = _rows(_operator(values))
    printer = printer_in(shape)
    match printer.list_shape():
        case Shape.TABLE:
            printer.rows(_table(rows))
        case Shape.JSON:
            printer.json(rows)
        case Shape.JSONL:
            for row in rows:
                printer.line(row)
    if not rows:
        click.echo("No keys yet; `orchestrion keys create` makes one.", err=True)


@keys.command
@click.argument("key_id_or_prefix")
@settings_flags(DATABASE_SETTINGS)
def revoke(key_id_or_prefix: str, **values: str | None) -> None:
    """End a key, named by its id or the beginning of it.

    A running server refuses it within 5 seconds.
    """
    with refusals():
        operator = _operator(values)
        key_id = _only_match(key_id_or_prefix, [row.key_id for row in _rows(operator)])
        revoked = asyncio.run(operator.revoke_key(key_id))
    click.echo(key_id)
    click.echo("Revoked." if revoked else "It was revoked before.", err=True)


def _operator(values: Mapping[str, str | None]) -> Operator:
    return operator_of(load_database_options(sources(values)))


def _rows(operator: Operator) -> list[_Row]:
    return [
        _Row(
            key_id=key.key_id,
            account_id=key.account_id,
            created_at=format_instant(key.created_at),
            revoked_at=None if key.revoked_at is None else format_instant(key.revoked_at),
        )
        for key in asyncio.run(operator.list_keys())
    ]


def _table(rows: list[_Row]) -> Rows:
    return Rows(
        headings=("key id", "account", "created", "revoked"),
        lines=[(row.key_id, row.account_id, row.created_at, row.revoked_at or "") for row in rows],
    )


def _only_match(start: str, key_ids: list[str]) -> str:
    if start.startswith(KEY_PREFIX):
        raise Refusal("a key is revoked by its id, which `orchestrion keys list` shows")
    matches = [key_id for key_id in key_ids if key_id.startswith(start)] if start else []
    if start in matches:
        return start
    if not matches:
        raise Refusal(f"no key's id begins with {start!r}; see `orchestrion keys list`")
    if len(matches) > 1:
        some = ", ".join(matches[:AMBIGUOUS_SHOWN_MAX])
        raise Refusal(f"{len(matches)} keys begin with {start!r}, such as {some}")
    return matches[0]
