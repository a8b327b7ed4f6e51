"""What the clients of an overloaded server saw, answer by answer, and what it comes to."""

from array import array
from collections import Counter
from collections.abc import Sequence
from enum import IntEnum, auto
from typing import Final

import msgspec

OK_MAX: Final = 299
REFUSED: Final = frozenset({429, 503})
BROKEN: Final = 0
LOWEST_FAULT: Final = 500


class Ask(IntEnum):
    """What a client asks for."""

    CREATE = 0
    CLAIM = auto()
    HEARTBEAT = auto()
    COMPLETE = auto()
    FAIL = auto()
    GET = auto()
    LIST = auto()


HOLDERS: Final = frozenset({Ask.HEARTBEAT, Ask.COMPLETE, Ask.FAIL})
ENDS: Final = frozenset({Ask.COMPLETE, Ask.FAIL})


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """What a span of time came to; times in milliseconds, counts by operation."""

    clients: int
    seconds: float
    lives_per_second: float
    answers: dict[str, int]
    refusals: dict[str, int]
    p99_ms: float
    create_p50_ms: float
    create_p99_ms: float
    refusal_p50_ms: float
    refusal_p99_ms: float
    holders_asked: int
    holders_refused: int
    faults: int
    broken: int

    @property
    def refused(self) -> int:
        """How many answers were refusals."""
        return sum(self.refusals.values())

    @property
    def accepted_share(self) -> float:
        """The share of complete, fail and heartbeat that was let in."""
        return 1 - self.holders_refused / max(1, self.holders_asked)


class Oddities(msgspec.Struct, kw_only=True):
    """What ought not to be, over the whole run; and the waits that refusals advised."""

    lost_leases: int = 0
    late_workers: int = 0
    without_wait: int = 0
    waits_differ: int = 0
    waits: Counter[int] = msgspec.field(default_factory=Counter)
    unexpected: Counter[str] = msgspec.field(default_factory=Counter)


class Records:
    """All answers in the order they came."""

    def __init__(self) -> None:
        self.oddities = Oddities()
        self._asks = array("b")
        self._statuses = array("h")
        self._ends = array("d")
        self._seconds = array("f")

    def add(self, ask: Ask, status: int, sent: float, now: float) -> None:
        """Keep one answer; of a connection that broke the status is BROKEN."""
        self._asks.append(ask)
        self._statuses.append(status)
        self._ends.append(now)
        self._seconds.append(now - sent)

    def __len__(self) -> int:
        return len(self._asks)

    def span(self, since: int, clients: int, seconds: float) -> Span:
        """Sum up what came since there were so many answers."""
        rows = list(
            zip(
                map(Ask, self._asks[since:]),
                self._statuses[since:],
                self._seconds[since:],
                strict=True,
            )
        )
        good = [row for row in rows if 0 < row[1] <= OK_MAX]
        refused = [row for row in rows if row[1] in REFUSED]
        creates = [row[2] for row in good if row[0] is Ask.CREATE]
        holders = [row for row in rows if row[0] in HOLDERS]
        return Span(
            clients=clients,
            seconds=round(seconds, 2),
            lives_per_second=sum(row[0] in ENDS for row in good) / seconds,
            answers=_by_name(rows),
            refusals=_by_name(refused),
            p99_ms=_percentile([row[2] for row in good], 99),
            create_p50_ms=_percentile(creates, 50),
            create_p99_ms=_percentile(creates, 99),
            refusal_p50_ms=_percentile([row[2] for row in refused], 50),
            refusal_p99_ms=_percentile([row[2] for row in refused], 99),
            holders_asked=len(holders),
            holders_refused=sum(row[1] in REFUSED or row[1] == BROKEN for row in holders),
            faults=sum(row[1] >= LOWEST_FAULT and row[1] not in REFUSED for row in rows),
            broken=sum(row[1] == BROKEN for row in rows),
        )

    def p99_ms(self, since: int) -> float:
        """Give the p99 of what was let in since there were so many answers."""
        pairs = zip(self._statuses[since:], self._seconds[since:], strict=True)
        return _percentile([seconds for status, seconds in pairs if 0 < status <= OK_MAX], 99)


def _by_name(rows: Sequence[tuple[Ask, int, float]]) -> dict[str, int]:
    counts = Counter(row[0] for row in rows)
    return {ask.name.lower(): counts[ask] for ask in Ask}


def _percentile(seconds: Sequence[float], percent: int) -> float:
    if not seconds:
        return 0
    return round(sorted(seconds)[len(seconds) * percent // 100] * 1_000, 2)
