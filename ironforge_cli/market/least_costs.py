"""What a unit of each item costs at the very least, bought or made in any depth.

It only tells what need not be looked at: no purchase and no craft can cost less.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ironforge_cli.market.auctions import Bool, Float64, Int64
    from ironforge_cli.market.books import Books
    from ironforge_cli.market.crafting import Craft

Makers: TypeAlias = "Mapping[int, Sequence[tuple[Craft, float]]]"
"""For each item the recipes that make it, and how many units of it."""
Places: TypeAlias = "Sequence[tuple[int, Sequence[int]]]"
"""Units and options of each slot that a recipe fills."""
_ROUNDS: Final = 41
"""So many crafts within crafts are followed; what still falls then falls in a loop."""
_ROUNDING: Final = 1 - 1e-12
"""Sums of floats may come out a little too high: a bound must not."""


@dataclass(frozen=True, slots=True)
class LeastCosts:
    """Lower bounds, copper."""

    units: Mapping[int, float]
    """Of a unit of each item that recipes take or make; infinite where it can't be had."""
    crafts: Mapping[int, float]
    """Of one craft of each recipe that makes something, by the recipe's `id()`."""
    _item_id: Int64
    _unit: Float64
    _maker_item: Int64
    _maker_craft: Float64
    _maker_yield: Float64

    def can_be_made(self, item_id: Int64, units: Int64, most: Float64) -> Bool:
        """Whether making so many units of each of n items may cost less than `most`, shape (n)."""
        maybe = np.zeros(len(item_id), np.bool_)
        if not len(self._maker_item):
            return maybe
        place = np.minimum(np.searchsorted(self._item_id, item_id), len(self._item_id) - 1)
        unit = np.where(self._item_id[place] == item_id, self._unit[place], 0.0)
        first = np.searchsorted(self._maker_item, item_id)
        makers = np.searchsorted(self._maker_item, item_id, "right") - first
        asked = np.flatnonzero((makers > 0) & (most > unit * units))
        for step in range(int(makers[asked].max(initial=0))):
            left = asked[makers[asked] > step]
            maker = first[left] + step
            times = np.ceil(units[left] / self._maker_yield[maker])
            maybe[left] |= self._maker_craft[maker] * times < most[left]
        return maybe


def least_costs(makers: Makers, places: Mapping[int, Places], books: Books) -> LeastCosts:
    """Find the bounds. `places` are those of each recipe that makes something, by its `id()`; none where unknown."""
    made = [
        (item, quantity, id(craft)) for item in sorted(makers) for craft, quantity in makers[item] if places[id(craft)]
    ]
    numbers = {number: place for place, number in enumerate(dict.fromkeys(number for _, _, number in made))}
    slots = [slot for number in numbers for slot in places[number]]
    options = np.array([item for _, some in slots for item in some], np.int64)
    maker_item = np.array([item for item, _, _ in made], np.int64)
    item_id = np.unique(np.concatenate((options, maker_item)))
    unit = books.floors(item_id)
    if not made:
        return LeastCosts({}, {}, item_id, unit, maker_item, np.zeros(0), np.zeros(0))
    option = np.searchsorted(item_id, options)
    slot_starts = _starts([len(some) for _, some in slots])
    quantities = np.array([units for units, _ in slots], np.float64)
    craft_starts = _starts([len(places[number]) for number in numbers])
    maker = np.array([numbers[number] for _, _, number in made])
    yields = np.array([quantity for _, quantity, _ in made], np.float64)
    makes = np.searchsorted(item_id, maker_item)

    def crafts_at(unit: Float64) -> Float64:
        slot = np.minimum.reduceat(unit[option], slot_starts) * quantities
        return np.add.reduceat(slot, craft_starts) * _ROUNDING

    for turn in range(2 * _ROUNDS):
        lower = unit.copy()
        np.minimum.at(lower, makes, crafts_at(unit)[maker] / yields)
        is_falling = lower < unit
        if not is_falling.any():
            break
        # What falls in a loop has no bound but nothing at all.
        unit = lower if turn < _ROUNDS else np.where(is_falling, 0.0, unit)
    else:
        unit = np.zeros(len(unit))
    craft = crafts_at(unit)
    return LeastCosts(
        units=dict(zip(item_id.tolist(), unit.tolist(), strict=True)),
        crafts=dict(zip(numbers, craft.tolist(), strict=True)),
        _item_id=item_id,
        _unit=unit,
        _maker_item=maker_item,
        _maker_craft=craft[maker],
        _maker_yield=yields,
    )


def _starts(lengths: Sequence[int]) -> Int64:
    return np.concatenate(([0], np.cumsum(lengths)))[:-1].astype(np.int64)
