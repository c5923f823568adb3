from __future__ import annotations

from typing import Any

import pytest

from ironforge_cli.market.doubts import ENOUGH_LOTS, PHASE_FITS, THINNING_FITS, Doubt, SoldLots, doubts

NOTHING: dict[str, Any] = {"thinned": None, "phase": None, "withdrawn_an_hour": None, "passed_by": None}
UNTIL_NOW = ENOUGH_LOTS / 4


@pytest.mark.parametrize(
    ("figure", "fits", "told", "doubt"),
    [
        ("thinned", THINNING_FITS[0], 0.779, Doubt.THINNING),
        ("thinned", THINNING_FITS[1], 1.101, Doubt.THINNING),
        ("phase", PHASE_FITS[0], 0.859, Doubt.LISTED_EARLY),
        ("phase", PHASE_FITS[1], 1.081, Doubt.LISTED_LATE),
        ("withdrawn_an_hour", 0.08, 0.081, Doubt.CANCELLING),
        ("passed_by", 0.15, 0.151, Doubt.NOT_CHEAPEST),
    ],
)
def test_a_figure_is_doubted_past_its_threshold_and_not_at_it(
    figure: str, fits: float, told: float, doubt: Doubt
) -> None:
    assert doubts(**{**NOTHING, figure: fits}) == ()
    assert doubts(**{**NOTHING, figure: told}) == (doubt,)


def test_the_phase_of_few_lots_or_of_none_that_were_seen_says_nothing() -> None:
    quarters = (UNTIL_NOW, UNTIL_NOW, UNTIL_NOW, UNTIL_NOW)
    assert SoldLots(quarters, seen=1.0).phase == pytest.approx(1.0)
    assert SoldLots((UNTIL_NOW - 1, *quarters[1:]), seen=1.0).phase is None
    assert SoldLots(quarters, seen=0.0, unseen=9.0).phase is None


def test_lots_add_up_by_quarter() -> None:
    assert SoldLots((1, 2, 3, 4), 5, 6) + SoldLots((10, 20, 30, 40), 50, 60) == SoldLots((11, 22, 33, 44), 55, 66)
