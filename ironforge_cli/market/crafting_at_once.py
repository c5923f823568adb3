"""What many crafts cost, without how: those that buy all they take at once, by arrays, and the others one by one.

In a market most crafts buy everything, since making costs more; then a craft costs the sum of its slots' cheapest
options. `crafting_costs.py` says what a craft costs; this says the same sooner.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Final

import numpy as np

from ironforge_cli.market.crafting import saved_share

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ironforge_cli.market.auctions import Bool, Int64
    from ironforge_cli.market.crafting import Craft
    from ironforge_cli.market.crafting_costs import Workshop

_MOST_EXACT: Final = 2**53


@dataclass(frozen=True, slots=True)
class CraftCost:
    """What a batch of a craft costs, and what is not known of it; copper. The words are `CraftingPlan`'s."""

    cost: float | None
    cost_floor: float | None
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Taken:
    """What n slots of crafts take, the best option of each, by rising craft and item."""

    craft: Int64
    item_id: Int64
    is_required: Bool
    units: Int64
    """Units that are there."""
    cost: Int64
    is_whole: Bool


def costs_of(workshop: Workshop, crafts: Sequence[Craft], batch: int) -> list[CraftCost]:
    """What a batch of each craft costs: as `Workshop.plan` says it."""
    taken, is_plain = _taken(workshop, crafts, batch)
    starts = np.searchsorted(taken.craft, np.arange(len(crafts) + 1))
    whole = np.concatenate(([0], np.cumsum(taken.cost, dtype=np.int64)))
    required = np.concatenate(([0], np.cumsum(np.where(taken.is_required, taken.cost, 0), dtype=np.int64)))
    short = np.concatenate(([0], np.cumsum(~taken.is_whole)))
    there = np.concatenate(([0], np.cumsum(taken.units > 0)))
    share = saved_share(workshop.crafter.resourcefulness)
    found: list[CraftCost] = []
    per_craft = ((sums[starts[1:]] - sums[starts[:-1]]).tolist() for sums in (whole, required, short, there))
    for place, (craft, plain, cost, needed, lacking, some) in enumerate(
        zip(crafts, is_plain.tolist(), *per_craft, strict=True)
    ):
        if not plain:
            plan = workshop.plan(craft, batch)
            found.append(CraftCost(plan.cost, plan.cost_floor, plan.reasons))
            continue
        reasons = workshop.reasons_against(craft)
        if lacking:
            for row in range(int(starts[place]), int(starts[place + 1])):
                if not taken.is_whole[row]:
                    reasons.append(f"{'short_book' if taken.units[row] else 'reagent_unpriced'}:{taken.item_id[row]}")
        floor = (cost - share * needed if share else cost) if some else None
        found.append(CraftCost(None if reasons else floor, floor, tuple(dict.fromkeys(reasons))))
    return found


def _taken(workshop: Workshop, crafts: Sequence[Craft], batch: int) -> tuple[_Taken, Bool]:
    """What the crafts take where all is bought, and for which of them that is so."""
    places = [workshop.filled(craft).places for craft in crafts]
    slots = [slot for some in places for slot in some]
    craft = np.repeat(np.arange(len(crafts)), np.array([len(some) for some in places], np.int64))
    wanted = np.array([quantity for quantity, _, _ in slots], np.int64) * batch
    required = np.array([needed for _, _, needed in slots], np.bool_)
    slot = np.repeat(np.arange(len(slots)), np.array([len(options) for _, options, _ in slots], np.int64))
    item = np.fromiter(chain.from_iterable([options for _, options, _ in slots]), np.int64, len(slot))
    units = wanted[slot]
    bought = workshop.books.costs(item, units)
    is_whole = bought.units >= units
    least = np.where(is_whole, bought.cost, np.inf)
    is_plain = np.ones(len(crafts), np.bool_)
    is_plain[craft[slot[~bought.is_exact | workshop.bounds.can_be_made(item, units, least)]]] = False
    # What can be had whole first, then the cheapest, then the lowest number; of what is not there any is as cheap.
    rating = np.where(bought.units > 0, bought.cost, np.iinfo(np.int64).max)
    order = np.lexsort((item, rating, ~is_whole, slot))
    best = order[np.searchsorted(slot, np.arange(len(slots)))]
    sorted_best = best[np.lexsort((item[best], craft))]
    craft_of = craft[slot[sorted_best]]
    # One book serves two slots of the same item: that is for the plan to sum up.
    is_twice = (craft_of[1:] == craft_of[:-1]) & (item[sorted_best][1:] == item[sorted_best][:-1])
    is_plain[craft_of[1:][is_twice]] = False
    is_plain &= np.bincount(craft_of, bought.cost[sorted_best].astype(np.float64), len(crafts)) < _MOST_EXACT
    return _Taken(
        craft=craft_of,
        item_id=item[sorted_best],
        is_required=required[slot[sorted_best]],
        units=bought.units[sorted_best],
        cost=bought.cost[sorted_best],
        is_whole=is_whole[sorted_best],
    ), is_plain
