"""What a market looks like that has been open for days: worked out, so that no days have to be simulated."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ironforge_cli.sandbox.market_profiles import Behaviour, Float64

if TYPE_CHECKING:
    from ironforge_cli.sandbox.market_book import Int64

Weights: TypeAlias = NDArray[np.float64]

DURATIONS = np.array([12, 24, 48], dtype=np.int64) * 3600
"""Seconds for which lots are listed."""

_AGE_SECONDS = 300
_AGES = np.arange(48 * 3600 // _AGE_SECONDS)
# Sellers react to scarcity: the book swings over a day by so much less than its ages alone would have it.
_DAMPED = 0.6
# Of the units that buyers ask for, so many are there at a price that they accept.
_SERVED = 0.8


@dataclass(frozen=True, slots=True)
class Opening:
    """A market that has been open for days by a moment, under a behaviour."""

    behaviour: Behaviour
    moment: datetime

    def share_of_usual(self) -> float:
        """How many lots stand on the book at the moment, as a share of a day's average."""
        return 1 + _DAMPED * (float(self._weights(self.moment).sum()) / self._usual_weight() - 1)

    def draw_ages(self, count: int, *, rng: np.random.Generator) -> tuple[Int64, Int64]:
        """Draw the age and the full duration of so many standing lots, in seconds."""
        weights = self._weights(self.moment)
        bounds = np.cumsum(weights)
        cell: Int64 = np.searchsorted(bounds, np.multiply(rng.random(count), bounds[-1]), side="right")
        duration, age = np.divmod(np.minimum(cell, weights.size - 1), len(_AGES))
        return age * _AGE_SECONDS + rng.integers(0, _AGE_SECONDS, size=count), DURATIONS[duration]

    def fresh_share(self, turnover: Float64) -> Float64:
        """Fresh lots an hour that make good what leaves, as a share of the lots usually on the book.

        Reposts make good a part; what is left is for items with that turnover (`Profiles.turnover`).
        """
        residence = self._usual_weight() * _AGE_SECONDS / 3600
        leaving = 1 / residence + _SERVED * turnover
        return np.maximum(leaving - self.behaviour.reposted * self.behaviour.cancelled_dearer, 0.01)

    def _usual_weight(self) -> float:
        day = [self._weights(self.moment + timedelta(hours=hour)) for hour in range(0, 24, 2)]
        return float(np.mean([weights.sum() for weights in day]))

    def _weights(self, moment: datetime) -> Weights:
        return _standing(self.behaviour, moment)


# A market asks for the same moments again and again, and so do the regions that open together.
@lru_cache(maxsize=128)
def _standing(behaviour: Behaviour, moment: datetime) -> Weights:
    """How many lots of each duration (rows) and age (columns) stand, if one were listed in each interval; read-only."""
    back = [moment - timedelta(seconds=age * _AGE_SECONDS) for age in _AGES.tolist()]
    supply = np.array([behaviour.rhythm(behaviour.supply_swing, then) for then in back])
    cancelling = np.array([behaviour.rhythm(behaviour.cancelling_swing, then) for then in back])
    hazard = -math.log1p(-behaviour.cancelled_dearer) * _AGE_SECONDS / 3600
    weights = np.array(behaviour.duration_shares)[:, None] * supply * np.exp(-np.cumsum(cancelling) * hazard)
    weights[DURATIONS[:, None] <= _AGES * _AGE_SECONDS] = 0
    weights.setflags(write=False)
    return weights
