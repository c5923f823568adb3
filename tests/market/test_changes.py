from __future__ import annotations

import math
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ironforge_cli.market.auctions import LeftOut, Windows
from ironforge_cli.market.changes import (
    COUNT_COLUMNS,
    INTERVAL_COLUMN,
    LISTING_COLUMNS,
    NULL,
    PRICE_COLUMNS,
    REAL_COLUMNS,
    SALES_COLUMNS,
    ColumnChange,
    StatisticsRows,
    estimates_of,
    statistics_change,
    windows_change,
)
from ironforge_cli.market.statistics import summarise_snapshot
from ironforge_cli.values import replace
from tests.market.made_up import as_columns
from tests.market.reference import Auction

Plain: TypeAlias = "dict[int, tuple[int | None, float | None]]"

amounts = st.none() | st.integers(0, 2**53)
fractions = st.none() | st.floats(0, 1e15, allow_nan=False)
plain_rows = st.dictionaries(st.integers(1, 12), st.tuples(amounts, fractions))
COLUMNS = ("whole", "fraction")


def as_rows(plain: Plain) -> StatisticsRows:
    values = [plain[item] for item in sorted(plain)]
    return StatisticsRows(
        item_id=np.array(sorted(plain), np.int32),
        columns={
            "whole": np.array([NULL if whole is None else whole for whole, _ in values], np.int64),
            "fraction": np.array([np.nan if fraction is None else fraction for _, fraction in values], np.float64),
        },
    )


def size(value: float | None) -> float:
    return 0.0 if value is None else value


@given(before=plain_rows, after=plain_rows)
def test_a_change_is_what_a_plain_comparison_finds(before: Plain, after: Plain) -> None:
    change = statistics_change(as_rows(before), as_rows(after))
    both = before.keys() & after.keys()
    assert change.added == len(after.keys() - before.keys())
    assert change.removed == len(before.keys() - after.keys())
    assert change.changed == sum(before[item] != after[item] for item in both)
    expected: dict[str, Any] = {}
    for position, name in enumerate(COLUMNS):
        changes = [
            abs(size(after[item][position]) - size(before[item][position]))
            for item in both
            if after[item][position] != before[item][position]
        ]
        if changes:
            expected[name] = (len(changes), max(changes), math.fsum(changes))
    found = {name: (column.rows, column.largest, column.total) for name, column in change.columns.items()}
    assert found.keys() == expected.keys()
    for name, (rows, largest, total) in expected.items():
        assert found[name][:2] == (rows, largest)
        assert math.isclose(found[name][2], total, rel_tol=1e-12)


@given(pieces=st.lists(st.tuples(plain_rows, plain_rows), min_size=1, max_size=4))
def test_changes_of_several_snapshots_add_up(pieces: list[tuple[Plain, Plain]]) -> None:
    changes = [statistics_change(as_rows(before), as_rows(after)) for before, after in pieces]
    whole = sum(changes[1:], changes[0])
    for name in ("added", "removed", "changed", "rows"):
        assert getattr(whole, name) == sum(getattr(change, name) for change in changes)
    assert whole.rows == whole.added + whole.removed + whole.changed
    assert whole.columns.keys() == {name for change in changes for name in change.columns}
    for name in COLUMNS:
        columns = [change.columns.get(name, ColumnChange()) for change in changes]
        added = whole.columns.get(name, ColumnChange())
        assert added.rows == sum(column.rows for column in columns)
        assert added.largest == max(column.largest for column in columns)
        assert math.isclose(added.total, math.fsum(column.total for column in columns), rel_tol=1e-12)


