"""What crafts cost, against a slow plain reference that buys unit by unit; and what deleting a price does."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ironforge_cli.market.books import Books
from ironforge_cli.market.crafting import Craft, Crafter, Made, Option, Slot
from ironforge_cli.market.crafting_at_once import costs_of
from ironforge_cli.market.crafting_costs import Workshop

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PLAIN = Crafter()
Levels: TypeAlias = "dict[int, list[tuple[int, int]]]"


def books(levels: Levels, vendors: Mapping[int, int] | None = None) -> Books:
    rows = [(item, price, units) for item in sorted(levels) for price, units in sorted(levels[item])]
    columns = np.array(rows, np.int64).reshape(-1, 3)
    return Books(columns[:, 0].astype(np.int32), columns[:, 1], columns[:, 2], vendors=vendors or {})


def slot(*items: int, quantity: int | None = 1, required: bool = True) -> Slot:
    return Slot(tuple(Option(item, None) for item in items), quantity, required)


def craft(number: int, makes: int, *slots: Slot, quantity: float | None = 1, faction: str = "Neutral") -> Craft:
    return Craft(number, faction, slots, (Made(makes, None, "api", quantity),), are_slots_known=True)


def cost(crafts: Sequence[Craft], levels: Levels, batch: int = 1, crafter: Crafter = PLAIN) -> float | None:
    return Workshop(crafts, books(levels), crafter).plan(crafts[0], batch).cost


def units_of(levels: Levels, item: int, wanted: int) -> float:
    """The reference's purchase: every unit is a price of its own."""
    every = [price for price, units in sorted(levels.get(item, [])) for _ in range(units)]
    return sum(every[:wanted]) if len(every) >= wanted else math.inf


def least(crafts: Sequence[Craft], levels: Levels, item: int, wanted: int, path: frozenset[int]) -> float:
    """What the reference pays: bought, or made by any recipe of what is not on the way to it already."""
    found = units_of(levels, item, wanted)
    if item in path:
        return found
    for one in crafts:
        for made in one.outputs:
            if made.item_id == item and made.quantity:
                times = math.ceil(wanted / made.quantity)
                parts = (
                    least(crafts, levels, part.options[0].item_id, (part.quantity or 0) * times, path | {item})
                    for part in one.slots
                )
                found = min(found, sum(parts))
    return found


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[Craft], Levels]:
    """Few items, recipes that may run in circles, and books that may be short; no recipe takes an item twice."""
    items = range(1, 6)
    crafts = [
        craft(
            number,
            draw(st.sampled_from(items)),
            *(
                slot(item, quantity=draw(st.integers(1, 4)))
                for item in draw(st.sets(st.sampled_from(items), min_size=1, max_size=2))
            ),
            quantity=draw(st.sampled_from([1, 2, 2.5])),
        )
        for number in range(draw(st.integers(1, 5)))
    ]
    level = st.tuples(st.integers(1, 30), st.integers(1, 12))
    levels = {item: draw(st.lists(level, max_size=3)) for item in items}
    return crafts, levels


@settings(max_examples=60)
@given(worlds(), st.integers(1, 4))
def test_a_reagent_costs_what_the_reference_pays_unit_by_unit(world: tuple[list[Craft], Levels], batch: int) -> None:
    crafts, levels = world
    path = frozenset({crafts[0].outputs[0].item_id})
    parts = [
        least(crafts, levels, part.options[0].item_id, (part.quantity or 0) * batch, path) for part in crafts[0].slots
    ]
    found = cost(crafts, levels, batch)
    plan = Workshop(crafts, books(levels), Crafter()).plan(crafts[0], batch)
    bought = [units_of(levels, one.item_id, one.wanted) for one in plan.purchases]
    # One book serves the whole craft: where two parts buy of it the sum is no less than each by itself.
    if found is None:
        assert math.inf in [*parts, *bought]
    else:
        assert found == sum(bought)
        assert found >= sum(parts) or math.isclose(found, sum(parts))
        if sum(one.wanted for one in plan.purchases) == sum(line.units for line in plan.lines):
            assert found == sum(bought)


@settings(max_examples=60)
@given(worlds(), st.integers(1, 4))
def test_no_craft_gets_cheaper_when_a_price_is_taken_away(world: tuple[list[Craft], Levels], batch: int) -> None:
    crafts, levels = world
    before = cost(crafts, levels, batch)
    for item in levels:
        after = cost(crafts, {**levels, item: []}, batch)
        assert after is None or before is not None
        assert after is None or before is None or after >= before


def test_what_is_cheaper_to_make_is_made_in_whole_crafts() -> None:
    outer, inner = craft(1, 10, slot(20, quantity=5)), craft(2, 20, slot(30, quantity=3), quantity=2)
    assert cost([outer, inner], {20: [(100, 50)], 30: [(1, 100)]}) == 9
    assert cost([outer, inner], {20: [(1, 50)], 30: [(1, 100)]}) == 5


def test_one_book_serves_the_whole_batch() -> None:
    outer = craft(1, 10, slot(30, quantity=2), slot(20))
    inner = craft(2, 20, slot(30, quantity=1))
    levels = {20: [(90, 10)], 30: [(1, 2), (50, 100)]}
    assert cost([outer, inner], levels) == 1 + 1 + 50
    assert cost([outer, inner], levels, 2) == 1 + 1 + 4 * 50


def test_what_is_made_is_bought_after_all_where_one_book_serves_both() -> None:
    outer = craft(1, 10, slot(30, quantity=2), slot(20))
    inner = craft(2, 20, slot(30, quantity=1))
    assert cost([outer, inner], {20: [(9, 10)], 30: [(1, 2), (50, 100)]}) == 2 + 9


