"""What is known of every item of a region at once, in columns: what other programs are given."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING

import numpy as np

from ironforge_cli.answers.price import daily_sales, worth_by_days
from ironforge_cli.db.repositories import asking
from ironforge_cli.market import worth

if TYPE_CHECKING:
    from datetime import datetime

    from ironforge_cli.answers.answer import Asking
    from ironforge_cli.market.auctions import Float64, Int32
    from ironforge_cli.regions import Region


@dataclass(frozen=True, slots=True)
class MarketFigures:
    """What a region's newest snapshot and the days before it say of each of its k items; NaN where it is not known."""

    region: Region
    snapshot_time: datetime
    item_id: Int32
    """Of every item that had a price within the days that a weighted market value rests on, rising."""
    min_price: Float64
    """Copper; NaN, as the market value, where it is sold out."""
    market_value: Float64
    usual_price: Float64
    sold_per_day_low: Float64
    """Units, over 7 days, as the two below."""
    sold_per_day: Float64
    sold_per_day_high: Float64
    days_since_seen: Float64
    """How many days before the snapshot's day it was last for sale; 0 is that day."""


def market_figures(asking_for: Asking, region: Region) -> MarketFigures | None:
    """The newest figures of a region; None where nothing is stored."""
    with asking.reading(asking_for.database) as connection:
        at = asking.newest_times(connection, [region]).get(region)
        if at is None:
            return None
        newest = asking.newest_prices(connection, region, at)
        days = len(worth.WEIGHTS)
        values = asking.day_values(connection, region, at.astimezone(UTC).date(), days, until=at, items=None)
        priced = newest.item_id[~np.isnan(newest.min_price)]
        item_id = np.union1d(priced, values.item_id).astype(np.int32)
        sold = daily_sales(connection, region, at, item_id, is_all=True)
    last_seen = np.full(len(item_id), np.inf)
    np.minimum.at(last_seen, np.searchsorted(item_id, values.item_id), values.days_before.astype(np.float64))
    there = np.searchsorted(item_id, priced)
    last_seen[there] = 0.0
    is_priced = ~np.isnan(newest.min_price)
    min_price, market_value = np.full(len(item_id), np.nan), np.full(len(item_id), np.nan)
    min_price[there], market_value[there] = newest.min_price[is_priced], newest.market_value[is_priced]
    return MarketFigures(
        region=region,
        snapshot_time=at,
        item_id=item_id,
        min_price=min_price,
        market_value=market_value,
        usual_price=worth_by_days(values, item_id).usual_price,
        sold_per_day_low=sold.low,
        sold_per_day=sold.estimated,
        sold_per_day_high=sold.high,
        days_since_seen=last_seen,
    )
