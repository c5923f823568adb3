from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ironforge_cli.market import sales
from ironforge_cli.market.auctions import Book, Windows
from ironforge_cli.market.sales import AuctionOutcome
from tests.market import reference
from tests.market.made_up import as_columns, as_snapshot, later, narrowed, whole_market
from tests.market.reference import Auction, Snapshot

if TYPE_CHECKING:
    from ironforge_cli.market.sales import Comparison

NOON = datetime(2024, 1, 15, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ITEM = 7
Hours: TypeAlias = list[tuple[datetime, Snapshot]]


def first_book(snapshot: Snapshot, *, at: datetime = NOON) -> Book:
    auctions = as_columns(snapshot)
    return Book(auctions=auctions, windows=sales.first_windows(auctions), snapshot_time=at)


def after_an_hour(before: Snapshot, now: Snapshot) -> Comparison:
    return sales.compare(first_book(before), as_columns(now), at=NOON + HOUR)


def outcomes(before: Snapshot, now: Snapshot) -> list[AuctionOutcome]:
    return [AuctionOutcome(code) for code in after_an_hour(before, now).outcome.tolist()]


def lot(price: int = 100, quantity: int = 1, time_left: str = "VERY_LONG", *, item: int = ITEM) -> Auction:
    return Auction(item, price, quantity, time_left)


def window_of(windows: Windows) -> tuple[int, int]:
    (after,), (before,) = windows.expires_after_min.tolist(), windows.expires_before_min.tolist()
    return after, before


def assert_equal(hour: reference.Hour, comparison: Comparison, *, old: Snapshot, new: Snapshot) -> None:
    assert [AuctionOutcome(code).name for code in comparison.outcome.tolist()] == [
        hour.fate[key] for key in sorted(old)
    ]
    assert comparison.weight.tolist() == [float(hour.weight.get(key, 0)) for key in sorted(old)]
    windows = zip(
        comparison.windows.expires_after_min.tolist(),
        comparison.windows.expires_before_min.tolist(),
        strict=True,
    )
    assert list(windows) == [hour.windows[key] for key in sorted(new)]
    columns, expected = comparison.counts, [hour.items[item] for item in sorted(hour.items)]
    assert columns.item_id.tolist() == sorted(hour.items)
    assert columns.confirmed.tolist() == [item.confirmed for item in expected]
    assert columns.gone.tolist() == [item.reachable for item in expected]
    assert columns.new_listings.tolist() == [item.new_listings for item in expected]
    assert columns.new_auctions.tolist() == [item.new_auctions for item in expected]
    assert_equal_totals(hour, comparison.totals, old=old, new=new)


def assert_equal_totals(hour: reference.Hour, totals: sales.Totals, *, old: Snapshot, new: Snapshot) -> None:
    fates = list(hour.fate.values())
    survivors = fates.count("STILL_THERE") + fates.count("PARTLY_SOLD")
    assert totals.surviving_auctions == survivors
    assert totals.gone_auctions == len(old) - survivors
    assert totals.new_auctions == len(new) - survivors
    assert totals.new_units == sum(item.new_listings for item in hour.items.values())
    assert totals.confirmed_units == sum(item.confirmed for item in hour.items.values())
    assert totals.expired_auctions == fates.count("EXPIRED")
    assert totals.withdrawn_auctions == fates.count("WITHDRAWN")
    assert totals.likely_sold_auctions == fates.count("SOLD_LIKELY")
    assert totals.expired_units == sum(old[key].quantity for key, fate in hour.fate.items() if fate == "EXPIRED")
    assert totals.withdrawn_units == sum(old[key].quantity for key, fate in hour.fate.items() if fate == "WITHDRAWN")
    assert totals.window_misfits == hour.misfits
    assert totals.partly_sold_auctions == fates.count("PARTLY_SOLD")
    assert totals.partly_sold_above_cheaper == hour.sold_above_cheaper


BUCKETS = list(reference.BUCKETS)
lots = st.builds(
    Auction,
    item=st.integers(1, 3),
    price=st.integers(1, 4).map(lambda price: 100 * price),
    quantity=st.integers(1, 3) | st.sampled_from([200, 2**31 - 2]),
    time_left=st.sampled_from(BUCKETS),
)
snapshots = st.dictionaries(st.integers(1, 14), lots, max_size=12)
gaps = st.sampled_from([1, 29, 60, 1800, 3570, 3600, 3631, 7200, 5 * 3600]) | st.integers(1, 30 * 86_400)


@st.composite
def a_later_lot(draw: st.DrawFn, old: Auction) -> Auction | None:
    """Draw what an id holds by the next snapshot, with any bucket at all: buckets lie."""
    fate = draw(st.sampled_from(["same"] * 4 + ["gone"] * 3 + ["less", "more", "other price", "other item"]))
    if fate == "gone":
        return None
    same = old._replace(time_left=draw(st.sampled_from([old.time_left, *BUCKETS])))
    if fate == "less":
        return same._replace(quantity=draw(st.integers(1, old.quantity)))
    if fate == "more":
        return same._replace(quantity=min(old.quantity + 1, 2**31 - 1))
    if fate == "other price":
        return same._replace(price=old.price + draw(st.sampled_from([-50, 50])))
    return same._replace(item=old.item % 3 + 1) if fate == "other item" else same


@st.composite
def several_hours(draw: st.DrawFn) -> Hours:
    at, snapshot = NOON, draw(snapshots)
    hours = [(at, snapshot)]
    for _ in range(draw(st.integers(1, 4))):
        at += timedelta(seconds=draw(gaps))
        changed = {key: draw(a_later_lot(old)) for key, old in snapshot.items()}
        listed = draw(st.dictionaries(st.integers(1, 18), lots, max_size=5))
        snapshot = listed | {key: lot for key, lot in changed.items() if lot is not None}
        hours.append((at, snapshot))
    return hours


@settings(max_examples=120, deadline=None)
@given(several_hours())
def test_hours_in_a_row_equal_the_plain_reference(hours: Hours) -> None:
    at, old = hours[0]
    book, windows = first_book(old, at=at), reference.first_windows(old)
    for now, new in hours[1:]:
        hour = reference.compare(old, windows, new, old_time=at, new_time=now)
        comparison = sales.compare(book, as_columns(new), at=now)
        assert_equal(hour, comparison, old=old, new=new)
        book = Book(auctions=as_columns(new), windows=comparison.windows, snapshot_time=now)
        at, old, windows = now, new, hour.windows


@pytest.mark.parametrize("auctions", [20_000, pytest.param(350_000, marks=pytest.mark.slow)])
def test_a_whole_market_equals_the_plain_reference(auctions: int) -> None:
    random = np.random.default_rng(20_240_115)
    before = whole_market(random, auctions=auctions, items=auctions // 29)
    windows, now = narrowed(random, before), later(random, before)
    book = Book(auctions=before, windows=windows, snapshot_time=NOON)
    comparison = sales.compare(book, now, at=NOON + HOUR)

    old, new = as_snapshot(before), as_snapshot(now)
    known = zip(windows.expires_after_min.tolist(), windows.expires_before_min.tolist(), strict=True)
    hour = reference.compare(old, dict(zip(sorted(old), known, strict=True)), new, old_time=NOON, new_time=NOON + HOUR)
    assert_equal(hour, comparison, old=old, new=new)
    # The market holds enough of everything, or the equality would say little.
    paired = int(np.count_nonzero(comparison.paired))
    rare = (comparison.totals.partly_sold_above_cheaper, comparison.totals.window_misfits, paired)
    assert min(*rare, *np.bincount(comparison.outcome).tolist()) > auctions / 700


def test_a_window_tightens_as_an_auction_ages() -> None:
    auction = {1: lot(time_left="MEDIUM")}
    assert window_of(after_an_hour(auction, auction).windows) == (30, 60)
    aged = {1: lot(time_left="LONG")}
    assert window_of(after_an_hour(aged, auction).windows) == (60, 120)


def test_a_bucket_that_contradicts_the_window_wins_and_is_counted() -> None:
    comparison = after_an_hour({1: lot(time_left="SHORT")}, {1: lot(time_left="SHORT")})
    assert window_of(comparison.windows) == (0, 30)
    assert comparison.totals.window_misfits == 1


def test_an_auction_that_was_medium_at_two_hourly_snapshots_has_expired_by_the_third() -> None:
    auction = {1: lot(time_left="MEDIUM")}
    aged = Book(
        auctions=as_columns(auction),
        windows=after_an_hour(auction, auction).windows,
        snapshot_time=NOON + HOUR,
    )
    third = sales.compare(aged, as_columns({}), at=NOON + 2 * HOUR)
    assert third.outcome.tolist() == [AuctionOutcome.EXPIRED]


def test_an_auction_that_was_long_and_then_medium_can_not_have_expired_an_hour_later() -> None:
    before, now = {1: lot(time_left="LONG")}, {1: lot(time_left="MEDIUM")}
    aged = Book(auctions=as_columns(now), windows=after_an_hour(before, now).windows, snapshot_time=NOON + HOUR)
    third = sales.compare(aged, as_columns({}), at=NOON + 2 * HOUR)
    assert (third.counts.certain.tolist(), third.counts.plain.tolist()) == ([1], [1])


@pytest.mark.parametrize("seconds", [61, 89, 90, 91, 119, 3_629])
def test_rounding_to_minutes_never_accumulates(seconds: int) -> None:
    auction = {1: lot()}
    book = first_book(auction, at=NOON)
    at = NOON
    for _ in range(20):
        at += timedelta(seconds=seconds)
        comparison = sales.compare(book, as_columns(auction), at=at)
        book = Book(auctions=as_columns(auction), windows=comparison.windows, snapshot_time=at)
    in_one_step = sales.compare(first_book(auction), as_columns(auction), at=at)
    assert window_of(book.windows) == window_of(in_one_step.windows)
    assert window_of(book.windows) == (720, 2880 - math.floor(20 * seconds / 60 + 0.5))


def test_less_quantity_is_sold_for_sure() -> None:
    comparison = after_an_hour({1: lot(quantity=200)}, {1: lot(quantity=150)})
    assert comparison.outcome.tolist() == [AuctionOutcome.PARTLY_SOLD]
    assert comparison.counts.confirmed.tolist() == [50]
    assert comparison.counts.plain.tolist() == comparison.counts.gone.tolist() == [0]


@pytest.mark.parametrize(("minutes", "outcome"), [(28, AuctionOutcome.EXPIRED), (27, AuctionOutcome.SOLD_LIKELY)])
def test_an_auction_may_seem_to_expire_two_minutes_late(minutes: int, outcome: AuctionOutcome) -> None:
    comparison = sales.compare(
        first_book({1: lot(time_left="SHORT")}), as_columns({}), at=NOON + timedelta(minutes=minutes)
    )
    assert comparison.outcome.tolist() == [outcome]


def test_a_dearer_one_that_vanishes_before_the_cheapest_was_withdrawn() -> None:
    assert outcomes({1: lot(100), 2: lot(101)}, {1: lot(100)}) == [AuctionOutcome.STILL_THERE, AuctionOutcome.WITHDRAWN]
    assert outcomes({1: lot(100), 2: lot(99)}, {1: lot(100)}) == [
        AuctionOutcome.STILL_THERE,
        AuctionOutcome.SOLD_LIKELY,
    ]


def test_at_an_equal_price_the_newest_sells_first() -> None:
    three = {1: lot(), 2: lot(), 3: lot()}
    assert outcomes(three, {2: lot()}) == [
        AuctionOutcome.WITHDRAWN,
        AuctionOutcome.STILL_THERE,
        AuctionOutcome.SOLD_LIKELY,
    ]
    assert outcomes(three, {1: lot(), 2: lot()})[2] is AuctionOutcome.SOLD_LIKELY
    assert outcomes(three, {2: lot(), 3: lot()})[0] is AuctionOutcome.WITHDRAWN


def test_another_item_sets_no_floor() -> None:
    assert outcomes({1: lot(500), 2: lot(1, item=8)}, {2: lot(1, item=8)})[0] is AuctionOutcome.SOLD_LIKELY


def test_a_new_listing_sets_no_floor() -> None:
    assert outcomes({1: lot(500)}, {2: lot(1)}) == [AuctionOutcome.SOLD_LIKELY]


@pytest.mark.parametrize("now", [lot(item=8), lot(quantity=2), lot(101), lot(99)])
def test_an_id_used_again_is_one_gone_and_one_new(now: Auction) -> None:
    comparison = after_an_hour({1: lot()}, {1: now})
    assert comparison.outcome.tolist() == [AuctionOutcome.SOLD_LIKELY]
    assert comparison.is_new.tolist() == [True]
    assert comparison.totals.new_units == now.quantity
    assert window_of(comparison.windows) == (720, 2880)


def test_an_id_used_again_at_a_lower_price_pairs_with_itself() -> None:
    assert after_an_hour({1: lot(100)}, {1: lot(99)}).paired.tolist() == [True]


def test_a_likely_one_counts_with_the_share_of_its_window_that_lies_ahead() -> None:
    comparison = after_an_hour({1: lot(time_left="MEDIUM", quantity=9)}, {})
    assert comparison.weight.tolist() == [60 / 90]
    assert comparison.counts.plain.tolist() == [6]
    assert comparison.counts.certain.tolist() == [0]
    assert comparison.counts.gone.tolist() == [9]


def test_a_like_listing_pairs_unless_it_stands_above_who_stayed() -> None:
    gone = {1: lot(100, quantity=10), 3: lot(200)}
    for price, paired, plain in [(100, 10, 0), (150, 10, 0), (201, 0, 10)]:
        columns = after_an_hour(gone, {2: lot(price, quantity=10), 3: gone[3]}).counts
        assert (columns.paired.tolist(), columns.plain.tolist()) == ([paired], [plain])
    assert after_an_hour(gone, {2: lot(100, quantity=9), 3: gone[3]}).counts.plain.tolist() == [10]
    assert not after_an_hour(gone, {2: lot(100, quantity=10, item=8)}).paired.any()


def test_each_listing_pairs_once_and_the_oldest_of_the_likely_choose_first() -> None:
    gone = {1: lot(110), 2: lot(100), 3: lot(110)}
    assert after_an_hour(gone, {4: lot(90)}).paired.tolist() == [True, False, False]
    assert after_an_hour(gone, {4: lot(90), 5: lot(105)}).paired.tolist() == [True, True, False]


def test_what_expired_at_the_floor_may_have_sold_before_it_did() -> None:
    before = {1: lot(100, quantity=3, time_left="SHORT"), 2: lot(200), 3: lot(300, time_left="SHORT")}
    columns = after_an_hour(before, {2: lot(200)}).counts
    assert columns.plain.tolist() == [0]
    assert columns.gone.tolist() == [3]


def test_items_of_either_snapshot_have_a_row() -> None:
    columns = after_an_hour({1: lot(item=5)}, {2: lot(item=3, quantity=4), 3: lot(item=3)}).counts
    assert columns.item_id.tolist() == [3, 5]
    assert columns.new_listings.tolist() == [5, 0]
    assert columns.new_auctions.tolist() == [2, 0]
    assert columns.plain.tolist() == [0, 1]


def test_a_partial_sale_above_an_untouched_cheaper_auction_is_counted() -> None:
    before = {1: lot(100), 2: lot(110, quantity=5), 3: lot(100, quantity=5), 4: lot(90, quantity=5)}
    now = {1: lot(100), 2: lot(110, quantity=4), 3: lot(100, quantity=4), 4: lot(90, quantity=4)}
    totals = after_an_hour(before, now).totals
    assert (totals.partly_sold_auctions, totals.partly_sold_above_cheaper) == (3, 1)


def test_after_a_gap_of_weeks_everything_gone_has_expired() -> None:
    comparison = sales.compare(first_book({1: lot()}), as_columns({2: lot()}), at=NOON + timedelta(weeks=5))
    assert comparison.outcome.tolist() == [AuctionOutcome.EXPIRED]
    assert comparison.counts.plain.tolist() == [0]


def test_nothing_and_nothing_compare() -> None:
    comparison = after_an_hour({}, {})
    assert len(comparison.counts) == 0
    assert comparison.totals.gone_auctions == comparison.totals.new_auctions == 0


@pytest.mark.parametrize("at", [NOON, NOON - HOUR])
def test_snapshots_in_the_wrong_order_are_refused(at: datetime) -> None:
    with pytest.raises(ValueError, match="not later"):
        sales.compare(first_book({}), as_columns({}), at=at)
