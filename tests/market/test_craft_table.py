"""Crafts as arrays: the same crafts as objects, some of them, and those that a plan may look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given, settings

from ironforge_cli.market.craft_table import CraftTable
from ironforge_cli.market.crafting import Craft, Crafter, Made, Option, Slot
from ironforge_cli.market.crafting_costs import Workshop
from tests.market.test_crafting_costs import Levels, books, craft, slot, worlds

if TYPE_CHECKING:
    from collections.abc import Sequence

ODD = [
    Craft(7, "Horde", (), (), are_slots_known=False),
    Craft(
        8,
        "Alliance",
        (Slot((Option(1, 2), Option(2, None)), None, required=False, is_ranked=True), slot(5, quantity=9)),
        (Made(3, 1, "file", None, is_rank_unknown=True), Made(4, None, "name", 2.5)),
        are_slots_known=True,
    ),
]


def as_arrays(crafts: Sequence[Craft]) -> CraftTable:
    """The table without the objects that it was made of."""
    return CraftTable.of(crafts).chosen(np.arange(len(crafts)))


@settings(max_examples=40)
@given(worlds())
def test_crafts_are_the_same_as_objects(world: tuple[list[Craft], Levels]) -> None:
    crafts = [*world[0], *ODD]
    table = as_arrays(crafts)
    assert (list(table), table[-1], table[1:3]) == (crafts, crafts[-1], crafts[1:3])
    chosen = [len(crafts) - 1, 0]
    assert list(table.chosen(np.array(chosen))) == [crafts[place] for place in chosen]
    assert not len(as_arrays([]))


@settings(max_examples=40)
@given(worlds())
def test_what_a_plan_cannot_reach_changes_no_plan(world: tuple[list[Craft], Levels]) -> None:
    crafts, levels = world
    table = CraftTable.of(crafts)
    for place, one in enumerate(crafts):
        reached = table.with_makers(np.arange(len(crafts)) == place)
        some = [other for other, is_reached in zip(crafts, reached.tolist(), strict=True) if is_reached]
        items = {option.item_id for other in some for part in other.slots for option in part.options}
        within = books({item: of_item for item, of_item in levels.items() if item in items})
        whole = Workshop(crafts, books(levels), Crafter()).plan(one, 2)
        assert Workshop(some, within, Crafter()).plan(one, 2) == whole


def test_what_makes_what_is_taken_is_reached_in_any_depth() -> None:
    crafts = [craft(1, 10, slot(20)), craft(2, 20, slot(30, 31)), craft(3, 31, slot(10)), craft(4, 50, slot(10))]
    table = CraftTable.of(crafts)
    assert table.with_makers(np.array([True, False, False, False])).tolist() == [True, True, True, False]
    assert table.making([20, 50]).tolist() == [False, True, False, True]
    assert table.taking([31]).tolist() == [False, True, False, False]
