"""When workers last asked, merged from what several processes noted."""

from orchestrion.core.asking import Asks, merged
from orchestrion.core.commands import NoteAsks
from orchestrion.core.decide import decide
from orchestrion.core.ids import KEY_ENTROPY_BYTES, AccountId, api_key
from orchestrion.core.instants import Instant
from orchestrion.core.limits import TYPES_ASKED_MAX
from orchestrion.core.outcomes import Swept
from orchestrion.core.plans import SELF_HOSTED
from orchestrion.engine.asked import Asked
from tests.clocks import SettableClock
from tests.factories import ACCOUNT_ID, NOW, a_view, later


def asks(**at: Instant) -> Asks:
    return Asks(account_id=ACCOUNT_ID, at=at)


def test_the_latest_of_both_is_kept() -> None:
    kept = asks(report=NOW, mail=later(5))

    found = merged(kept, asks(report=later(1), mail=later(4), print=NOW))

    assert found == asks(report=later(1), mail=later(5), print=NOW)
    assert list(found.at) == ["mail", "report", "print"]


def test_what_is_known_better_changes_nothing() -> None:
    kept = asks(report=later(1))

    assert merged(kept, asks(report=NOW)) is kept
    assert merged(kept, asks()) is kept


def test_only_so_many_types_are_kept_the_latest() -> None:
    many = {f"type-{n}": later(n) for n in range(TYPES_ASKED_MAX + 5)}

    for found in (merged(None, asks(**many)), merged(asks(old=NOW), asks(**many))):
        assert len(found.at) == TYPES_ASKED_MAX
        assert next(iter(found.at)) == f"type-{TYPES_ASKED_MAX + 4}"
        assert "type-0" not in found.at


def test_noting_writes_only_what_is_new() -> None:
    note = NoteAsks(account_id=ACCOUNT_ID, asks=asks(report=NOW))
    view = a_view(note)

    assert decide(note, SELF_HOSTED, view) == Swept(count=1)
    assert decide(note, SELF_HOSTED, view) == Swept(count=0)
    assert view.changed_asks == {ACCOUNT_ID: asks(report=NOW)}


# --- in one process


def test_an_ask_is_remembered_and_told_once() -> None:
    clock = SettableClock()
    asked = Asked(clock)

    asked.note(ACCOUNT_ID, ["report", "mail"])
    clock.advance(5)
    asked.note(ACCOUNT_ID, ["report"])

    assert asked.at(ACCOUNT_ID, "report") == clock.now()
    assert asked.at(ACCOUNT_ID, "mail") == clock.now() - 5_000
    assert asked.at(ACCOUNT_ID, "print") is None
    assert asked.at(AccountId("acct_other"), "report") is None
    (told,) = asked.unsaved(10)
    assert told == asks(mail=Instant(clock.now() - 5_000), report=clock.now())
    assert asked.unsaved(10) == []
    assert asked.at(ACCOUNT_ID, "report") == clock.now()


def test_a_key_sent_as_a_type_is_not_remembered() -> None:
    asked = Asked(SettableClock())
    key = api_key(bytes(KEY_ENTROPY_BYTES))

    asked.note(ACCOUNT_ID, [key, "report"])

    assert asked.at(ACCOUNT_ID, key) is None
    (told,) = asked.unsaved(10)
    assert list(told.at) == ["report"]


def test_memory_is_bounded_by_types_and_by_accounts() -> None:
    clock = SettableClock()
    asked = Asked(clock, accounts_max=3)
    accounts = [AccountId(f"acct_{n}") for n in range(5)]

    for account_id in accounts:
        for number in range(TYPES_ASKED_MAX + 2):
            asked.note(account_id, [f"type-{number}"])

    assert [asked.at(one, "type-9") is not None for one in accounts] == [False] * 2 + [True] * 3
    assert asked.at(accounts[4], "type-1") is None
    told = asked.unsaved(10)
    assert [one.account_id for one in told] == accounts[2:]
    assert [len(one.at) for one in told] == [TYPES_ASKED_MAX] * 3


def test_what_could_not_be_told_is_told_next_time_with_what_came_since() -> None:
    clock = SettableClock()
    asked = Asked(clock)
    asked.note(ACCOUNT_ID, ["report", "mail"])
    told = asked.unsaved(10)
    first = clock.now()
    clock.advance(5)
    asked.note(ACCOUNT_ID, ["report"])

    asked.put_back(told)

    assert list(asked.unsaved(10)) == [asks(report=clock.now(), mail=first)]
