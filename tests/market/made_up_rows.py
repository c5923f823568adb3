"""Raw rows of a day that was never collected: like real ones in shape, small, and the same for the same seed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ironforge_cli.market.rows import RawRows, joined, microseconds_of

if TYPE_CHECKING:
    from ironforge_cli.market.partitions import DailyPartition

_HOUR = 3_600_000_000


def day_of_rows(partition: DailyPartition, *, snapshots: int = 24, auctions: int = 10, seed: int = 0) -> RawRows:
    """The rows of a day's snapshots, an hour apart, in the order in which they would have been stored."""
    chance = np.random.default_rng([seed, partition.day.toordinal(), *partition.region.encode()])
    ids = np.sort(chance.choice(10**11, size=auctions + snapshots, replace=False))
    prices = chance.integers(1, 10**15, len(ids))
    items = chance.integers(1, 250_000, len(ids)).astype(np.int32)
    first = microseconds_of(partition.starts_at) + int(chance.integers(0, _HOUR))
    pieces: list[RawRows] = []
    for hour in range(snapshots):
        # One auction leaves and one comes every hour.
        here = slice(hour, hour + auctions)
        after = chance.integers(-30, 2_000, auctions).astype(np.int16)
        pieces.append(
            RawRows(
                snapshot_time=np.full(auctions, first + hour * _HOUR, np.int64),
                auction_id=ids[here],
                item_id=items[here],
                unit_price=prices[here],
                quantity=chance.integers(1, 2**31 - 1, auctions).astype(np.int32),
                time_left=chance.integers(0, 4, auctions).astype(np.uint8),
                expires_after_min=after,
                expires_before_min=(after + chance.integers(1, 700, auctions)).astype(np.int16),
            )
        )
    return joined(pieces)
