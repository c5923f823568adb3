from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from ironforge_cli.cli.show.tables import Column, Table, Words, by_region

WHEN = "2026-01-14T12:03:07Z"


def shown(table: Table, width: int, *, terminal: bool = True) -> list[str]:
    stream = io.StringIO()
    table.show(Console(file=stream, width=width, force_terminal=terminal, no_color=True, color_system=None))
    return stream.getvalue().splitlines()


def test_a_long_text_is_broken_between_words_below_its_column_and_nothing_else_is() -> None:
    table = Table([Column("at"), Column("bytes", right=True), Column("why", is_text=True)])
    table.add(WHEN, "1,001", "the body [eu] is cut off at byte 7 of 1,001")
    lines = [
        "at                    bytes  why",
        f"{WHEN}  1,001  the body [eu] is",
        "                             cut off at byte 7",
        "                             of 1,001",
    ]
    assert shown(table, 48) == shown(table, 48, terminal=False) == lines


def test_what_may_be_cut_is_cut_and_what_may_go_goes_the_last_first_and_neither_off_a_terminal() -> None:
    table = Table([Column("day"), Column("rows", right=True), Column("path", is_cut=True), Column("more", goes=True)])
    table.add("2026-01-14", "1,001", "auctions/region=eu/day.parquet", "twelve chars")
    assert shown(table, 80)[1] == "2026-01-14  1,001  auctions/region=eu/day.parquet  twelve chars"
    assert shown(table, 45)[1] == "2026-01-14  1,001  auctions/re…  twelve chars"
    assert shown(table, 30)[1] == "2026-01-14  1,001  auctions/r…"
    assert shown(table, 10, terminal=False)[1] == "2026-01-14  1,001  auctions/region=eu/day.parquet  twelve chars"


def test_what_may_be_cut_keeps_the_cells_that_are_its_least() -> None:
    table = Table([Column("name", is_cut=True, least=12), Column("units", right=True), Column("why", goes=True)])
    table.add("Dapple Tincture Phial", "1,001", "thin_market")
    assert shown(table, 40)[1] == "Dapple Tincture Phi…  1,001  thin_market"
    assert shown(table, 31)[1] == "Dapple Tincture Phial  1,001"
    assert shown(table, 10)[1] == "Dapple Tinc…  1,001"


def test_a_cut_is_marked_by_what_the_stream_can_write() -> None:
    table = Table([Column("path", is_cut=True)])
    table.add("auctions/region=eu/day.parquet")
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    table.show(Console(file=stream, width=12, force_terminal=True, color_system=None))
    stream.seek(0)
    assert stream.read().splitlines() == ["path", "auctions/..."]


@pytest.mark.parametrize("width", [40, 80, 200])
def test_regions_that_do_not_fit_beside_each_other_stand_below_each_other(width: int) -> None:
    stream = io.StringIO()
    console = Console(file=stream, width=width, force_terminal=True, color_system=None)
    by_region(
        ["EU", "US", "KR", "TW"], {"snapshot": [WHEN] * 4, "why": [Words("so it is said at length")] * 4}, console
    )
    lines = stream.getvalue().splitlines()
    assert sum(line.count(WHEN) for line in lines) == 4
    assert all(cell_len(line) <= width and line == line.rstrip() for line in lines)


@settings(deadline=None, max_examples=50)
@given(cells=st.lists(st.text(max_size=60), min_size=1, max_size=4), width=st.integers(24, 100))
def test_any_text_fits_its_column(cells: list[str], width: int) -> None:
    table = Table([Column("n"), Column("text", is_text=True)])
    for cell in cells:
        table.add("1", cell)
    for line in table.lines(width, is_piped=False):
        assert line.cell_len <= width
        assert line.plain == line.plain.rstrip()
