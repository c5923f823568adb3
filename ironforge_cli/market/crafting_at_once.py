"""What many crafts cost, without how: those that buy all they take at once, by arrays, and the others one by one.

In a market most crafts buy everything, since making costs more; then a craft costs the sum of its slots' cheapest
options. `crafting_costs.py` says what a craft costs; this says the same sooner.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from ironforge_cli.market.craft_table import inner, owners
from ironforge_cli.market.crafting import saved_share

if TYPE_CHECKING:
    from ironforge_cli.market.auctions import Bool, Int64
    from ironforge_cli.market.crafting_costs import Workshop

_MOST_EXACT: Final = 2**53


@dataclass(frozen=True, slots=True)
class CraftCosts:
    """What a batch of each of k crafts costs, and what is not known of it; copper. The words are `CraftingPlan`'s."""

    cost: list[float | None]
    cost_floor: list[float | None]
    reasons: list[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class _Taken:
    """What n slots of crafts take, the best option of each, by rising craft and item."""

    craft: Int64
    """By its place among those that are asked for."""
    item_id: Int64
    is_required: Bool
    units: Int64
    """Units that are there."""
    cost: Int64
    is_whole: Bool


def costs_of(workshop: Workshop, places: Int64, batch: int) -> CraftCosts:
    """What a batch of crafts of a workshop costs, by their places there: as `Workshop.plan` says it."""
    taken, is_plain = _taken(workshop, places, batch)
    starts = np.searchsorted(taken.craft, np.arange(len(places) + 1))
    sums = (taken.cost, np.where(taken.is_required, taken.cost, 0), ~taken.is_whole, taken.units > 0)
    totals = (np.concatenate((np.zeros(1, np.int64), np.cumsum(one, dtype=np.int64))) for one in sums)
    whole, required, lacking, there = (total[starts[1:]] - total[starts[:-1]] for total in totals)
    share = saved_share(workshop.crafter.resourcefulness)
    costs = (whole - share * required if share else whole).tolist()
    floors = [cost if is_any else None for cost, is_any in zip(costs, (there > 0).tolist(), strict=True)]
    found = CraftCosts(floors.copy(), floors, [()] * len(places))
    filled, are_known = workshop.filled_slots, workshop.crafts.are_slots_known
    is_whole = are_known[places] & ~(filled.is_slot_unknown | filled.is_rank_unknown)[places] & (lacking == 0)
    for place in np.flatnonzero(~is_plain | ~is_whole).tolist():
        craft = int(places[place])
        if not is_plain[place]:
            plan = workshop.plan(workshop.crafts[craft], batch)
            found.cost[place], found.cost_floor[place], found.reasons[place] = plan.cost, plan.cost_floor, plan.reasons
            continue
        reasons = _reasons_against(workshop, craft)
        for row in range(int(starts[place]), int(starts[place + 1])):
            if not taken.is_whole[row]:
                reasons.append(f"{'short_book' if taken.units[row] else 'reagent_unpriced'}:{taken.item_id[row]}")
        found.cost[place], found.reasons[place] = None, tuple(reasons)
    return found


def _reasons_against(workshop: Workshop, craft: int) -> list[str]:
    """As `Workshop.reasons_against`, each once."""
    filled = workshop.filled_slots
    are_known, is_rankless = workshop.crafts.are_slots_known[craft], filled.is_rank_unknown[craft]
    if are_known and is_rankless and filled.is_slot_unknown[craft]:
        # Which comes first is a matter of which slot does.
        return list(dict.fromkeys(workshop.reasons_against(workshop.crafts[craft])))
    is_unknown = not are_known or filled.is_slot_unknown[craft]
    return [*(["slots_unknown"] if is_unknown else []), *(["rank_unknown"] if is_rankless else [])]


def _taken(workshop: Workshop, places: Int64, batch: int) -> tuple[_Taken, Bool]:
    """What the crafts take where all is bought, and for which of them that is so."""
    filled = workshop.filled_slots
    slots, starts = inner(filled.starts, places)
    options, option_starts = inner(filled.option_starts, slots)
    craft, slot = owners(starts), owners(option_starts)
    item = filled.item_id[options]
    required = filled.required[slots]
    units = (filled.quantity[slots] * batch)[slot]
    bought = workshop.books.costs(item, units)
    is_whole = bought.units >= units
    least = np.where(is_whole, bought.cost, np.inf)
    is_plain = np.ones(len(places), np.bool_)
    is_plain[craft[slot[~bought.is_exact | workshop.bounds.can_be_made(item, units, least)]]] = False
    # What can be had whole first, then the cheapest, then the lowest number; of what is not there any is as cheap.
    rating = np.where(bought.units > 0, bought.cost, np.iinfo(np.int64).max)
    order = np.lexsort((item, rating, ~is_whole, slot))
    best = order[option_starts[:-1]]
    sorted_best = best[np.lexsort((item[best], craft))]
    craft_of = craft[slot[sorted_best]]
    # One book serves two slots of the same item: that is for the plan to sum up.
    is_twice = (craft_of[1:] == craft_of[:-1]) & (item[sorted_best][1:] == item[sorted_best][:-1])
    is_plain[craft_of[1:][is_twice]] = False
    is_plain &= np.bincount(craft_of, bought.cost[sorted_best].astype(np.float64), len(places)) < _MOST_EXACT
    return _Taken(
        craft=craft_of,
        item_id=item[sorted_best],
        is_required=required[slot[sorted_best]],
        units=bought.units[sorted_best],
        cost=bought.cost[sorted_best],
        is_whole=is_whole[sorted_best],
    ), is_plain
