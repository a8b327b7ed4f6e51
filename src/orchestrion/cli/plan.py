"""`orchestrion plan`: the plan of one's own account, as a server shows and sells it."""

from time import monotonic, sleep

import click

from orchestrion.cli.answers import whole
from orchestrion.cli.options import at_server
from orchestrion.cli.plan_table import print_plans, status_fields
from orchestrion.cli.printing import Shape
from orchestrion.cli.reaching import Session
from orchestrion.cli.seconds import Seconds
from orchestrion.cli.tasks_table import clock_time, print_json
from orchestrion.client import account
from orchestrion.client.account import Checkout, Verification
from orchestrion.client.errors import PaymentFailed

# Sooner than the server asks would be refused.
VERIFY_SECONDS_MIN = 5.0


@click.group
def plan() -> None:
    """See, buy and verify the plan of your own account, at a server.

    For the files of plans that an operator writes see `orchestrion plans`.
    """


@plan.command
@at_server()
def show(session: Session) -> None:
    """Show your plan, when it ends, and what this cycle has used of it."""
    status, text = session.client.call(whole(account.plan_status()))
    if session.printer.single_shape() is Shape.TABLE:
        session.printer.fields(status_fields(status))
    else:
        print_json(session.printer, text)
    session.advise(status.contract)


@plan.command("list")
@at_server()
def list_(session: Session) -> None:
    """List the plans of the server with their limits; needs no key."""
    plans, text = session.client.call(whole(account.plans()))
    print_plans(session.printer, plans, text)
    sold = [one.id for one in plans if one.purchasable]
    if sold:
        session.advise_to(session.command("plan", "upgrade", sold[0]))
    else:
        session.printer.hint("This server sells no plans.")


@plan.command
@click.argument("plan_id", metavar="PLAN")
@at_server()
def upgrade(session: Session, plan_id: str) -> None:
    """Start to buy a plan, and print the address where a human approves the payment.

    Nothing is paid before `orchestrion plan verify`.
    """
    checkout, text = session.client.call(whole(account.checkout(plan_id)))
    if session.printer.single_shape() is Shape.TABLE:
        session.printer.fields(_checkout_fields(checkout))
    else:
        print_json(session.printer, text)
    session.printer.hint(
        f"Open {checkout.checkout_url} and approve the payment, "
        f"at the latest {clock_time(checkout.checkout_expires_at)} UTC."
    )
    session.advise_to(session.command("plan", "verify", checkout.purchase_id))


@plan.command
@click.argument("purchase_id", metavar="PURCHASE")
@click.option("--wait", type=Seconds(), default=0, metavar="SECONDS", help="Wait for the approval.")
@at_server()
def verify(session: Session, purchase_id: str, wait: float) -> None:
    """Take the money of an approved purchase, once however often it is repeated."""
    session.knows(purchase_id=purchase_id)
    deadline = monotonic() + wait
    while True:
        try:
            verified, text = session.client.call(whole(account.verify(purchase_id)))
            break
        except PaymentFailed as error:
            pause = max(error.retry_after or 0, VERIFY_SECONDS_MIN)
            if not error.retryable or monotonic() + pause > deadline:
                raise
            session.printer.hint(f"{error.message} Looking again in {pause:.0f} s.")
            sleep(pause)
    if session.printer.single_shape() is Shape.TABLE:
        session.printer.fields(_verified_fields(verified))
    else:
        print_json(session.printer, text)
    session.advise(verified.contract)


def _checkout_fields(checkout: Checkout) -> dict[str, str | None]:
    return {
        "purchase": checkout.purchase_id,
        "plan": checkout.plan_name or checkout.plan_id,
        "price": f"{checkout.price_usd:.2f} USD",
        "approve at": checkout.checkout_url,
        "until": f"{clock_time(checkout.checkout_expires_at)} UTC",
    }


def _verified_fields(verified: Verification) -> dict[str, str | None]:
    return {
        "purchase": verified.purchase_id,
        "plan": verified.plan_id,
        "outcome": verified.outcome,
        "message": verified.message,
    }
