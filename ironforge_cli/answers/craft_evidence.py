"""Of all that is said of recipes the best: what each makes, and what it takes; over all recipes at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from ironforge_cli.market.craft_table import MadeColumns, SlotColumns, inner, owners, starts_of
from ironforge_cli.market.factions import FACTIONS
from ironforge_cli.market.naming import folded
from ironforge_cli.market.outputs import is_modern

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ironforge_cli.db.repositories import crafting
    from ironforge_cli.db.repositories.item_names import NamedItem
    from ironforge_cli.market.auctions import Bool, Int64

_NO: Final = 1
_LARGEST: Final = 2**32


class Told:
    """n recipes, and where rows that are said of them belong."""

    def __init__(self, recipes: Sequence[crafting.RecipeRow]) -> None:
        self.recipes = recipes
        places = {faction: place for place, faction in enumerate(FACTIONS, start=1)}
        numbers = np.array([row.id for row in recipes], np.int64)
        keys = _recipe_keys(numbers, np.array([places[row.faction] for row in recipes], np.int64))
        self._order = np.argsort(keys)
        self._keys = keys[self._order]

    def __len__(self) -> int:
        """How many recipes there are."""
        return len(self.recipes)

    def places(self, rows: crafting.StoredOutputs | crafting.StoredSlots | crafting.StoredReagents) -> Int64:
        """The place of each row's recipe; -1 where it is not there."""
        keys = _recipe_keys(rows.recipe_id.astype(np.int64), rows.faction.astype(np.int64))
        if not len(self._keys):
            return np.full(len(keys), -1)
        place = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        return np.where(self._keys[place] == keys, self._order[place], -1)


def _recipe_keys(recipe_id: Int64, faction: Int64) -> Int64:
    return recipe_id * (len(FACTIONS) + 1) + faction


def best_made(told: Told, outputs: crafting.StoredOutputs) -> MadeColumns:
    """What recipes make by the best who says so; of files the newest. A yield or a rank that it lacks is another's."""
    craft, item, source = told.places(outputs), outputs.item_id.astype(np.int64), outputs.source.astype(np.int64) - 1
    # Stable: of one recipe and source the rows stay in the order of their imports.
    order = np.lexsort((source, craft))
    order = order[craft[order] >= 0]
    first = order[_firsts(craft[order])]
    best = np.zeros(len(told), np.int64)
    best[craft[first]] = first
    is_chosen = (craft >= 0) & (source == source[best[craft]]) & (outputs.detail == outputs.detail[best[craft]])
    chosen = np.flatnonzero(is_chosen)
    chosen = chosen[np.argsort(craft[chosen], kind="stable")]
    key = craft * _LARGEST + item
    rank = _filled_in(key, outputs.rank.astype(np.int64), outputs.rank > 0)[chosen]
    made = np.bincount(craft[chosen], minlength=len(told))
    return MadeColumns(
        starts=starts_of(made),
        item_id=item[chosen],
        rank=rank,
        source=source[chosen],
        quantity=_filled_in(key, outputs.quantity, ~np.isnan(outputs.quantity))[chosen],
        is_rank_unknown=(made[craft[chosen]] > 1) & (rank == 0),
    )


def _filled_in(key: Int64, values: np.ndarray, is_known: Bool) -> np.ndarray:
    """Values, those that are not known taken from the first row of the same key that has one."""
    known = np.flatnonzero(is_known)
    lacking = np.flatnonzero(~is_known)
    if not len(known) or not len(lacking):
        return values
    keys, first = np.unique(key[known], return_index=True)
    place = np.minimum(np.searchsorted(keys, key[lacking]), len(keys) - 1)
    is_there = keys[place] == key[lacking]
    found = values.copy()
    found[lacking[is_there]] = values[known[first[place[is_there]]]]
    return found