def test_null_and_nothing_are_two_values_and_null_counts_as_nothing_in_a_size() -> None:
    def rows(whole: int | None, fraction: float | None) -> StatisticsRows:
        return as_rows({7: (whole, fraction), 9: (5, 5.0)})

    assert statistics_change(rows(None, None), rows(None, None)).rows == 0
    from_null = statistics_change(rows(None, None), rows(0, 0.0))
    assert (from_null.changed, from_null.columns["whole"]) == (1, ColumnChange(rows=1, largest=0.0, total=0.0))
    assert statistics_change(rows(250, 2.5), rows(None, None)).columns == {
        "whole": ColumnChange(rows=1, largest=250.0, total=250.0),
        "fraction": ColumnChange(rows=1, largest=2.5, total=2.5),
    }


# What storing makes of statistics

HERB, ORE = Auction(1, 100, 5, "LONG"), Auction(2, 300, 2, "LONG")
NOON = datetime(2024, 1, 15, 12, tzinfo=UTC)


def test_the_rows_of_a_first_snapshot_have_prices_and_neither_sales_nor_an_interval() -> None:
    statistics = summarise_snapshot(None, as_columns({1: HERB, 2: ORE}), at=NOON).statistics
    rows = StatisticsRows.of(statistics)
    assert len(rows) == 2
    assert rows.item_id.tolist() == [1, 2]
    assert list(rows.columns) == [*PRICE_COLUMNS, *COUNT_COLUMNS, *SALES_COLUMNS, INTERVAL_COLUMN]
    for name in (*PRICE_COLUMNS, *COUNT_COLUMNS):
        assert rows.columns[name].tolist() == getattr(statistics, name).tolist()
    for name in (*SALES_COLUMNS, INTERVAL_COLUMN):
        null = "nan" if name in REAL_COLUMNS else str(NULL)
        assert [str(int(value)) if null != "nan" else str(value) for value in rows.columns[name]] == [null, null]


def test_the_rows_of_items_that_sold_out_have_counts_and_sales_and_no_prices() -> None:
    first = summarise_snapshot(None, as_columns({1: HERB, 2: ORE}), at=NOON)
    statistics = summarise_snapshot(first.book, as_columns({2: ORE}), at=NOON + timedelta(hours=1)).statistics
    assert statistics.sales is not None
    rows = StatisticsRows.of(statistics)
    for name in PRICE_COLUMNS:
        sold_out, for_sale = rows.columns[name].tolist()
        assert math.isnan(sold_out) if isinstance(sold_out, float) else sold_out == NULL
        assert for_sale == 300
    assert [rows.columns[name].tolist() for name in COUNT_COLUMNS] == [[0, 2], [0, 1]]
    for name in SALES_COLUMNS:
        source = statistics if name in LISTING_COLUMNS else statistics.sales
        assert rows.columns[name].tolist() == getattr(source, name).tolist()
    assert rows.columns["estimated_sales"].tolist() == [5, 0]
    assert rows.columns[INTERVAL_COLUMN].tolist() == [3_600, 3_600]


def test_windows_are_counted_by_auction() -> None:
    def windows(*pairs: tuple[int, int]) -> Windows:
        after, before = (np.array(side, np.int16) for side in zip(*pairs, strict=True))
        return Windows(expires_after_min=after, expires_before_min=before)

    before = windows((0, 30), (30, 120), (120, 720))
    assert windows_change(before, before) == 0
    assert windows_change(before, windows((0, 30), (31, 120), (121, 719))) == 2


def test_estimates_come_back_from_the_rows_that_hold_them() -> None:
    first = summarise_snapshot(None, as_columns({1: HERB, 2: ORE}), at=NOON)
    odd = replace(as_columns({2: ORE._replace(quantity=1), 3: HERB}), left_out=LeftOut(1, (1,)))
    statistics = summarise_snapshot(first.book, odd, at=NOON + timedelta(hours=1)).statistics
    assert statistics.sales is not None
    assert statistics.sales.known.tolist() == [False, True]
    found = estimates_of(StatisticsRows.of(statistics))
    for one in fields(found):
        column, expected = getattr(found, one.name), getattr(statistics.sales, one.name)
        assert (column.dtype, column.tolist()) == (expected.dtype, expected.tolist())
