"""The pretend PayPal, taking money again for every capture that is not a repeat by its name.

Orders protect nobody here: what keeps a purchase from being paid twice is all the service's own.
"""

import msgspec

from orchestrion.payments.pretend.__main__ import main
from orchestrion.payments.pretend.behaviours import Behaviour
from orchestrion.payments.pretend.orders import Ledger, PretendOrder
from orchestrion.payments.pretend.replies import Reply
from tests.chaos.mutants.seams import Seams


def _made_generous(seams: Seams) -> None:
    capture, obstacle = seams.original(Ledger, "capture"), seams.original(Ledger, "_obstacle")

    def no_obstacle(ledger: Ledger, order: PretendOrder) -> str:
        found: str = obstacle(ledger, order)
        return "" if order.paid else found

    def capture_again(
        ledger: Ledger, order_id: str, request_id: str, told: Behaviour | None
    ) -> Reply:
        order = ledger.find(order_id)
        before = [] if order is None else order.captures
        reply: Reply = capture(ledger, order_id, request_id, told)
        if order is not None and not reply.repeated and order.captures is not before:
            order.captures = [*before, *order.captures]
            return msgspec.structs.replace(reply, body=ledger.shown(order))
        return reply

    seams.replace(Ledger, "_obstacle", no_obstacle)
    seams.replace(Ledger, "capture", capture_again)


if __name__ == "__main__":
    _made_generous(Seams())
    main()
