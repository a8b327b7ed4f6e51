"""A figure is what was measured and what was to be reached; no figure ever stops a run."""

from collections.abc import Sequence
from statistics import median

import msgspec


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of a figure: either may be missing."""

    at_least: float | None = None
    at_most: float | None = None

    def met(self, value: float) -> bool:
        """Tell whether a value lies within the bounds."""
        return (self.at_least is None or value >= self.at_least) and (
            self.at_most is None or value <= self.at_most
        )

    def __str__(self) -> str:
        if self.at_least is not None:
            return f"≥ {shown(self.at_least)}"
        return "" if self.at_most is None else f"≤ {shown(self.at_most)}"


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the table: the median of its samples counts. `spoiled` says why it is void."""

    name: str
    unit: str
    samples: Sequence[float]
    target: Target | None = None
    note: str = ""
    spoiled: str = ""

    @property
    def value(self) -> float:
        """The figure itself."""
        return median(self.samples)

    @property
    def reached(self) -> bool | None:
        """Tell whether the target was reached; None where there is none."""
        if self.spoiled:
            return False
        return None if self.target is None else self.target.met(self.value)


HEADINGS = ("figure", "median", "min", "max", "unit", "target", "reached")
_VERDICTS = {True: "yes", False: "NO", None: ""}


def table(section: str, figures: Sequence[Figure]) -> str:
    """Lay figures out in columns, notes and complaints below them."""
    rows = [HEADINGS, *map(_row, figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    lines = [section, *(_line(row, widths) for row in rows)]
    for figure in figures:
        if figure.note:
            lines.append(f"  {figure.name}: {figure.note}")
        if figure.spoiled:
            lines.append(f"  {figure.name}: VOID: {figure.spoiled}")
    return "\n".join(lines)


def shown(value: float) -> str:
    """Write a number with as many digits as say something."""
    if value == int(value) or abs(value) >= 1_000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 100 else f"{value:.3g}"


def _row(figure: Figure) -> tuple[str, ...]:
    return (
        figure.name,
        shown(figure.value),
        shown(min(figure.samples)),
        shown(max(figure.samples)),
        figure.unit,
        "" if figure.target is None else str(figure.target),
        _VERDICTS[figure.reached],
    )


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    texts = (row[0].ljust(widths[0]), *(row[at].rjust(widths[at]) for at in (1, 2, 3)))
    rest = (row[at].ljust(widths[at]) for at in range(4, len(row)))
    return ("  " + "  ".join((*texts, *rest))).rstrip()