def best_slots(
    told: Told,
    slots: crafting.StoredSlots,
    reagents: crafting.StoredReagents,
    named: Mapping[int, NamedItem],
) -> tuple[SlotColumns, Bool]:
    """What recipes take, and of which of them that is all.

    Before Dragonflight Blizzard names all of it; since then a file has to. What Blizzard says that a file lacks is
    taken as well.
    """
    recipes = len(told)
    is_new = np.array(
        [
            is_modern(row.skill_tier_id) or (row.skill_tier_id is None and row.crafted_item_id is None)
            for row in told.recipes
        ],
        np.bool_,
    )
    taken_by, option_of = told.places(reagents), told.places(slots)
    is_needed = (taken_by >= 0) & (reagents.optional == 0)
    is_unsaid = np.bincount(taken_by[is_needed & (reagents.quantity == 0)], minlength=recipes) > 0
    is_said = (np.bincount(taken_by[taken_by >= 0], minlength=recipes) > 0) & ~is_unsaid
    has_file = np.bincount(option_of[option_of >= 0], minlength=recipes) > 0
    by_file = has_file & (is_new | ~is_said)
    options = _newest(slots, option_of, by_file)
    of_file = _slots_of_file(slots, options, option_of, named)
    # Of a recipe that a file tells of, Blizzard's word counts for what the file has nowhere.
    there = np.unique(option_of[options] * _LARGEST + slots.item_id[options])
    is_lacking = is_needed & ~np.isin(taken_by * _LARGEST + reagents.item_id, there)
    own = np.flatnonzero((taken_by >= 0) & (~by_file[taken_by] | is_lacking))
    ones = np.ones(len(own), np.int64)
    craft = np.concatenate((of_file.craft, taken_by[own]))
    quantity = np.concatenate((of_file.quantity, reagents.quantity[own].astype(np.int64)))
    required = np.concatenate((of_file.required, reagents.optional[own] == 0))
    option_starts = starts_of(np.concatenate((of_file.options, ones)))
    order = np.argsort(craft, kind="stable")
    item = np.concatenate((slots.item_id[options], reagents.item_id[own])).astype(np.int64)
    rank = np.concatenate((slots.rank[options].astype(np.int64), 0 * ones))
    option, ordered_starts = inner(option_starts, order)
    found = SlotColumns(
        starts=starts_of(np.bincount(craft, minlength=recipes)),
        quantity=quantity[order],
        required=required[order],
        is_ranked=np.concatenate((of_file.is_ranked, ones == 0))[order],
        option_starts=ordered_starts,
        item_id=item[option],
        rank=rank[option],
    )
    needs_any = np.bincount(craft[required], minlength=recipes) > 0
    is_short = np.bincount(craft[required & (quantity == 0)], minlength=recipes) > 0
    return found, needs_any & np.where(by_file, ~is_short, ~is_new & is_said)


@dataclass(frozen=True, slots=True, eq=False)
class _FileSlots:
    """Slots by files, one of each kind for each of s slots."""

    craft: Int64
    quantity: Int64
    required: Bool
    is_ranked: Bool
    options: Int64
    """How many it has."""


def _firsts(keys: Int64) -> Int64:
    """Where a key begins that is another than the one before."""
    is_first = np.ones(len(keys), np.bool_)
    is_first[1:] = keys[1:] != keys[:-1]
    return np.flatnonzero(is_first)


def _newest(slots: crafting.StoredSlots, craft: Int64, by_file: Bool) -> Int64:
    """The rows of the newest file of each recipe that a file tells of."""
    there = np.flatnonzero(craft >= 0)
    there = there[by_file[craft[there]]]
    first = there[_firsts(craft[there])]
    newest = np.zeros(len(by_file), np.int64)
    newest[craft[first]] = slots.detail[first]
    return there[slots.detail[there] == newest[craft[there]]]


def _slots_of_file(
    slots: crafting.StoredSlots, rows: Int64, option_of: Int64, named: Mapping[int, NamedItem]
) -> _FileSlots:
    craft = option_of[rows]
    firsts = _firsts(craft * _LARGEST + slots.slot[rows])
    starts = np.append(firsts, len(rows))
    options = np.diff(starts)
    quantity = slots.quantity[rows].astype(np.int64)
    group = owners(starts)
    # One on whose quantity the options disagree has none that is known.
    is_same = np.bincount(group[quantity != quantity[firsts][group]], minlength=len(firsts)) == 0
    # Of a slot of which nobody says whether it is required, nothing is known without it.
    required = np.bincount(group[slots.required[rows] != _NO], minlength=len(firsts)) > 0
    is_ranked = np.bincount(group[slots.rank[rows] > 0], minlength=len(firsts)) > 0
    doubtful = np.flatnonzero(((options > 1) & ~is_ranked)[group])
    is_ranked |= _share_a_name(
        slots.item_id[rows[doubtful]].astype(np.int64), group[doubtful], named, groups=len(firsts)
    )
    return _FileSlots(
        craft[firsts], np.where(is_same, quantity[firsts], 0), required, is_ranked & (options > 1), options
    )


def _share_a_name(items: Int64, group: Int64, named: Mapping[int, NamedItem], *, groups: int) -> Bool:
    """Which groups have two items of one name: several options of a name are ranks, though nobody says which."""
    numbers, of_item = np.unique(items, return_inverse=True)
    codes: dict[str, int] = {}
    names = [None if (known := named.get(item)) is None else known.name for item in numbers.tolist()]
    code = np.array([codes.setdefault(folded(name), len(codes)) if name else -1 for name in names], np.int64)
    has_name = code[of_item] >= 0 if len(items) else np.zeros(0, np.bool_)
    keys = np.sort(group[has_name] * _LARGEST + code[of_item[has_name]])
    return np.bincount(keys[1:][keys[1:] == keys[:-1]] // _LARGEST, minlength=groups) > 0
