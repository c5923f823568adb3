"""Answers as tables, by the width there is."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from ironforge_cli.cli.commands.crafts import COLUMNS, GOES
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


CRAFT = {
    "region": Region.EU,
    "name": "Merrow Finishing Salt of the Lee Shore",
    "item_id": 210_814,
    "rank": None,
    "quantity": 2.5,
    "cost": 130_125_000,
    "revenue": 153_020_115,
    "profit": 22_895_115,
    "profit_per_day_low": -72_100,
    "profit_per_day": 12_200_115,
    "profit_per_day_high": 22_895_115,
    "sold_per_day": 1_067.0,
    "reasons": ("thin_market", "short_book:2318"),
}


@pytest.mark.parametrize("goes", [GOES, (*GOES, "reasons")])
@pytest.mark.parametrize("width", [80, 120, 200])
def test_a_craft_is_one_line_and_keeps_what_it_costs_and_earns(width: int, goes: tuple[str, ...]) -> None:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    with console.capture() as captured:
        show_rows(console, [CRAFT], COLUMNS, goes=goes)
    heads, row = captured.get().splitlines()
    assert max(len(heads), len(row)) <= width
    assert row.startswith("EU      Merrow Fini")
    for kept in ("210814", "13,012g", "2,290g", "1,220g", "1,067"):
        assert kept in row
    assert ("revenue" in heads) is (width > 80)
    assert ("reasons" in heads) is (width == 200 or goes is GOES)
