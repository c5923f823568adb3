from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ironforge_cli.market.auctions import Book, Windows, item_codes
from ironforge_cli.market.sales import first_windows
from tests.market.made_up import as_columns
from tests.market.reference import Auction

NOON = datetime(2024, 1, 15, 12, tzinfo=UTC)
ids = st.lists(st.integers(1, 30) | st.integers(2**22 - 2, 2**22 + 2) | st.just(2**31 - 1), max_size=20)


@given(before=ids, after=ids)
def test_items_are_numbered_by_their_id_however_large_it_is(before: list[int], after: list[int]) -> None:
    item_id, (first, second) = item_codes(np.array(before, np.int32), np.array(after, np.int32))
    assert item_id.tolist() == sorted({*before, *after})
    assert item_id[first].tolist() == before
    assert item_id[second].tolist() == after


def test_an_id_that_comes_twice_is_refused() -> None:
    auctions = as_columns({5: Auction(1, 100, 1, "LONG"), 9: Auction(1, 100, 1, "LONG")})
    with pytest.raises(ValueError, match="auction 5 comes more than once"):
        auctions.from_columns(
            auction_id=np.array([5, 5]),
            item_id=auctions.item_id,
            unit_price=auctions.unit_price,
            quantity=auctions.quantity,
            time_left=auctions.time_left,
        )


def test_a_book_needs_a_window_for_each_auction() -> None:
    auctions = as_columns({5: Auction(1, 100, 1, "LONG")})
    with pytest.raises(ValueError, match="0 windows for 1 auctions"):
        Book(auctions=auctions, windows=first_windows(as_columns({})), snapshot_time=NOON)


def test_a_book_needs_a_time_zone() -> None:
    auctions = as_columns({})
    with pytest.raises(ValueError, match="time zone"):
        Book(auctions=auctions, windows=first_windows(auctions), snapshot_time=NOON.replace(tzinfo=None))


def test_a_window_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(ValueError, match="row 1 "):
        Windows(expires_after_min=np.array([0, 30], np.int16), expires_before_min=np.array([30, 30], np.int16))


def test_auctions_in_any_order_are_sorted_whole() -> None:
    auctions = as_columns(
        {9: Auction(1, 300, 2, "SHORT"), 5: Auction(2, 100, 1, "LONG"), 7: Auction(1, 200, 3, "MEDIUM")}
    )
    assert len(auctions) == 3
    assert auctions.items == 2
    assert auctions.auction_id.tolist() == [5, 7, 9]
    assert auctions.item_id.tolist() == [2, 1, 1]
    assert auctions.unit_price.tolist() == [100, 200, 300]
    assert auctions.quantity.tolist() == [1, 3, 2]
    assert auctions.time_left.tolist() == [2, 1, 0]


@pytest.mark.parametrize(
    ("after", "before", "equal"),
    [([0, 30], [30, 120], True), ([1, 30], [30, 120], False), ([0, 30], [30, 119], False), ([0], [30], False)],
)
def test_windows_are_equal_where_both_sides_are(after: list[int], before: list[int], *, equal: bool) -> None:
    windows = Windows(np.array([0, 30], np.int16), np.array([30, 120], np.int16))
    other = Windows(np.array(after, np.int16), np.array(before, np.int16))
    assert windows.equal(other) is equal
    assert len(windows) == 2
