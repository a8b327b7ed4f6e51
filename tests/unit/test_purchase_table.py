"""Every verb in every stage of a purchase."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import pytest

from orchestrion.core import purchase_lifecycle as lifecycle
from orchestrion.core.outcomes import Rejection, Situation
from orchestrion.core.payment import OpenedOrder
from orchestrion.core.purchase import Purchase, Stage
from orchestrion.core.purchase_lifecycle import REPEATS, TABLE, Verb
from tests.factories import NOW, a_purchase, a_purchase_id, ago, expect, later

OVER: Mapping[str, Any] = MappingProxyType({"expires_at": NOW})
NEWER = a_purchase(Stage.STARTED, id=a_purchase_id(2), created_at=later(1))

# A purchase, and the newest of its account.
SITUATIONS: Mapping[str, tuple[Purchase, Purchase]] = MappingProxyType(
    {
        name: (purchase, NEWER if name.endswith("_old") else purchase)
        for name, purchase in {
            "started": a_purchase(Stage.STARTED, created_at=ago(59.999)),
            "started_over": a_purchase(Stage.STARTED, created_at=ago(60)),
            "started_old": a_purchase(Stage.STARTED),
            "open": a_purchase(expires_at=later(0.001)),
            "open_over": a_purchase(**OVER),
            "open_old": a_purchase(),
            "begun": a_purchase(capture_begun_at=ago(1)),
            "begun_over": a_purchase(capture_begun_at=ago(1), **OVER),
            "failed": a_purchase(Stage.FAILED),
            "failed_over": a_purchase(Stage.FAILED, **OVER),
            "failed_old": a_purchase(Stage.FAILED),
            "expired": a_purchase(Stage.EXPIRED, **OVER),
            "expired_bare": a_purchase(Stage.EXPIRED, order_id=None),
            "expired_old": a_purchase(Stage.EXPIRED, **OVER),
            "confirmed": a_purchase(Stage.CONFIRMED),
            "confirmed_old": a_purchase(Stage.CONFIRMED, **OVER),
        }.items()
    }
)

# What comes of each verb: a stage; the purchase as it is (same); a refusal (wait, late, moment).
GRID = """
              record_order begin_capture undo_capture fail_capture confirm   expire  give_up void
started       open         wait          wait         wait         wait      wait    expired expired
started_over  open         wait          wait         wait         wait      expired expired expired
started_old   open         wait          wait         wait         wait      expired expired expired
open          wait         open          open         failed       confirmed wait    expired expired
open_over     wait         open          open         failed       confirmed expired expired expired
open_old      wait         late          open         failed       confirmed expired expired expired
begun         wait         same          open         failed       confirmed wait    moment  expired
begun_over    wait         same          open         failed       confirmed wait    moment  expired
failed        late         open          same         same         confirmed wait    same    expired
failed_over   late         open          same         same         confirmed expired same    expired
failed_old    late         late          same         same         confirmed expired same    expired
expired       late         open          same         same         confirmed same    same    same
expired_bare  late         late          same         same         confirmed same    same    same
expired_old   late         late          same         same         confirmed same    same    same
confirmed     same         same          same         same         same      same    same    same
confirmed_old same         same          same         same         same      same    same    same
"""

REFUSALS: Mapping[str, Situation] = MappingProxyType(
    {
        "wait": Situation.PAYMENT_PENDING,
        "late": Situation.CHECKOUT_EXPIRED,
        "moment": Situation.PLAIN,
    }
)


def cells() -> list[tuple[str, Verb, str]]:
    heading, *lines = GRID.strip().splitlines()
    verbs = [Verb(name) for name in heading.split()]
    return [
        (situation, verb, expected)
        for situation, *row in map(str.split, lines)
        for verb, expected in zip(verbs, row, strict=True)
    ]


def apply(verb: Verb, purchase: Purchase, newest: Purchase) -> Purchase | Rejection:
    order = OpenedOrder(order_id="8AC96375D5", checkout_url="https://pay.example/8AC96375D5")
    number = purchase.captures
    steps: Mapping[Verb, Callable[[], Purchase | Rejection]] = {
        Verb.RECORD_ORDER: lambda: lifecycle.record_order(purchase, order, NOW),
        Verb.BEGIN_CAPTURE: lambda: lifecycle.begin_capture(purchase, newest, number, NOW),
        Verb.UNDO_CAPTURE: lambda: lifecycle.undo_capture(purchase, number, NOW),
        Verb.FAIL_CAPTURE: lambda: lifecycle.fail_capture(purchase, number, NOW),
        Verb.CONFIRM: lambda: lifecycle.confirm(purchase, "3C679366HH908993F", NOW),
        Verb.EXPIRE: lambda: lifecycle.expire(purchase, newest, NOW),
        Verb.GIVE_UP: lambda: lifecycle.give_up(purchase, NOW),
        Verb.VOID: lambda: lifecycle.void(purchase, NOW),
    }
    return steps[verb]()


def test_the_grid_has_every_verb_in_every_stage() -> None:
    pairs = {(situation, verb) for situation, verb, _ in cells()}

    assert pairs == {(situation, verb) for situation in SITUATIONS for verb in Verb}
    assert {purchase.stage for purchase, _ in SITUATIONS.values()} == set(Stage)


@pytest.mark.parametrize(("situation", "verb", "expected"), cells())
def test_a_verb_does_what_the_grid_says(situation: str, verb: Verb, expected: str) -> None:
    purchase, newest = SITUATIONS[situation]

    outcome = apply(verb, purchase, newest)

    if expected == "same":
        assert outcome is purchase
    elif expected in REFUSALS:
        assert expect(Rejection, outcome).situation is REFUSALS[expected]
    else:
        changed = expect(Purchase, outcome)
        assert changed.stage == expected
        assert changed.updated_at == NOW


def test_no_pair_is_both_a_transition_and_a_repeat() -> None:
    assert set(TABLE) & REPEATS == set()


def test_whatever_is_confirmed_stays_so() -> None:
    assert {(Stage.CONFIRMED, verb) for verb in Verb} <= REPEATS
    assert all(source is not Stage.CONFIRMED for source, _ in TABLE)


@pytest.mark.parametrize(("situation", "verb"), [cell[:2] for cell in cells()])
def test_while_a_capture_is_under_way_a_purchase_is_open(situation: str, verb: Verb) -> None:
    """So that no other purchase of the account begins before its outcome is known."""
    outcome = apply(verb, *SITUATIONS[situation])

    if isinstance(outcome, Purchase) and outcome.capture_begun_at is not None:
        assert outcome.stage is Stage.OPEN
        assert outcome.pending(later(10**9))
