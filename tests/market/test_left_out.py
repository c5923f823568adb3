"""Auctions that were left out of a snapshot are neither gone nor sold, and what they hide is null, never 0."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ironforge_cli.market.auctions import LeftOut
from ironforge_cli.market.changes import NULL, REAL_COLUMNS, SALES_COLUMNS, StatisticsRows
from ironforge_cli.market.statistics import summarise_snapshot
from ironforge_cli.values import replace
from tests.market import reference
from tests.market.made_up import as_columns
from tests.market.reference import Auction, Snapshot

if TYPE_CHECKING:
    from ironforge_cli.market.auctions import Auctions
    from ironforge_cli.market.statistics import Summary

NOON = datetime(2024, 1, 15, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
HERB, ORE = Auction(1, 100, 5, "VERY_LONG"), Auction(2, 300, 2, "VERY_LONG")
MORE_HERB = Auction(1, 110, 7, "VERY_LONG")


class Odd(NamedTuple):
    """A snapshot, and what a body had beside it."""

    sound: Snapshot
    items: tuple[int, ...] = ()
    ids: tuple[int, ...] = ()

    @property
    def columns(self) -> Auctions:
        left_out = LeftOut(max(len(self.items), len(self.ids)), self.items, self.ids)
        return replace(as_columns(self.sound), left_out=left_out)

    @property
    def plainly(self) -> reference.LeftOut:
        return reference.LeftOut(frozenset(self.items), frozenset(self.ids))


def chain(*hours: Odd) -> list[Summary]:
    summaries: list[Summary] = []
    for number, hour in enumerate(hours):
        previous = summaries[-1].book if summaries else None
        summaries.append(summarise_snapshot(previous, hour.columns, at=NOON + number * HOUR))
    return summaries


def sales_of(summary: Summary) -> dict[int, Any]:
    """Estimated sales of each item that has a row; None for null."""
    rows = StatisticsRows.of(summary.statistics)
    found = zip(rows.item_id.tolist(), rows.columns["estimated_sales"].tolist(), strict=True)
    return {item: None if sold == NULL else sold for item, sold in found}


def test_auctions_that_were_left_out_are_the_same_ones_whatever_is_said_of_the_first() -> None:
    assert LeftOut(1, (7,), (3,), first="odd") == LeftOut(1, (7,), (3,))
    assert LeftOut(1, (7,), (3,)) != LeftOut(2, (7,), (3,))


def test_sales_of_an_item_are_null_in_the_two_intervals_around_and_in_no_other() -> None:
    whole = Odd({1: HERB, 2: ORE, 3: MORE_HERB})
    odd = Odd({2: ORE, 3: MORE_HERB}, items=(1,), ids=(1,))
    _, before, into, out_of, after = chain(whole, whole, odd, whole, whole)
    assert [sales_of(one) for one in (before, into, out_of, after)] == [
        {1: 0, 2: 0},
        {1: None, 2: 0},
        {1: None, 2: 0},
        {1: 0, 2: 0},
    ]
    for one in (into, out_of):
        rows = StatisticsRows.of(one.statistics)
        for name in SALES_COLUMNS:
            null = rows.columns[name][0]
            assert np.isnan(null) if name in REAL_COLUMNS else null == NULL
        assert rows.columns["interval_seconds"].tolist() == [3600, 3600]
        assert one.totals is not None
        assert (one.totals.gone_auctions, one.totals.new_auctions, one.totals.surviving_auctions) == (0, 0, 1)


@pytest.mark.parametrize("side", ["before", "after"])
def test_an_auction_whose_item_cannot_be_read_is_that_of_its_id_in_the_snapshot_beside(side: str) -> None:
    whole, odd = Odd({1: HERB, 2: ORE, 3: MORE_HERB}), Odd({2: ORE, 3: MORE_HERB}, ids=(1,))
    first, second = (odd, whole) if side == "before" else (whole, odd)
    assert sales_of(chain(first, second)[1]) == {1: None, 2: 0}


def test_an_auction_of_which_nothing_can_be_read_makes_nothing_null() -> None:
    whole, odd = Odd({1: HERB, 2: ORE}), replace(as_columns({1: HERB, 2: ORE}), left_out=LeftOut(count=1))
    previous = summarise_snapshot(None, whole.columns, at=NOON).book
    assert sales_of(summarise_snapshot(previous, odd, at=NOON + HOUR)) == {1: 0, 2: 0}


def test_an_item_whose_every_auction_was_left_out_has_not_sold_out_and_so_has_no_row() -> None:
    whole, odd, gone = Odd({1: HERB, 2: ORE}), Odd({2: ORE}, items=(1,)), Odd({2: ORE})
    _, into, out_of, after = chain(whole, odd, gone, gone)
    assert [sales_of(one) for one in (into, out_of, after)] == [{2: 0}, {1: None, 2: 0}, {2: 0}]
    assert out_of.statistics.priced.tolist() == [False, True]
    assert [sales_of(one) for one in chain(odd, odd)[1:]] == [{2: 0}]


lots = st.builds(
    Auction,
    item=st.integers(1, 4),
    price=st.integers(1, 3).map(lambda price: 100 * price),
    quantity=st.integers(1, 3),
    time_left=st.sampled_from(list(reference.BUCKETS)),
)
odd_snapshots = st.builds(
    Odd,
    sound=st.dictionaries(st.integers(1, 10), lots, max_size=8),
    items=st.sets(st.integers(1, 5), max_size=2).map(lambda found: tuple(sorted(found))),
    ids=st.sets(st.integers(1, 11), max_size=3).map(lambda found: tuple(sorted(found))),
)


@settings(deadline=None)
@given(first=odd_snapshots, second=odd_snapshots)
def test_whatever_was_left_out_the_figures_are_those_of_the_plain_rule(first: Odd, second: Odd) -> None:
    _, summary = chain(first, second)
    hour = reference.compare(
        first.sound,
        reference.first_windows(first.sound),
        second.sound,
        old_time=NOON,
        new_time=NOON + HOUR,
        old_left=first.plainly,
        new_left=second.plainly,
    )
    rows, shown = StatisticsRows.of(summary.statistics), sorted(hour.items.keys() - hour.unpriced)
    assert rows.item_id.tolist() == shown
    assert [item for item, sold in zip(shown, rows.columns["sales_high"].tolist(), strict=True) if sold == NULL] == [
        item for item in shown if item in hour.unknown
    ]
    known = {item: sold for item, sold in hour.items.items() if item not in hour.unknown}
    for name, wanted in {
        "new_listings": {item: sold.new_listings for item, sold in known.items()},
        "new_auctions": {item: sold.new_auctions for item, sold in known.items()},
    }.items():
        assert rows.columns[name].tolist() == [wanted.get(item, NULL) for item in shown]
    totals = summary.totals
    assert totals is not None
    fates = [fate for key, fate in hour.fate.items() if first.sound[key].item in known]
    survivors = fates.count("STILL_THERE") + fates.count("PARTLY_SOLD")
    assert totals.surviving_auctions == survivors
    assert totals.gone_auctions == len(fates) - survivors
    assert totals.expired_auctions == fates.count("EXPIRED")
    assert totals.withdrawn_auctions == fates.count("WITHDRAWN")
    assert totals.new_auctions == sum(sold.new_auctions for sold in known.values())
    assert totals.window_misfits == hour.misfits
    assert totals.partly_sold_above_cheaper == hour.sold_above_cheaper
