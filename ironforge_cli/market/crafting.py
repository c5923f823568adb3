"""What a craft takes and makes, and the arithmetic of crafters: values and formulas. `crafting_costs.py` adds them up.

Multicraft and resourcefulness are an approximation that the addon CraftSim publishes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from ironforge_cli.market.worth import AFTER_THE_CUT

if TYPE_CHECKING:
    from ironforge_cli.market.auctions import Float64

_PER_MULTICRAFT: Final = 1_100
_PER_RESOURCEFULNESS: Final = 900
_SAVED: Final = 0.3
_EXTRA: Final = {1.0: 2.1, 2.0: 1.83, 5.0: 1.875}
_EXTRA_ELSE: Final = 2.5
SOURCES: Final = ("api", "file", "name")
"""Who says what a recipe makes, the best first."""
FEWEST_AUCTIONS: Final = 5
"""Of an output: with fewer its market is thin."""
FEWEST_SOLD: Final = 1.0
"""Units a day, as well."""


class Option(NamedTuple):
    """An item that fits into a slot."""

    item_id: int
    rank: int | None


class Slot(NamedTuple):
    """A place of a recipe that takes units of one of its options."""

    options: tuple[Option, ...]
    quantity: int | None
    """Units of one craft; None where it is not known."""
    required: bool
    is_ranked: bool = False
    """Whether the options are ranks of one thing."""

    @property
    def item_ids(self) -> tuple[int, ...]:
        """Those of the options."""
        return tuple([one.item_id for one in self.options])


@dataclass(frozen=True, slots=True)
class Made:
    """An item that a recipe makes."""

    item_id: int
    rank: int | None
    source: str
    """`api`, `file` or `name`: who says so."""
    quantity: float | None
    """Units of one craft; None where it is not known."""
    is_rank_unknown: bool = False
    """Whether it is one of several ranks, and nobody says which."""


@dataclass(frozen=True, slots=True)
class Craft:
    """A recipe as one faction crafts it: what it takes and makes, as far as it is known."""

    recipe_id: int
    faction: str
    slots: tuple[Slot, ...]
    outputs: tuple[Made, ...]
    are_slots_known: bool


@dataclass(frozen=True, slots=True)
class Crafter:
    """Who crafts, and how."""

    multicraft: int = 0
    resourcefulness: int = 0
    rank: int | None = None
    """Of ranked reagents; None takes the cheapest."""
    fills_optional: bool = False
    """Whether optional and finishing reagents are put in, the cheapest that fits."""


def expected_yield(quantity: float, multicraft: int) -> float:
    """Return the mean units of a craft with a rating of multicraft.

    >>> round(expected_yield(5, 330), 3), expected_yield(1, 0)
    (6.556, 1)
    """
    if not multicraft:
        return quantity
    chance = min(1.0, multicraft / _PER_MULTICRAFT)
    return quantity + chance * (1 + _EXTRA.get(float(quantity), _EXTRA_ELSE) * quantity) / 2


def saved_share(resourcefulness: int) -> float:
    """Return the share of what required reagents cost that a rating of resourcefulness saves.

    >>> round(1_000 * saved_share(180), 9)
    60.0
    """
    return min(1.0, resourcefulness / _PER_RESOURCEFULNESS) * _SAVED


def revenue_of(units: Float64, *, cheapest_15_percent_price: Float64, usual_price: Float64) -> Float64:
    """Return what units of each of n items bring when they sell, copper; NaN where a price is not known.

    A dear lone listing earns nobody a fortune, and a bait of one copper hides no profit: the newest price counts up to
    the usual one. The auction house keeps its cut; the deposit comes back.

    >>> revenue_of(np.ones(2), cheapest_15_percent_price=np.array([100.0, 100]), usual_price=np.array([120.0, np.nan]))
    array([95., nan])
    """
    return units * np.minimum(cheapest_15_percent_price, usual_price) * AFTER_THE_CUT


def earned_per_day(
    profit: Float64, quantity: Float64, sold: tuple[Float64, Float64, Float64]
) -> tuple[Float64, Float64, Float64]:
    """Return what a batch a day of each of n crafts earns, low, best estimate and high, copper; NaN where unknown.

    It is bounded by what sells a day: no more counts than is made, and nothing of what nobody buys. A loss is lowest
    where most is sold.

    >>> made, sold = np.full(2, 10.0), tuple(np.full(2, units) for units in (2.0, 4.0, 20.0))
    >>> [one.tolist() for one in earned_per_day(np.array([500.0, -500.0]), made, sold)]
    [[100.0, -500.0], [200.0, -200.0], [500.0, -100.0]]
    """
    low, estimate, high = (profit / quantity * np.minimum(quantity, one) for one in sold)
    is_loss = low > high
    return np.where(is_loss, high, low), estimate, np.where(is_loss, low, high)
