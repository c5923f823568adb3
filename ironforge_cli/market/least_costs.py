"""What a unit of each item costs at the very least, bought or made in any depth.

It only tells what need not be looked at: no purchase and no craft can cost less.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from ironforge_cli.market.craft_table import inner

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ironforge_cli.market.auctions import Bool, Float64, Int64
    from ironforge_cli.market.books import Books
    from ironforge_cli.market.filled_slots import FilledSlots

_ROUNDS: Final = 41
"""So many crafts within crafts are followed; what still falls then falls in a loop."""
_ROUNDING: Final = 1 - 1e-12
"""Sums of floats may come out a little too high: a bound must not."""


@dataclass(frozen=True, slots=True, eq=False)
class Makers:
    """That a craft makes an item, for n such pairs by rising item; of crafts of which all is known."""

    item_id: Int64
    craft: Int64
    """By its place."""
    quantity: Float64
    """Units of one craft."""


@dataclass(frozen=True, slots=True)
class LeastCosts:
    """Lower bounds, copper."""

    units: Mapping[int, float]
    """Of a unit of each item that recipes take or make; infinite where it can't be had."""
    crafts: Mapping[int, float]
    """Of one craft of each that makes something, by the craft's place."""
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


def least_costs(makers: Makers, filled: FilledSlots, books: Books) -> LeastCosts:
    """Find the bounds, by what makes things and what those crafts take."""
    is_known = filled.is_known[makers.craft]
    maker_item, yields, made_by = makers.item_id[is_known], makers.quantity[is_known], makers.craft[is_known]
    crafts, maker = np.unique(made_by, return_inverse=True)
    slots, craft_starts = inner(filled.starts, crafts)
    places, slot_starts = inner(filled.option_starts, slots)
    quantities = filled.quantity[slots].astype(np.float64)
    options = filled.item_id[places]
    item_id = np.unique(np.concatenate((options, maker_item)))
    unit = books.floors(item_id)
    if not len(crafts):
        return LeastCosts({}, {}, item_id, unit, maker_item, np.zeros(0), np.zeros(0))
    option = np.searchsorted(item_id, options)
    makes = np.searchsorted(item_id, maker_item)

    def crafts_at(unit: Float64) -> Float64:
        slot = np.minimum.reduceat(unit[option], slot_starts[:-1]) * quantities
        return np.add.reduceat(slot, craft_starts[:-1]) * _ROUNDING

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
        crafts=dict(zip(crafts.tolist(), craft.tolist(), strict=True)),
        _item_id=item_id,
        _unit=unit,
        _maker_item=maker_item,
        _maker_craft=craft[maker],
        _maker_yield=yields,
    )
