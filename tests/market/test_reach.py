"""How far back a row of the estimate rests: not further than 48 hours, and further than 28."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np
import pytest

from ironforge_cli.market import sales
from ironforge_cli.market.auctions import Auctions, Book
from ironforge_cli.market.past import Past
from ironforge_cli.market.sales import REACH
from ironforge_cli.values import replace
from tests.market.made_up import later, whole_market

if TYPE_CHECKING:
    from ironforge_cli.market.counts import ItemCounts
    from ironforge_cli.market.estimate import Estimates

START: Final = datetime(2026, 1, 11, 21, 3, 7, tzinfo=UTC)
"""The last hours are late in a day, of which they sum up what went before."""
HOUR: Final = timedelta(hours=1)
HOURS: Final = 75
WITHDRAWN: Final = 6
"""Auctions an hour: so few that a pair is evidence or not by what the item did before."""


@cache
def books() -> list[Book]:
    """Snapshots of three days, an hour apart but for some that are missing, with their windows."""
    random = np.random.default_rng(11)
    auctions = whole_market(random, auctions=300, items=60)
    made = [Book(auctions=auctions, windows=sales.first_windows(auctions), snapshot_time=START)]
    for hour in range(1, HOURS):
        following = later(random, made[-1].auctions)
        # The ids of one hour's new auctions are no other's.
        is_new = following.auction_id >= 10**12
        auctions = Auctions.from_columns(
            auction_id=np.where(is_new, following.auction_id - 10**12 + hour * 10**10, following.auction_id),
            item_id=following.item_id,
            unit_price=following.unit_price,
            quantity=following.quantity,
            time_left=following.time_left,
        )
        if hour % 9 == 0:
            continue
        at = START + hour * HOUR
        windows = sales.compare(made[-1], auctions, at=at).windows
        made.append(Book(auctions=auctions, windows=windows, snapshot_time=at))
    return made


@cache
def _counts(number: int) -> ItemCounts:
    before, now = books()[number - 1], books()[number]
    return sales.compare(before, now.auctions, at=now.snapshot_time).counts


@cache
def rows_from(reach: timedelta | None) -> list[tuple[bytes, ...]]:
    """The rows of the last hours, each computed from the intervals that ended so long before it; None: from all."""
    return [_row_of(place, reach) for place in range(len(books()) - 5, len(books()))]


def _row_of(place: int, reach: timedelta | None) -> tuple[bytes, ...]:
    made, past = books(), Past()
    found: Estimates | None = None
    ends = made[place].snapshot_time
    for number in range(1, place + 1):
        before, now = made[number - 1], made[number]
        if reach is not None and now.snapshot_time <= ends - reach:
            continue
        seconds = int((now.snapshot_time - before.snapshot_time).total_seconds())
        counts = replace(_counts(number), withdrawn=WITHDRAWN)
        found = past.estimated(counts, ended_at=now.snapshot_time, seconds=seconds)
    assert found is not None
    return tuple(getattr(found, one.name).tobytes() for one in fields(found))


@pytest.mark.parametrize("hours", [47, 48])
def test_a_row_is_the_same_to_the_bit_from_the_intervals_of_48_hours(hours: int) -> None:
    assert timedelta(hours=hours) <= REACH
    assert rows_from(timedelta(hours=hours)) == rows_from(None)


def test_from_28_hours_it_is_not() -> None:
    assert rows_from(timedelta(hours=28)) != rows_from(None)
