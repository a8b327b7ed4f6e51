"""Holds what a run saw against its targets."""

from typing import Final

from msgspec.structs import replace

from benchmarks.figures import Figure, Target
from benchmarks.overload.course import Course, Surge

GOODPUT_SHARE: Final = 0.8
REFUSAL_P99_MS: Final = 50
ACCEPTED_SHARE: Final = 0.999
MEMORY_FACTOR: Final = 1.5
RECOVERY_SECONDS: Final = 30
OF_REFUSALS: Final = frozenset({"refusals' p99", "values of Retry-After"})
# Of clients that retry at once less is asked.
OF_THE_PATIENT: Final = frozenset({"goodput", "refusals' p99", "holders let in", "memory"})
NOTHING: Final = Target(at_most=0)
CORE_SHARE: Final = 0.7
BUSY: Final = "something else had much of the server's core; measure again on a quiet machine"
NOT_RECOVERED: Final = "it was not as before in all the time it was watched"
NONE_REFUSED: Final = "nobody was refused: so many clients only wait longer"


def figures_of(course: Course) -> list[Figure]:
    """Judge everything that a target speaks of."""
    knee = course.knee
    figures = [
        _figure("knee, clients", "", knee.clients),
        _figure("knee, goodput", "lives/s", knee.lives_per_second),
        _figure("knee again, goodput", "lives/s", course.knee_again.lives_per_second),
        _figure("knee, p99", "ms", knee.p99_ms),
        _figure("0.7 of the knee, p99", "ms", course.calm.p99_ms),
        _figure("knee, memory", "MiB", course.memory_mib),
        _share("knee", course.core_share),
    ]
    for surge in course.surges:
        figures += _of_surge(course, surge)
    return figures


def _of_surge(course: Course, surge: Surge) -> list[Figure]:
    span, name = surge.span, surge.name
    first = course.knee.lives_per_second
    # The machine and the size of the database change it in the minutes between.
    usual = (first + course.knee_again.lives_per_second) / 2
    goodput = span.lives_per_second / usual
    memory = surge.memory_mib / course.memory_mib
    figures = [
        _figure("clients", "", span.clients),
        _share("", surge.core_share),
        _figure("goodput", "of the knee", goodput, Target(at_least=GOODPUT_SHARE)),
        _figure("goodput by the first knee alone", "", span.lives_per_second / first),
        _figure("refusals", "", span.refused, note=_refusals(surge)),
        _figure("refusals' p99", "ms", span.refusal_p99_ms, Target(at_most=REFUSAL_P99_MS)),
        _figure("holders let in", "", span.accepted_share, Target(at_least=ACCEPTED_SHARE)),
        _figure("memory", "of the knee's", memory, Target(at_most=MEMORY_FACTOR)),
        _recovery(surge),
        *_never(surge),
    ]
    judged = [_unjudged(one) if _unasked(one.name, surge) else one for one in figures]
    return [replace(one, name=f"{name}: {one.name.removeprefix(': ')}") for one in judged]


def _never(surge: Surge) -> list[Figure]:
    span, odd = surge.span, surge.oddities
    unexpected = ", ".join(f"{what}: {count}" for what, count in odd.unexpected.items())
    return [
        _figure("values of Retry-After", "", len(odd.waits), Target(at_least=2)),
        _figure("waits that differ or lack", "", odd.without_wait + odd.waits_differ, NOTHING),
        _figure("leases lost", "", odd.lost_leases, NOTHING),
        _figure("500 and broken connections", "", span.faults + span.broken, NOTHING),
        _figure("other odd answers", "", odd.unexpected.total(), NOTHING, note=unexpected),
    ]


def _recovery(surge: Surge) -> Figure:
    target = Target(at_most=RECOVERY_SECONDS)
    if surge.recovery_seconds is not None:
        return _figure("recovery", "s", surge.recovery_seconds, target)
    return replace(_figure("recovery", "s", RECOVERY_SECONDS, target), spoiled=NOT_RECOVERED)


def _unasked(name: str, surge: Surge) -> bool:
    """Tell whether no target speaks of a figure of this surge."""
    if name in OF_REFUSALS and not surge.span.refused:
        return True
    return "at once" in surge.name and name in OF_THE_PATIENT


def _unjudged(figure: Figure) -> Figure:
    return replace(figure, target=None)


def _share(name: str, share: float) -> Figure:
    note = BUSY if share < CORE_SHARE else ""
    return _figure(f"{name}: server's share of its core", "", share, note=note)


def _refusals(surge: Surge) -> str:
    if not surge.span.refused:
        return NONE_REFUSED
    return ", ".join(f"{name} {count}" for name, count in surge.span.refusals.items() if count)


def _jittered(surge: Surge) -> Target | None:
    return Target(at_least=2) if surge.span.refused else None


def _figure(
    name: str, unit: str, value: float, target: Target | None = None, note: str = ""
) -> Figure:
    return Figure(
        name=name,
        unit=unit,
        samples=[value],
        target=target,
        note=note,
    )


def missed(figures: list[Figure]) -> list[str]:
    """Name what missed its target."""
    return [figure.name for figure in figures if figure.reached is False]
