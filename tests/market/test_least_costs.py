"""What crafts can cost at the very least, by hand: a bound too high would hide a craft, one too low would cost time."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ironforge_cli.market.crafting import Crafter
from ironforge_cli.market.crafting_costs import Workshop
from tests.market.test_crafting_costs import books, craft, slot

# Two units of 20 of three of 30, at 2 a unit: 6 a craft. One of 20 of one of 40, at 5.
MADE = [craft(1, 10, slot(20)), craft(2, 20, slot(30, quantity=3), quantity=2), craft(3, 20, slot(40))]
LEVELS = {20: [(4, 9)], 30: [(2, 9)], 40: [(5, 9)]}
BOUNDS = Workshop(MADE, books(LEVELS), Crafter()).bounds


@pytest.mark.parametrize(
    ("item", "units", "most", "may_be"),
    [
        # Five are made by three crafts of two.
        (20, 5, 18.0, True),
        (20, 5, 17.0, False),
        # One alone is a whole craft, of the one recipe or of the other.
        (20, 1, 5.0, True),
        (20, 1, 4.9, False),
        (20, 2, 6.0, True),
        # What nobody makes, and what nobody has heard of.
        (30, 1, math.inf, False),
        (99, 1, math.inf, False),
    ],
)
def test_what_is_made_takes_whole_crafts_of_the_cheapest_recipe(
    item: int, units: int, most: float, *, may_be: bool
) -> None:
    asked = np.array([item], np.int64), np.array([units], np.int64), np.array([most])
    assert BOUNDS.can_be_made(*asked).tolist() == [may_be]


def test_a_unit_costs_what_it_is_bought_or_made_for_in_any_depth() -> None:
    assert BOUNDS.units == pytest.approx({20: 3, 30: 2, 40: 5, 10: 3})
    assert BOUNDS.crafts == pytest.approx({0: 3, 1: 6, 2: 5})


def test_what_gets_cheaper_with_each_round_of_a_loop_has_no_bound_but_nothing_and_the_rest_keeps_its_own() -> None:
    there, back = craft(1, 10, slot(20), quantity=2), craft(2, 20, slot(10), quantity=2)
    aside = craft(3, 60, slot(50, quantity=2))
    bounds = Workshop([there, back, aside], books({20: [(100, 9)], 50: [(7, 9)]}), Crafter()).bounds
    assert bounds.units == pytest.approx({10: 0, 20: 0, 50: 7, 60: 14})
