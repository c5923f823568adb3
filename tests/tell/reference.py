"""Crossings counted plainly: a series of what was known in fresh hours, walked from one end to the other."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def crossings(values: Sequence[float | None], *, threshold: float, is_above: bool, rearm: float) -> list[int]:
    """The places in a series at which somebody has to be told; None is an hour of which nothing is known."""
    sign = 1 if is_above else -1
    beyond = [None if value is None else sign * (Fraction(str(value)) - Fraction(str(threshold))) for value in values]
    back = -Fraction(str(rearm)) * abs(Fraction(str(threshold)))
    told: list[int] = []
    for place, excess in enumerate(beyond):
        if excess is None or excess <= 0:
            continue
        if not told:
            told.append(place)
            continue
        between = [one for one in beyond[told[-1] + 1 : place] if one is not None]
        if any(one <= back for one in between):
            told.append(place)
    return told