def test_a_loop_of_transmutes_ends_and_makes_nothing_of_itself() -> None:
    there, back = craft(1, 10, slot(20), quantity=2), craft(2, 20, slot(10), quantity=2)
    assert cost([there, back], {10: [], 20: [(100, 9)]}) == 100
    crowd = [craft(a * 40 + b, a, slot(b)) for a in range(30) for b in range(30) if a != b]
    assert cost(crowd, {29: [(7, 9)]}) == 7


def test_of_options_the_cheapest_that_is_whole_is_taken() -> None:
    assert cost([craft(1, 10, slot(21, 22, quantity=5))], {21: [(1, 4)], 22: [(9, 5)]}) == 45
    assert cost([craft(1, 10, slot(21, 22, quantity=5))], {21: [(1, 4)]}) is None


def test_a_rank_that_is_asked_for_holds_for_ranked_reagents_alone() -> None:
    ranked = Slot((Option(21, 1), Option(22, 2)), 1, required=True, is_ranked=True)
    levels = {21: [(1, 9)], 22: [(9, 9)], 30: [(5, 9)]}
    one = [craft(1, 10, ranked, slot(30))]
    assert cost(one, levels) == 6
    assert cost(one, levels, crafter=Crafter(rank=2)) == 14
    plan = Workshop(one, books(levels), Crafter(rank=3)).plan(one[0], 1)
    assert (plan.cost, plan.cost_floor, plan.reasons) == (None, 5, ("rank_unknown",))


def test_what_is_unknown_makes_a_floor_with_its_reason() -> None:
    one = [craft(1, 10, slot(20, quantity=5), slot(30), slot(40, quantity=None))]
    plan = Workshop(one, books({20: [(2, 3)]}), Crafter()).plan(one[0], 1)
    assert (plan.cost, plan.cost_floor) == (None, 6)
    assert plan.reasons == ("slots_unknown", "short_book:20", "reagent_unpriced:30")
    nothing = [craft(1, 10, slot(30))]
    assert Workshop(nothing, books({}), Crafter()).plan(nothing[0], 1).cost_floor is None


def test_a_craft_that_is_known_in_part_is_never_used() -> None:
    outer, inner = craft(1, 10, slot(20)), craft(2, 20, slot(30), slot(40, quantity=None))
    assert cost([outer, inner], {20: [(100, 5)], 30: [(1, 5)]}) == 100
    assert cost([outer, craft(2, 20, slot(30), quantity=None)], {20: [(100, 5)], 30: [(1, 5)]}) == 100


def test_optional_reagents_are_left_out_unless_asked_for_and_nothing_is_saved_of_them() -> None:
    one = [craft(1, 10, slot(20), slot(30, required=False))]
    levels = {20: [(1_000, 5)], 30: [(500, 5)]}
    assert cost(one, levels) == 1_000
    assert cost(one, levels, crafter=Crafter(fills_optional=True, resourcefulness=180)) == 1_440


@settings(max_examples=40)
@given(worlds(), st.integers(1, 4), st.data())
def test_many_at_once_cost_what_each_costs_by_itself(
    world: tuple[list[Craft], Levels], batch: int, data: st.DataObject
) -> None:
    crafts, levels = world
    vendors = data.draw(st.dictionaries(st.sampled_from([*levels]), st.integers(1, 30), max_size=2))
    ranked = Slot((Option(1, 1), Option(2, 2), Option(9, None)), 2, required=data.draw(st.booleans()), is_ranked=True)
    odd = [
        Craft(90, "Neutral", (ranked, slot(3)), (Made(7, None, "file", None),), are_slots_known=True),
        Craft(91, "Neutral", (slot(3, quantity=None), slot(4, 5)), (), are_slots_known=False),
        Craft(92, "Neutral", (slot(3), slot(3, quantity=2)), (), are_slots_known=True),
        Craft(93, "Neutral", (), (), are_slots_known=True),
        craft(94, 8, slot(9), slot(4, quantity=2**31 - 1)),
    ]
    crafter = Crafter(
        resourcefulness=data.draw(st.sampled_from([0, 180])),
        rank=data.draw(st.sampled_from([None, 2])),
        fills_optional=data.draw(st.booleans()),
    )
    every = [*crafts, *odd]
    workshop = Workshop(every, books(levels, vendors), crafter)
    places = data.draw(st.permutations(range(len(every))))
    found = costs_of(workshop, np.array(places), batch)
    plans = [workshop.plan(every[place], batch) for place in places]
    assert found.cost == [plan.cost for plan in plans]
    assert found.cost_floor == [plan.cost_floor for plan in plans]
    assert found.reasons == [plan.reasons for plan in plans]


def test_what_costs_more_than_a_float_tells_apart_is_still_exact() -> None:
    dear = [craft(1, 10, slot(20, quantity=7)), craft(2, 11, slot(20, quantity=3), slot(30))]
    workshop = Workshop(dear, books({20: [(2**60 + 1, 9)], 30: [(1, 1)]}), Crafter())
    assert costs_of(workshop, np.arange(2), 1).cost == [7 * (2**60 + 1), 3 * (2**60 + 1) + 1]


def test_what_falls_for_ever_in_a_loop_takes_no_bound_from_what_does_not() -> None:
    loop = [craft(1, 10, slot(20), quantity=2), craft(2, 20, slot(10), quantity=2)]
    apart = craft(3, 30, slot(40, quantity=3))
    bounds = Workshop([*loop, apart], books({10: [(9, 9)], 40: [(5, 9)]}), Crafter()).bounds
    assert (bounds.units[10], bounds.units[20]) == (0, 0)
    assert math.isclose(bounds.units[30], 15)
