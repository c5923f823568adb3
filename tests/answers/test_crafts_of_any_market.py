"""What holds of every row of `crafts` on any market: a lost price makes nothing better, and factions stay apart."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ironforge_cli.answers.answer import Basis
from ironforge_cli.answers.crafted import Crafted
from ironforge_cli.answers.crafting_market import CraftingMarket, Selling
from ironforge_cli.answers.crafts import CraftsAnswer
from ironforge_cli.answers.crafts_in_full import in_full
from ironforge_cli.answers.figured_crafts import Wanted, figured_in
from ironforge_cli.answers.recipes import Recipes
from ironforge_cli.db.repositories.crafting import RecipeRow
from ironforge_cli.market.craft_table import CraftTable
from ironforge_cli.market.crafting import Craft, Crafter
from ironforge_cli.regions import Region
from ironforge_cli.values import replace
from tests.market.test_crafting_costs import Levels, books, worlds

if TYPE_CHECKING:
    from collections.abc import Sequence

World: TypeAlias = "tuple[list[Craft], Levels]"
BASIS = Basis(Region.EU, datetime(2026, 1, 14, 23, tzinfo=UTC), age_seconds=0, stale=False)
WANTED = Wanted(crafter=Crafter(), batch=2)


def answer_of(crafts: Sequence[Craft], levels: Levels) -> CraftsAnswer:
    rows = {
        (one.recipe_id, one.faction): RecipeRow(one.recipe_id, one.faction, None, None, None, None, None)
        for one in crafts
    }
    recipes = Recipes(rows=rows, crafts=CraftTable.of(crafts), named={}, vendors={}, never_stacked=frozenset())
    # What a market has none of has no price either.
    items = np.unique([made.item_id for one in crafts for made in one.outputs])
    is_there = np.array([bool(levels.get(item)) for item in items.tolist()])
    selling = Selling(
        items,
        price=np.where(is_there, 40.0 * items, np.nan),
        auctions=np.where(is_there, 9, 0),
        usual_price=np.full(len(items), 50.0),
        low=np.full(len(items), 1.0),
        estimated=np.full(len(items), 3.0),
        high=np.full(len(items), 9.0),
    )
    figured = figured_in(BASIS, recipes, WANTED, CraftingMarket(books(levels), selling))
    return CraftsAnswer(figured, (BASIS,), recipes, (), {})


def rows_of(crafts: Sequence[Craft], levels: Levels) -> list[Crafted]:
    return list(answer_of(crafts, levels).answer().rows)


@settings(max_examples=60)
@given(worlds())
def test_the_tree_of_a_craft_buys_what_it_costs_and_makes_only_what_is_known_whole(world: World) -> None:
    found = answer_of(*world)
    for one, row in zip(found.figured, in_full(found).rows, strict=True):
        assert {name: getattr(row, name) for name in Crafted.__slots__} == asdict(one.row)
        bought: dict[int, int] = {}
        deepest = 0
        left = [(part, 1) for part in row.takes]
        while left:
            part, depth = left.pop()
            deepest = max(deepest, depth)
            left += [(below, depth + 1) for below in part.parts]
            assert part.made == bool(part.parts) == (part.recipe_id is not None) == (part.crafts is not None)
            if part.made:
                assert part.cost is not None
                assert part.cost == sum(below.cost or 0 for below in part.parts)
                assert part.bought_cost is None or part.cost <= part.bought_cost
            else:
                bought[part.item_id] = bought.get(part.item_id, 0) + part.units
                assert (part.cost is None) == (part.units_there < part.units)
        assert row.depth == (deepest or None)
        assert bought == {line.item_id: line.wanted for line in one.plan().purchases}


@settings(max_examples=40)
@given(worlds())
def test_no_row_rises_when_a_price_is_taken_away(world: World) -> None:
    crafts, levels = world
    before = {one.recipe_id: one for one in rows_of(crafts, levels)}
    for item in levels:
        for after in rows_of(crafts, {**levels, item: []}):
            known = before[after.recipe_id]
            assert after.profit is None or (known.profit is not None and after.profit <= known.profit)
            assert after.profit_per_day is None or (
                known.profit_per_day is not None and after.profit_per_day <= known.profit_per_day
            )
            assert not after.is_ranked or known.is_ranked


@settings(max_examples=40)
@given(worlds(), st.data())
def test_a_factions_crafts_never_change_what_the_others_cost(world: World, data: st.DataObject) -> None:
    crafts, levels = world
    mixed = [
        replace(one, faction=data.draw(st.sampled_from(["Neutral", "Alliance", "Horde"]), label="faction"))
        for one in crafts
    ]
    # Twins: the other faction's craft of the same recipe makes another thing.
    twins = [
        replace(one, faction="Horde", slots=other.slots)
        for one, other in zip(mixed, reversed(mixed), strict=True)
        if one.faction == "Alliance"
    ]
    every = rows_of([*mixed, *twins], levels)
    assert len({(one.recipe_id, one.faction) for one in every}) == len(mixed) + len(twins)
    for faction, allowed in (("Alliance", {"Neutral", "Alliance"}), ("Neutral", {"Neutral"})):
        alone = rows_of([one for one in mixed if one.faction in allowed], levels)
        assert [one for one in every if one.faction == faction] == [one for one in alone if one.faction == faction]
