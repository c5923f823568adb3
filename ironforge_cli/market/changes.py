"""What recomputing changes: a snapshot's statistics as columns that know their nulls, and two of them side by side."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ironforge_cli.market.estimate import Estimates

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from ironforge_cli.market.auctions import Float64, Int32, Windows
    from ironforge_cli.market.statistics import Statistics

NULL: Final = -1
"""Stands for null among whole numbers, none of which is negative; NaN does among fractions."""
PRICE_COLUMNS: Final = (
    "min_price",
    "max_price",
    "mean_price",
    "median_price",
    "market_value",
    "cheapest_15_percent_price",
)
COUNT_COLUMNS: Final = ("total_quantity", "num_auctions")
LISTING_COLUMNS: Final = ("new_listings", "new_auctions")
SALES_COLUMNS: Final = (
    "estimated_sales",
    "sales_low",
    "sales_high",
    *LISTING_COLUMNS,
    "seen_sales",
    "unseen_sales",
    "new_at_floor",
    "evidence",
)
REAL_COLUMNS: Final = frozenset({"mean_price", "median_price", "market_value", "seen_sales", "unseen_sales"})
"""Columns of fractions; all others are whole numbers."""
INTERVAL_COLUMN: Final = "interval_seconds"


@dataclass(frozen=True, slots=True)
class StatisticsRows:
    """A snapshot's statistics as their table holds them: k rows sorted by item, and columns by name."""

    item_id: Int32
    columns: Mapping[str, NDArray[Any]]
    """int16, int32, int64 or float64; `NULL` or NaN where the table has null."""

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.item_id)

    @classmethod
    def of(cls, statistics: Statistics) -> StatisticsRows:
        """The rows that storing computed statistics makes."""
        sold_out, sales = ~statistics.priced, statistics.sales
        columns: dict[str, NDArray[Any]] = {}
        for name in PRICE_COLUMNS:
            values = getattr(statistics, name)
            columns[name] = np.where(sold_out, np.nan if values.dtype.kind == "f" else NULL, values)
        for name in COUNT_COLUMNS:
            columns[name] = getattr(statistics, name)
        for name in SALES_COLUMNS:
            null = np.nan if name in REAL_COLUMNS else NULL
            if sales is None:
                columns[name] = np.full(len(statistics), null)
            else:
                values = getattr(statistics if name in LISTING_COLUMNS else sales, name)
                columns[name] = np.where(sales.known, values, null).astype(values.dtype)
        interval = statistics.interval_seconds
        columns[INTERVAL_COLUMN] = np.full(len(statistics), NULL if interval is None else interval)
        return cls(item_id=statistics.item_id, columns=columns)


@dataclass(frozen=True, slots=True)
class ColumnChange:
    """How one column changes; null counts as 0 where a size is told."""

    rows: int = 0
    largest: float = 0.0
    """The largest change of a row, without its sign."""
    total: float = 0.0
    """The sum of all rows' changes, without their signs."""

    def __add__(self, other: ColumnChange) -> ColumnChange:
        """What both changes come to."""
        return ColumnChange(self.rows + other.rows, max(self.largest, other.largest), self.total + other.total)


@dataclass(frozen=True, slots=True)
class StatisticsChange:
    """How rows of statistics change: how many appear, vanish or get other values, and how much each column does."""

    added: int = 0
    removed: int = 0
    changed: int = 0
    columns: Mapping[str, ColumnChange] = field(default_factory=dict[str, ColumnChange])
    """Of the rows that are there before and after; columns that change nowhere are left out."""

    @property
    def rows(self) -> int:
        """How many rows change in any way."""
        return self.added + self.removed + self.changed

    def __add__(self, other: StatisticsChange) -> StatisticsChange:
        """What both changes come to."""
        columns = dict(self.columns)
        for name, change in other.columns.items():
            columns[name] = columns.get(name, ColumnChange()) + change
        return StatisticsChange(
            added=self.added + other.added,
            removed=self.removed + other.removed,
            changed=self.changed + other.changed,
            columns=columns,
        )


def statistics_change(before: StatisticsRows, after: StatisticsRows) -> StatisticsChange:
    """Say how statistics change.

    >>> ids = np.array([7, 9], np.int32)
    >>> before = StatisticsRows(ids, {"min_price": np.array([100, 250])})
    >>> after = StatisticsRows(ids, {"min_price": np.array([100, NULL])})
    >>> statistics_change(before, after).columns
    {'min_price': ColumnChange(rows=1, largest=250.0, total=250.0)}
    """
    _, old, new = np.intersect1d(before.item_id, after.item_id, assume_unique=True, return_indices=True)
    touched = np.zeros(len(old), np.bool_)
    columns: dict[str, ColumnChange] = {}
    for name, values in after.columns.items():
        was, becomes = before.columns[name][old], values[new]
        differs = was != becomes
        if values.dtype.kind == "f":
            differs &= ~(np.isnan(was) & np.isnan(becomes))
        if differs.any():
            size = np.abs(_sizes(becomes[differs]) - _sizes(was[differs]))
            columns[name] = ColumnChange(rows=len(size), largest=float(size.max()), total=float(size.sum()))
            touched |= differs
    return StatisticsChange(
        added=len(after) - len(new),
        removed=len(before) - len(old),
        changed=int(np.count_nonzero(touched)),
        columns=columns,
    )


def windows_change(before: Windows, after: Windows) -> int:
    """How many auctions get another expiry window; both are of the same snapshot."""
    return int(
        np.count_nonzero(
            (before.expires_after_min != after.expires_after_min)
            | (before.expires_before_min != after.expires_before_min)
        )
    )


def _sizes(values: NDArray[Any]) -> Float64:
    """Values to measure a change by: null is 0."""
    if values.dtype.kind == "f":
        return np.nan_to_num(values, nan=0.0)
    return np.where(values == NULL, 0, values).astype(np.float64)


def estimates_of(rows: StatisticsRows) -> Estimates:
    """The estimates that stored rows hold, as they were computed; of rows of version 1 nothing is known."""
    known = rows.columns["evidence"] != NULL

    def column(name: str, kind: type[np.generic]) -> NDArray[Any]:
        return np.where(known, rows.columns[name], 0).astype(kind)

    return Estimates(
        item_id=rows.item_id,
        known=known,
        evidence=column("evidence", np.int16),
        seen_sales=column("seen_sales", np.float64),
        unseen_sales=column("unseen_sales", np.float64),
        new_at_floor=column("new_at_floor", np.int64),
        estimated_sales=column("estimated_sales", np.int64),
        sales_low=column("sales_low", np.int64),
        sales_high=column("sales_high", np.int64),
    )
