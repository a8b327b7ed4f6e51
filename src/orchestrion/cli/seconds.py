"""Seconds as they are typed: a number from 0 to a year."""

import math
from typing import Any, Final

import click

SECONDS_MAX: Final = 365 * 86_400.0


class Seconds(click.FloatRange):
    """A number of seconds; what is none fails as wrong usage."""

    def __init__(self, least: float = 0, most: float = SECONDS_MAX) -> None:
        super().__init__(least, most)

    def convert(
        self,
        value: Any,  # noqa: ANN401 - Click's own signature
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> float:
        """Read the number; the comparisons of a range let NaN pass."""
        seconds = super().convert(value, param, ctx)
        if math.isnan(seconds):
            self.fail(f"{value!r} is no number of seconds.", param, ctx)
        return float(seconds)
