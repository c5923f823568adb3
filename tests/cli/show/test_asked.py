"""Answers as tables, by the width there is."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from ironforge_cli.cli.show.asked import show_rows
from ironforge_cli.regions import Region

DEAL = {
    "region": Region.EU,
    "item_id": 2545,
    "name": "Dapple Tincture Phial",
    "rank": None,
    "usual_price": 435_626.5,
    "min_price": 335_600,
    "units": 329,
    "cost": 110_620_000,
    "gain": 25_530_000.5,
    "sold_per_day": 1_067.0,
}


@pytest.mark.parametrize(("width", "is_whole"), [(80, False), (120, True)])
def test_a_deal_does_without_its_cost_where_it_has_no_room(width: int, *, is_whole: bool) -> None:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    with console.capture() as captured:
        show_rows(console, [DEAL], list(DEAL))
    heads, row = captured.get().splitlines()
    assert max(len(heads), len(row)) <= width
    assert ("cost" in heads.split()) is is_whole
    assert ("Dapple Tincture Phial" in row) is is_whole
    assert row.endswith("2,553g     1,067")
