"""`orchestrion keys register`: an account and its key, asked of a server as any caller may."""

import click

from orchestrion.cli.answers import whole
from orchestrion.cli.options import at_server
from orchestrion.cli.printing import Shape
from orchestrion.cli.reaching import Session
from orchestrion.cli.tasks_table import print_json
from orchestrion.client import account


@click.command
@click.option("--email", metavar="ADDRESS", help="A contact kept with the account.")
@at_server()
def register(session: Session, email: str | None) -> None:
    """Make an account at a server, and print its key, once.

    Needs no key and no access to the database; an operator may have closed it.
    """
    registered, text = session.client.call(whole(account.register(email)))
    if session.printer.single_shape() is Shape.TABLE:
        fields = {"key": registered.api_key, "account": registered.account_id}
        session.printer.fields(fields)
    else:
        print_json(session.printer, text)
    session.printer.hint("The key is shown only now: keep it as ORCHESTRION_API_KEY.")
    session.advise(registered.contract)
