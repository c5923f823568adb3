"""What a craft takes and makes, and the arithmetic of crafters: values and formulas. `crafting_costs.py` adds them up.

Multicraft and resourcefulness are an approximation that the addon CraftSim publishes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from ironforge_cli.market.worth import AFTER_THE_CUT

_PER_MULTICRAFT: Final = 1_100
_PER_RESOURCEFULNESS: Final = 900
_SAVED: Final = 0.3
_EXTRA: Final = {1.0: 2.1, 2.0: 1.83, 5.0: 1.875}
_EXTRA_ELSE: Final = 2.5
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


def revenue_of(units: float, *, cheapest_15_percent_price: float | None, usual_price: float | None) -> float | None:
    """Return what units bring when they sell, copper; None where a price is not known.

    A dear lone listing earns nobody a fortune, and a bait of one copper hides no profit: the newest price counts up to
    the usual one. The auction house keeps its cut; the deposit comes back.

    >>> revenue_of(1, cheapest_15_percent_price=100, usual_price=120), revenue_of(1, cheapest_15_percent_price=100,
    ...     usual_price=None)
    (95.0, None)
    """
    if cheapest_15_percent_price is None or usual_price is None:
        return None
    return units * min(cheapest_15_percent_price, usual_price) * AFTER_THE_CUT


def earned_per_day(
    profit: float | None, quantity: float | None, sold: tuple[float | None, float | None, float | None]
) -> tuple[float | None, float | None, float | None]:
    """Return what a batch a day earns, low, best estimate and high, copper; by the bounds of what sells a day.

    No more counts than is made, and nothing of what nobody buys. A loss is lowest where most is sold.

    >>> earned_per_day(500.0, 10.0, (2.0, 4.0, 20.0))
    (100.0, 200.0, 500.0)
    >>> earned_per_day(-500.0, 10.0, (2.0, 4.0, 20.0))
    (-500.0, -200.0, -100.0)
    """
    if profit is None or not quantity:
        return None, None, None
    low, estimate, high = (None if one is None else profit / quantity * min(quantity, one) for one in sold)
    if low is not None and high is not None and low > high:
        low, high = high, low
    return low, estimate, high
