"""What a region's figures say against its estimates of sales, and when that is told. Without arrays.

Thresholds alarm, and calibrate nothing: no figure here changes an estimate.
"""

from __future__ import annotations

import math
from enum import Enum
from typing import Final

from ironforge_cli.values import Value

ENOUGH_LOTS: Final = 200
"""Of fewer sold lots their quarters say nothing."""

QUARTERS: Final = 4


class Doubt(Enum):
    """What speaks against an estimate; the value says what it means."""

    THINNING = "looking half as often gives another day's total than the estimate of what is unseen can explain"
    LISTED_EARLY = "sold lots were listed early in their hour: listings are bunched, and more is unseen than estimated"
    LISTED_LATE = "sold lots were listed just before a snapshot: bots list again, and less is sold than estimated"
    CANCELLING = "more auctions are withdrawn than usual, and what they hide errs by 12% and more"
    NOT_CHEAPEST = "many auctions lose units while a cheaper one stands untouched: buyers don't take the cheapest first"


THINNING_FITS: Final = (0.78, 1.10)
PHASE_FITS: Final = (0.86, 1.08)
USUAL_WITHDRAWING: Final = 0.08
"""Auctions withdrawn an hour, as a share of all; 0.02 to 0.04 is ordinary."""
ENOUGH_WITHDRAWN: Final = 200
"""Of fewer withdrawn auctions their share says nothing."""
USUAL_PASSING_BY: Final = 0.15
"""Auctions that lost units above an untouched cheaper one, as a share of all that lost some."""


class SoldLots(Value, frozen=True):
    """The lots sold in one or more intervals, each counted as its units over the mean lot of its item."""

    quarters: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    """Those seen, by how long before its first snapshot each was listed: in the last quarter of the interval, …"""
    seen: float = 0.0
    unseen: float = 0.0
    """As estimated."""

    def __add__(self, other: SoldLots) -> SoldLots:
        """Those of both."""
        first, second, third, fourth = (a + b for a, b in zip(self.quarters, other.quarters, strict=True))
        return SoldLots((first, second, third, fourth), self.seen + other.seen, self.unseen + other.unseen)

    @property
    def phase(self) -> float | None:
        """The share of the latest quarter, as a multiple of what it should be; None for too few lots.

        >>> round(SoldLots((250.0, 250.0, 250.0, 250.0), seen=1000.0).phase, 3)
        1.0
        >>> round(SoldLots((300.0, 250.0, 200.0, 150.0), seen=900.0, unseen=450.0).phase, 3)
        0.99
        """
        dated = sum(self.quarters)
        if dated < ENOUGH_LOTS or self.seen <= 0:
            return None
        return self.quarters[0] / dated * QUARTERS / latest_quarter((self.seen + self.unseen) / self.seen)


def latest_quarter(sold_to_seen: float) -> float:
    """How many of the seen sold lots were listed in the last quarter before their first snapshot, in even quarters.

    Lots are listed evenly and sell at a constant rate x an interval: 1 in R = x / (1 - exp(-x)) of them lives to be
    seen. R (1 - exp(-x / 4)) / (x / 4) times a quarter of these were listed in the last one.

    >>> latest_quarter(1.0), round(latest_quarter(1.4), 4)
    (1.0, 1.2819)
    """
    if sold_to_seen <= 1:
        return 1.0
    # The rate is less than twice that.
    low, high = 0.0, 2 * sold_to_seen
    for _ in range(60):
        middle = (low + high) / 2
        if middle / -math.expm1(-middle) < sold_to_seen:
            low = middle
        else:
            high = middle
    return sold_to_seen * -math.expm1(-high / QUARTERS) / (high / QUARTERS)


def doubts(
    *, thinned: float | None, phase: float | None, withdrawn_an_hour: float | None, passed_by: float | None
) -> tuple[Doubt, ...]:
    """What a day's figures say against its estimates; None is a figure that is not known, and says nothing.

    >>> doubts(thinned=0.95, phase=0.97, withdrawn_an_hour=0.03, passed_by=0.02)
    ()
    >>> [one.name for one in doubts(thinned=0.5, phase=1.2, withdrawn_an_hour=0.1, passed_by=None)]
    ['THINNING', 'LISTED_LATE', 'CANCELLING']
    """
    found: list[Doubt] = []
    if thinned is not None and not THINNING_FITS[0] <= thinned <= THINNING_FITS[1]:
        found.append(Doubt.THINNING)
    if phase is not None and phase < PHASE_FITS[0]:
        found.append(Doubt.LISTED_EARLY)
    if phase is not None and phase > PHASE_FITS[1]:
        found.append(Doubt.LISTED_LATE)
    if withdrawn_an_hour is not None and withdrawn_an_hour > USUAL_WITHDRAWING:
        found.append(Doubt.CANCELLING)
    if passed_by is not None and passed_by > USUAL_PASSING_BY:
        found.append(Doubt.NOT_CHEAPEST)
    return tuple(found)
