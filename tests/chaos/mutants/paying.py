"""Mutants of buying."""

import secrets

from orchestrion.core.purchase import Purchase
from tests.chaos.mutants.seams import Seams


def every_capture_is_new(seams: Seams) -> None:
    """M15: each try to take the money goes under a name of its own, so that none is a repeat."""

    def request(purchase: Purchase) -> str:
        return f"{purchase.id}-capture-{secrets.token_hex(4)}"

    seams.replace(Purchase, "capture_request", property(request))
