"""The rules that hold in every world, each looked at after every request."""

from collections.abc import Callable, Collection
from enum import StrEnum
from typing import Final

import msgspec
from msgspec.structs import replace

from orchestrion.core.task import Task
from tests.model.past import CANCELLED, CLAIMED, COMPLETED, DEAD_LETTER, PENDING, Past
from tests.model.promises import BODIES, LEASE, Due, due
from tests.model.serving import RESULTS, Served
from tests.model.world import AND_CLAIM, MAX_ATTEMPTS, OF_HOLDER, Verb
from tests.unit import asks


class Rule(StrEnum):
    """What a world can break."""

    KEPT = "a live lease is ended by its holder alone (S4)"
    EXCLUSIVITY = "one live lease at a time (S4)"
    FENCING = "no token but the last is accepted (S5)"
    OVER = "nothing is accepted under a lease that has ended (S11)"
    ONE_COMPLETION = "one completion takes effect, and its result stays (S6)"
    TERMINAL = "what has ended stays as it is (S7)"
    PATHS = "only the paths of the life (S8)"
    ATTEMPTS = "attempts are exact and bounded (S9)"
    DEAD_LETTER = "dead letter exactly when no attempt is left (S9)"
    NOT_EARLY = "not before its time (S10)"
    HEARTBEAT = "a heartbeat sets now + lease and never shortens (S11)"
    REFUSAL = "a refusal changes nothing (S14)"
    REPEAT = "a repeat is accepted and has no second effect (S3, S6)"
    AVAILABLE = "what is due to a caller is not refused (S13, L1)"
    AS_PROMISED = "the row is as promised"


# What a lease is for: told apart from how long it lasts and from what is kept of it.
SAFETY: Final = frozenset(
    {
        Rule.EXCLUSIVITY,
        Rule.KEPT,
        Rule.FENCING,
        Rule.OVER,
        Rule.ONE_COMPLETION,
        Rule.TERMINAL,
    }
)


class Broken(msgspec.Struct, frozen=True):
    """A rule that a request broke, and how."""

    rule: Rule
    says: str


class Case(msgspec.Struct, frozen=True):
    """A request, what was before it, and what it had to come to."""

    served: Served
    past: Past
    due: Due

    @property
    def of_holder(self) -> bool:
        """Tell whether it says that it holds the task."""
        return self.served.request.verb in (*OF_HOLDER, *AND_CLAIM)

    @property
    def ended_first(self) -> bool:
        """Tell whether the holder itself ended its attempt in the request that claims."""
        request = self.served.request
        return request.verb is Verb.FAIL_AND_CLAIM and request.token == self.past.token

    @property
    def claimed(self) -> bool:
        """Tell whether it began a lease."""
        after, before = self.served.after, self.served.before
        token = None if before is None else before.lease_token
        return after is not None and after.lease_token != token


def judge(
    past: Past, served: Served, rules: Collection[Rule] = frozenset(Rule)
) -> tuple[Past, Broken | None]:
    """Look at one request by some rules; gives what holds after it, and the first rule broken."""
    promised = due(past, served.request, served.now)
    case = Case(served, past, promised)
    for rule, look in _RULES:
        says = look(case)
        if says is not None and rule in rules:
            return promised.past, Broken(rule, says)
    return _as_told(promised.past, served), None


def _as_told(past: Past, served: Served) -> Past:
    # What a lease is worth was said in the answer, should nobody look at whether that was right.
    told = served.accepted and served.after is not None and past.status == CLAIMED
    if not told or served.after is None or served.after.lease_expires_at is None:
        return past
    return replace(past, until=served.after.lease_expires_at)


def _exclusivity(case: Case) -> str | None:
    if case.claimed and case.past.live(case.served.now) and not case.ended_first:
        return f"token {case.past.token} was still live when the task was claimed again"
    return None


def _kept(case: Case) -> str | None:
    served = case.served
    ended = served.after is not None and served.after.status != CLAIMED
    if ended and case.past.live(served.now) and not case.of_holder:
        return f"the lease of token {case.past.token} was ended while it was live"
    return None


def _fencing(case: Case) -> str | None:
    request, past = case.served.request, case.past
    # What was claimed with a failure is found again by the failure's repeat.
    again = request.verb is Verb.FAIL_AND_CLAIM and request.token == past.behind
    if again and past.live(case.served.now) and not case.served.changed:
        return None
    if case.served.accepted and case.of_holder and request.token != past.token:
        return f"token {request.token} was accepted after token {past.token} was handed out"
    return None


def _over(case: Case) -> str | None:
    served = case.served
    effective = served.accepted and served.changed and case.of_holder
    # A failure that was known already may be followed by its claim at any time.
    known = case.ended_first and case.past.given_back == Verb.FAIL
    if effective and not known and not case.past.live(served.now):
        return f"token {served.request.token} was accepted though its lease had ended"
    return None


def _one_completion(case: Case) -> str | None:
    served = case.served
    if not served.accepted or served.request.verb not in BODIES:
        return None
    body = BODIES[served.request.verb]
    if case.past.done not in (0, body):
        return "another result was accepted after the task was completed"
    if served.changed and case.past.done:
        return "the completion took effect twice"
    if served.after is None or served.after.result != RESULTS[body - 1]:
        return "the result that is kept is not the one that was accepted"
    return None


