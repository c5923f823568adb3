"""Snapshots for tests: from plain ones to columns, and whole markets from a seed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ironforge_cli.market.auctions import Auctions, Int64, Windows
from ironforge_cli.market.sales import first_windows
from ironforge_cli.market.time_left import TimeLeft
from tests.market.reference import Auction

if TYPE_CHECKING:
    from tests.market.reference import Snapshot


def as_columns(snapshot: Snapshot) -> Auctions:
    rows = list(snapshot.items())
    return Auctions.from_columns(
        auction_id=np.array([key for key, _ in rows], np.int64),
        item_id=np.array([auction.item for _, auction in rows], np.int32),
        unit_price=np.array([auction.price for _, auction in rows], np.int64),
        quantity=np.array([auction.quantity for _, auction in rows], np.int32),
        time_left=np.array([TimeLeft[auction.time_left] for _, auction in rows], np.uint8),
    )


def as_snapshot(auctions: Auctions) -> Snapshot:
    names = [TimeLeft(code).name for code in range(len(TimeLeft))]
    rows = zip(
        auctions.auction_id.tolist(),
        auctions.item_id.tolist(),
        auctions.unit_price.tolist(),
        auctions.quantity.tolist(),
        auctions.time_left.tolist(),
        strict=True,
    )
    return {key: Auction(item, price, quantity, names[code]) for key, item, price, quantity, code in rows}


def whole_market(random: np.random.Generator, *, auctions: int, items: int) -> Auctions:
    """Make a market of few busy and many thin items, with stacks of 200, undercut prices and ties."""
    item = (items * random.random(auctions) ** 2).astype(np.int64)
    base = 10 ** random.uniform(2, 8, items)
    price = base[item] * np.exp(np.abs(random.normal(0, 0.4, auctions)))
    quantity = np.where(random.random(auctions) < 0.3, 200, random.geometric(0.05, auctions).clip(1, 1000))
    return Auctions.from_columns(
        auction_id=2_000_000_000 + random.choice(20 * auctions, auctions, replace=False),
        item_id=(20 * item + 7).astype(np.int32),
        unit_price=price.astype(np.int64) // 100 * 100 + 100,
        quantity=quantity.astype(np.int32),
        time_left=random.integers(0, len(TimeLeft), auctions).astype(np.uint8),
    )


def narrowed(random: np.random.Generator, auctions: Auctions) -> Windows:
    """Give every auction a random window inside its bucket, as one that was seen before has."""
    whole = first_windows(auctions)
    width = whole.expires_before_min - whole.expires_after_min
    cut = (width * random.random((2, len(auctions))) * 0.5 * (random.random(len(auctions)) < 0.7)).astype(np.int16)
    return Windows(
        expires_after_min=whole.expires_after_min + cut[0], expires_before_min=whole.expires_before_min - cut[1]
    )


def later(random: np.random.Generator, auctions: Auctions) -> Auctions:
    """Make a following snapshot: auctions vanish, sell partly, give their ids to others; like ones are listed."""
    n = len(auctions)
    vanishes = (random.random(n) < 0.1) | (auctions.item_id % 41 == 0)
    kept: Int64 = np.flatnonzero(~vanishes)
    quantity, price = auctions.quantity[kept], auctions.unit_price[kept]
    fate = random.random(len(kept))
    quantity = np.where(fate < 0.05, (quantity + 1) // 2, quantity)
    quantity = np.where((fate > 0.05) & (fate < 0.06), quantity + 1, quantity)
    price = np.where((fate > 0.06) & (fate < 0.07), price + 100, price)
    like = random.choice(n, n // 10)
    bucket = auctions.time_left[kept].astype(np.int64) - (random.random(len(kept)) < 0.2)
    return Auctions.from_columns(
        auction_id=np.concatenate([auctions.auction_id[kept], 10**12 + random.permutation(n)[: len(like)]]),
        item_id=np.concatenate([auctions.item_id[kept], auctions.item_id[like]]),
        unit_price=np.concatenate(
            [price, np.maximum(auctions.unit_price[like] - 100 * random.integers(0, 3, len(like)), 1)]
        ),
        quantity=np.concatenate([quantity, auctions.quantity[like]]).astype(np.int32),
        time_left=np.concatenate([np.clip(bucket, 0, 3), random.integers(0, 4, len(like))]).astype(np.uint8),
    )
