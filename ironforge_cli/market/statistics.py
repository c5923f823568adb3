"""All figures of one snapshot, from it and the one before: what collecting, recomputing and clusters share."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from ironforge_cli.market import prices, sales
from ironforge_cli.market.auctions import Auctions, Book, Bool, Float64, Int32, Int64, Windows
from ironforge_cli.market.checks import sold_lots
from ironforge_cli.market.doubts import SoldLots
from ironforge_cli.market.estimate import Estimates, estimate
from ironforge_cli.market.past import Earlier

if TYPE_CHECKING:
    from datetime import datetime

    from numpy.typing import NDArray

_Number = TypeVar("_Number", np.int32, np.int64, np.float64)


@dataclass(frozen=True, slots=True)
class Statistics:
    """The rows of a snapshot's price statistics: k items, sorted by id.

    An item that was for sale in the previous snapshot and no longer is has a row too. There `priced` is false,
    quantity and auctions are 0, and the prices are null: 0 or NaN here. An item of which every auction was left out of
    this snapshot has none: it is for sale, and nobody knows for how much.
    """

    item_id: Int32
    priced: Bool
    min_price: Int64
    max_price: Int64
    mean_price: Float64
    median_price: Float64
    market_value: Float64
    cheapest_15_percent_price: Int64
    total_quantity: Int64
    num_auctions: Int32
    new_listings: Int64
    """Units of new auctions; null, as `new_auctions`, where sales are."""
    new_auctions: Int32
    sales: Estimates | None
    """Its rows are those of the statistics, and null where they are not `known`; None, so null, in a region's first."""
    interval_seconds: int | None
    """From the previous snapshot to this one; None where there is none."""

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.item_id)

    @property
    def compared(self) -> bool:
        """Whether there was a previous snapshot, so that the columns of sales are not null."""
        return self.sales is not None


@dataclass(frozen=True, slots=True)
class Summary:
    """All that is computed of one snapshot."""

    book: Book
    """The snapshot with its windows, ready to be the previous one of the next."""
    statistics: Statistics
    comparison: sales.Comparison | None
    """None for a region's first snapshot."""
    lots: SoldLots | None = None
    """The lots that were sold, by when they were listed; None where ids tell no times."""

    @property
    def windows(self) -> Windows:
        """The expiry windows of the snapshot's auctions, row by row."""
        return self.book.windows

    @property
    def totals(self) -> sales.Totals | None:
        """What happened in the whole market since the previous snapshot; None for a region's first."""
        return self.comparison.totals if self.comparison else None

    @property
    def estimated_sales(self) -> int | None:
        """Units sold over all items, best estimate; None for a region's first."""
        sold = self.statistics.sales
        return None if sold is None else int(sold.estimated_sales.sum())

    @property
    def sales_low(self) -> int | None:
        """The lower bounds of all items, added up."""
        sold = self.statistics.sales
        return None if sold is None else int(sold.sales_low.sum())

    @property
    def sales_high(self) -> int | None:
        """The upper bounds of all items, added up."""
        sold = self.statistics.sales
        return None if sold is None else int(sold.sales_high.sum())

    @property
    def interval_seconds(self) -> int | None:
        """The seconds since the previous snapshot; None for a region's first."""
        return self.statistics.interval_seconds


def summarise_snapshot(
    previous: Book | None, current: Auctions, *, at: datetime, earlier: Earlier | None = None
) -> Summary:
    """Compute windows, statistics and totals of a snapshot; `previous` is None for a region's first.

    `earlier` is what the snapshots before say of the interval; without it, there was none before `previous`.

    Raises `ValueError` where `at`, the snapshot's time, has no zone or is not later than the previous one.
    """
    priced = prices.summarise(current)
    if previous is None:
        return Summary(
            book=Book(auctions=current, windows=sales.first_windows(current), snapshot_time=at),
            statistics=_statistics(priced, comparison=None, estimates=None, interval_seconds=None),
            comparison=None,
        )
    comparison = sales.compare(previous, current, at=at)
    earlier = earlier or Earlier.nothing()
    interval = (at - previous.snapshot_time) // timedelta(seconds=1)
    estimates = estimate(comparison.counts, earlier.sums, seconds=interval)
    return Summary(
        book=Book(auctions=current, windows=comparison.windows, snapshot_time=at),
        statistics=_statistics(priced, comparison=comparison, estimates=estimates, interval_seconds=interval),
        comparison=comparison,
        lots=sold_lots(previous.auctions, current, comparison, estimates, highest_ids=earlier.highest_ids),
    )


def _statistics(
    priced: prices.PriceColumns,
    *,
    comparison: sales.Comparison | None,
    estimates: Estimates | None,
    interval_seconds: int | None,
) -> Statistics:
    """Give every item of either snapshot a row."""
    item_id = comparison.counts.item_id if comparison else priced.item_id
    rows = np.searchsorted(item_id, priced.item_id)
    for_sale = np.zeros(len(item_id), np.bool_)
    for_sale[rows] = True

    def column(values: NDArray[_Number], *, sold_out: float = 0) -> NDArray[_Number]:
        spread = np.full(len(item_id), sold_out, values.dtype)
        spread[rows] = values
        return spread

    return Statistics(
        item_id=item_id,
        priced=for_sale,
        min_price=column(priced.min_price),
        max_price=column(priced.max_price),
        mean_price=column(priced.mean_price, sold_out=np.nan),
        median_price=column(priced.median_price, sold_out=np.nan),
        market_value=column(priced.market_value, sold_out=np.nan),
        cheapest_15_percent_price=column(priced.cheapest_15_percent_price),
        total_quantity=column(priced.total_quantity),
        num_auctions=column(priced.num_auctions),
        new_listings=comparison.counts.new_listings if comparison else np.zeros(len(item_id), np.int64),
        new_auctions=comparison.counts.new_auctions if comparison else np.zeros(len(item_id), np.int32),
        sales=estimates,
        interval_seconds=interval_seconds,
    )