def _terminal(case: Case) -> str | None:
    before = case.served.before
    if before is None or not case.served.changed:
        return None
    if before.status in (COMPLETED, CANCELLED):
        return f"a task that was {before.status} was changed"
    if before.status == DEAD_LETTER and case.served.request.verb is not Verb.REQUEUE:
        return "a dead letter was changed, and not by requeue"
    return None


def _paths(case: Case) -> str | None:
    served = case.served
    before = "" if served.before is None else str(served.before.status)
    after = "" if served.after is None else str(served.after.status)
    if before != after and (before, after) not in _LEGAL:
        return f"from {before or 'nothing'} to {after or 'nothing'}"
    return None


def _attempts(case: Case) -> str | None:
    after = case.served.after
    count = 0 if after is None else after.attempt_count
    if count != case.due.past.attempts:
        return f"{count} attempts are counted, and there were {case.due.past.attempts}"
    return f"{count} attempts" if count > MAX_ATTEMPTS else None


def _dead_letter(case: Case) -> str | None:
    before, after = case.served.before, case.served.after
    if before is None or after is None or before.status != CLAIMED:
        return None
    none_left = case.past.attempts >= MAX_ATTEMPTS
    if after.status == DEAD_LETTER and not none_left:
        return f"dead after {case.past.attempts} of {MAX_ATTEMPTS} attempts"
    # A release gives its attempt back; a requeue finds the dead letter that the expiry makes.
    spared = case.served.request.verb in (Verb.RELEASE, Verb.REQUEUE)
    if after.status in (PENDING, CANCELLED) and none_left and not spared:
        return None if case.past.withdrawn else f"{after.status} though no attempt was left"
    return None


def _not_early(case: Case) -> str | None:
    if not case.claimed or case.past.due is None or case.past.due <= case.served.now:
        return None
    # A failure without a wait clears the one before, which only a clock set back brings up again.
    cleared = case.ended_first and case.past.live(case.served.now)
    return None if cleared else "claimed before scheduledAt"


def _heartbeat(case: Case) -> str | None:
    served = case.served
    if not served.accepted or served.request.verb is not Verb.HEARTBEAT or served.after is None:
        return None
    ends = served.after.lease_expires_at or 0
    if ends < (case.past.until or 0):
        return "the lease was shortened"
    return None if ends == max(case.past.until or 0, served.now + LEASE) else "time was banked"


def _refusal(case: Case) -> str | None:
    # A claim of whatever comes next, which found nothing, may leave an expiry behind.
    if case.served.accepted or not case.served.changed or case.served.request.verb is Verb.CLAIM:
        return None
    return "it was refused and changed the row"


def _repeat(case: Case) -> str | None:
    if not case.due.repeat:
        return None
    if not case.served.accepted:
        return "the repeat was refused"
    return "the repeat changed the row" if case.served.changed else None


def _available(case: Case) -> str | None:
    if case.due.accepted and not case.served.accepted:
        return "it was refused though nothing stood against it"
    return None


def _as_promised(case: Case) -> str | None:
    if case.served.accepted and not case.due.accepted:
        return "it was accepted though it had to be refused"
    found, wanted = _read(case.served.after), case.due.past
    differences = [
        f"{name} is {found[name]!r}, not {value!r}"
        for name, value in _promised(wanted).items()
        if found[name] != value
    ]
    return "; ".join(differences) or None


def _promised(past: Past) -> dict[str, object]:
    return {
        "status": past.status,
        "token": asks.a_token(past.token) if past.token else None,
        "until": past.until,
        "due": past.due,
        "result": RESULTS[past.done - 1] if past.done else None,
        "releases": past.releases,
        "withdrawn": past.withdrawn,
        "held by": past.claimed_by if past.status in (CLAIMED, COMPLETED) else -1,
    }


def _read(row: Task | None) -> dict[str, object]:
    if row is None:
        return _promised(Past())
    return {
        "status": str(row.status),
        "token": row.lease_token,
        "until": row.lease_expires_at,
        "due": row.scheduled_at,
        "result": row.result,
        "releases": row.release_count,
        "withdrawn": row.cancel_requested_at is not None,
        "held by": -1 if row.claimed_by is None else "AB".index(row.claimed_by),
    }


_LEGAL: Final = frozenset(
    {
        ("", PENDING),
        (PENDING, CLAIMED),
        (PENDING, CANCELLED),
        (CLAIMED, PENDING),
        (CLAIMED, COMPLETED),
        (CLAIMED, DEAD_LETTER),
        # A cancel that was asked for while a worker held the task, or came after the lease ended.
        (CLAIMED, CANCELLED),
        (DEAD_LETTER, PENDING),
    }
)
# In the order of what says most.
_RULES: Final[tuple[tuple[Rule, Callable[[Case], str | None]], ...]] = (
    (Rule.FENCING, _fencing),
    (Rule.OVER, _over),
    (Rule.EXCLUSIVITY, _exclusivity),
    (Rule.KEPT, _kept),
    (Rule.ONE_COMPLETION, _one_completion),
    (Rule.REPEAT, _repeat),
    (Rule.TERMINAL, _terminal),
    (Rule.REFUSAL, _refusal),
    (Rule.NOT_EARLY, _not_early),
    (Rule.HEARTBEAT, _heartbeat),
    (Rule.DEAD_LETTER, _dead_letter),
    (Rule.ATTEMPTS, _attempts),
    (Rule.PATHS, _paths),
    (Rule.AVAILABLE, _available),
    (Rule.AS_PROMISED, _as_promised),
)
