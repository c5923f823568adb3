"""The best of what is said of recipes, over all at once, against a plain reference that goes recipe by recipe."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ironforge_cli.answers.recipes import StoredRecipes, assembled
from ironforge_cli.db.repositories.crafting import RecipeRow, StoredOutputs, StoredReagents, StoredSlots
from ironforge_cli.db.repositories.item_names import NamedItem
from ironforge_cli.market.crafting import SOURCES, Craft, Made, Option, Slot
from ironforge_cli.market.factions import FACTIONS
from ironforge_cli.market.naming import folded
from ironforge_cli.market.outputs import is_modern

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

NAMES = {1: "Ore", 2: "ORE", 3: "Foo's Ink", 4: "Foos Ink", 5: "Dust", 6: None}
NAMED = {item: NamedItem(item, name, None, None, None, None) for item, name in NAMES.items()}


class OutputRow(NamedTuple):
    recipe_id: int
    faction: int
    item_id: int
    source: int
    detail: int
    rank: int
    quantity: float


class SlotRow(NamedTuple):
    recipe_id: int
    faction: int
    detail: int
    slot: int
    item_id: int
    rank: int
    quantity: int
    required: int


class ReagentRow(NamedTuple):
    recipe_id: int
    faction: int
    item_id: int
    quantity: int
    optional: int


def made_of(rows: Sequence[OutputRow]) -> tuple[Made, ...]:
    """What the reference says that a recipe makes; rows with the newest import first."""
    if not rows:
        return ()
    best = min(rows, key=lambda one: one.source)
    chosen = [one for one in rows if (one.source, one.detail) == (best.source, best.detail)]
    found: list[Made] = []
    for one in chosen:
        others = [other for other in rows if other.item_id == one.item_id]
        rank = next((other.rank for other in [one, *others] if other.rank), None)
        quantity = next((other.quantity for other in [one, *others] if other.quantity == other.quantity), None)
        is_unknown = len(chosen) > 1 and rank is None
        found.append(Made(one.item_id, rank, SOURCES[one.source - 1], quantity, is_unknown))
    return tuple(found)


def slot_of(rows: Sequence[SlotRow], named: Mapping[int, NamedItem]) -> Slot:
    """What the reference says of a slot, of the rows of one import."""
    quantities = {one.quantity for one in rows}
    names = [folded(name) for one in rows if (name := named[one.item_id].name)]
    is_ranked = len(rows) > 1 and (any(one.rank for one in rows) or len(set(names)) < len(names))
    return Slot(
        tuple(Option(one.item_id, one.rank or None) for one in rows),
        quantities.pop() or None if len(quantities) == 1 else None,
        any(one.required != 1 for one in rows),
        is_ranked,
    )


def craft_of(
    row: RecipeRow, outputs: Sequence[OutputRow], slots: Sequence[SlotRow], reagents: Sequence[ReagentRow]
) -> Craft:
    """A recipe as the reference puts it together."""
    is_new = is_modern(row.skill_tier_id) or (row.skill_tier_id is None and row.crafted_item_id is None)
    is_said = bool(reagents) and all(one.quantity for one in reagents if not one.optional)
    own = [(Slot((Option(one.item_id, None),), one.quantity or None, not one.optional), one) for one in reagents]
    if slots and (is_new or not is_said):
        newest = [one for one in slots if one.detail == slots[0].detail]
        found = [slot_of(list(some), NAMED) for _, some in groupby(newest, key=lambda one: one.slot)]
        there = {one.item_id for one in newest}
        found += [slot for slot, one in own if not one.optional and one.item_id not in there]
        is_known = all(slot.quantity for slot in found if slot.required)
    else:
        found, is_known = [slot for slot, _ in own], not is_new and is_said
    is_known = is_known and any(slot.required for slot in found)
    return Craft(row.id, row.faction, tuple(found), made_of(outputs), are_slots_known=is_known)


def columns(rows: Sequence[tuple[float, ...]], width: int) -> list[NDArray[np.int32]]:
    return [np.array([row[place] for row in rows], np.int32) for place in range(width)]


ITEMS = st.integers(1, 6)
PLACE = (st.integers(1, 2), st.integers(1, 3))
OUTPUTS = st.builds(
    OutputRow,
    *PLACE,
    ITEMS,
    st.integers(1, 3),
    st.integers(1, 3),
    st.integers(0, 2),
    st.sampled_from([np.nan, 1, 5]),
)
SLOTS = st.builds(
    SlotRow, *PLACE, st.integers(1, 3), st.integers(1, 3), ITEMS, st.sampled_from([0, 0, 0, 1, 2]),
    st.sampled_from([0, 3, 3, 3, 4]), st.integers(0, 2),
)  # fmt: skip
REAGENTS = st.builds(ReagentRow, *PLACE, ITEMS, st.sampled_from([0, 1, 2, 8]), st.sampled_from([0, 0, 1]))
RECIPES = [
    RecipeRow(number, faction, None, None, None, tier, item)
    for number, faction, tier, item in [
        (1, "Alliance", 2500, 11),
        (1, "Horde", None, 11),
        (1, "Neutral", 2906, None),
        (2, "Alliance", None, None),
        (2, "Neutral", 2500, None),
    ]
]


@settings(max_examples=80)
@given(
    st.lists(OUTPUTS, max_size=12, unique_by=lambda one: one[:5]),
    st.lists(SLOTS, max_size=16, unique_by=lambda one: one[:5]),
    st.lists(REAGENTS, max_size=10, unique_by=lambda one: one[:3]),
)
def test_all_recipes_at_once_are_what_each_is_by_itself(
    outputs: list[OutputRow], slots: list[SlotRow], reagents: list[ReagentRow]
) -> None:
    outputs = sorted(outputs, key=lambda one: (one.recipe_id, one.faction, one.detail, one.item_id))
    slots, reagents = sorted(slots), sorted(reagents)
    quantities = np.array([one.quantity for one in outputs], np.float64)
    stored = StoredRecipes(
        recipes=RECIPES,
        outputs=StoredOutputs(*columns(outputs, 6), quantity=quantities),
        slots=StoredSlots(*columns(slots, 8)),
        reagents=StoredReagents(*columns(reagents, 5)),
        named=NAMED,
        vendors={},
        never_stacked=frozenset(),
    )
    expected = [
        craft_of(
            row,
            [one for one in outputs if (one.recipe_id, FACTIONS[one.faction - 1]) == (row.id, row.faction)],
            [one for one in slots if (one.recipe_id, FACTIONS[one.faction - 1]) == (row.id, row.faction)],
            [one for one in reagents if (one.recipe_id, FACTIONS[one.faction - 1]) == (row.id, row.faction)],
        )
        for row in RECIPES
    ]
    found = assembled(stored)
    assert list(found.crafts) == expected
    assert stored.taken.tolist() == sorted({one.item_id for one in [*slots, *reagents]})
