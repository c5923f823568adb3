from __future__ import annotations

from dataclasses import fields
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ironforge_cli.market.partitions import DailyPartition
from ironforge_cli.market.rows import (
    Count,
    RawRows,
    RowTally,
    hashes_of,
    joined,
    microseconds_of,
    moment_of,
    row_hashes,
    total_of,
)
from ironforge_cli.regions import Region
from ironforge_cli.values import replace
from tests.market.made_up_rows import day_of_rows

DAY = DailyPartition(Region.EU, date(2024, 1, 15))
ROWS = day_of_rows(DAY, snapshots=3, auctions=20)
COLUMNS = [one.name for one in fields(RawRows)]


@given(order=st.permutations(range(len(ROWS))), cut=st.integers(0, len(ROWS)))
def test_the_tally_depends_on_no_order_and_on_no_cut(order: list[int], cut: int) -> None:
    shuffled = ROWS.taken(np.array(order))
    pieces = [piece for piece in (shuffled.taken(slice(0, cut)), shuffled.taken(slice(cut, None))) if len(piece)]
    tally = RowTally.of(pieces)
    assert tally.snapshots == RowTally.of([ROWS]).snapshots
    assert tally.total == RowTally.of([ROWS]).total
    assert tally.total.rows == len(ROWS)


@pytest.mark.parametrize("column", COLUMNS)
@given(row=st.integers(0, len(ROWS) - 1), bit=st.integers(0, 7))
def test_every_bit_of_every_column_changes_the_checksum(column: str, row: int, bit: int) -> None:
    changed = getattr(ROWS, column).copy()
    changed[row] ^= 1 << bit
    assert RowTally.of([replace(ROWS, **{column: changed})]).total != RowTally.of([ROWS]).total


def test_rows_that_swapped_a_value_have_another_checksum() -> None:
    prices = ROWS.unit_price.copy()
    prices[[0, 1]] = prices[[1, 0]]
    assert RowTally.of([replace(ROWS, unit_price=prices)]).total != RowTally.of([ROWS]).total


def test_a_row_that_comes_twice_and_one_that_is_missing_are_told() -> None:
    whole = RowTally.of([ROWS]).total
    assert RowTally.of([ROWS, ROWS.taken(slice(0, 1))]).total != whole
    assert RowTally.of([ROWS.taken(slice(1, None))]).total != whole
    assert RowTally().total == Count(0, 0)


def test_one_column_alone_is_hashed_too() -> None:
    assert hashes_of([np.array([5, 7])]).tolist() == [splitmix((5,)), splitmix((7,))]


def test_checksums_are_added_as_far_as_64_bits_reach() -> None:
    whole = total_of({0: Count(2, 2**64 - 1), 1: Count(3, 6)})
    assert whole == Count(5, 5)


def splitmix(words: tuple[int, ...]) -> int:
    """The hash of a row, plainly."""
    hashed = 0
    for word in words:
        hashed = ((hashed ^ word) + 0x9E3779B97F4A7C15) % 2**64
        hashed = ((hashed ^ hashed >> 30) * 0xBF58476D1CE4E5B9) % 2**64
        hashed = ((hashed ^ hashed >> 27) * 0x94D049BB133111EB) % 2**64
        hashed ^= hashed >> 31
    return hashed


def test_the_hash_of_a_row_stays_as_it_was_published() -> None:
    # Archives hold sums of these: they must read the same for ever.
    row = RawRows(
        snapshot_time=np.array([1_705_290_482_000_000], np.int64),
        auction_id=np.array([2_000_000_001], np.int64),
        item_id=np.array([190_327], np.int32),
        unit_price=np.array([123_456], np.int64),
        quantity=np.array([200], np.int32),
        time_left=np.array([3], np.uint8),
        expires_after_min=np.array([-7], np.int16),
        expires_before_min=np.array([2_880], np.int16),
    )
    assert [f"{number:016x}" for number in row_hashes(row).tolist()] == ["f724039093082560"]
    words = (1_705_290_482_000_000, 2_000_000_001, 123_456, 190_327 << 32 | 200, 3 << 32 | 0xFFF9 << 16 | 2_880)
    assert splitmix(words) == 0xF724039093082560


def test_rows_by_auction_have_each_auctions_hours_side_by_side() -> None:
    rows = ROWS.by_auction()
    assert sorted(zip(rows.auction_id, rows.snapshot_time, strict=True)) == list(
        zip(rows.auction_id, rows.snapshot_time, strict=True)
    )
    assert RowTally.of([rows]).total == RowTally.of([ROWS]).total


def test_rows_of_one_snapshot_are_a_book() -> None:
    time = int(ROWS.snapshot_time[0])
    book = ROWS.by_auction().taken(ROWS.by_auction().snapshot_time == time).book()
    assert book.snapshot_time == moment_of(time)
    assert (np.diff(book.auctions.auction_id) > 0).all()
    assert len(book.auctions) == 20
    with pytest.raises(ValueError, match="rows of 3 snapshots"):
        ROWS.book()


def test_pieces_are_joined_one_after_the_other() -> None:
    assert joined([ROWS]) is ROWS
    again = joined([ROWS.taken(slice(0, 7)), ROWS.taken(slice(7, 30)), ROWS.taken(slice(30, None))])
    for column in COLUMNS:
        assert getattr(again, column).tolist() == getattr(ROWS, column).tolist()


def test_a_book_has_each_auctions_own_values_whatever_the_order() -> None:
    here = ROWS.taken(ROWS.snapshot_time == ROWS.snapshot_time[0])
    book = here.taken(np.argsort(here.unit_price)).book()
    order = np.argsort(here.auction_id)
    for column in ("auction_id", "item_id", "unit_price", "quantity", "time_left"):
        assert getattr(book.auctions, column).tolist() == getattr(here, column)[order].tolist()
    for column in ("expires_after_min", "expires_before_min"):
        assert getattr(book.windows, column).tolist() == getattr(here, column)[order].tolist()


def test_times_are_exact_to_the_microsecond() -> None:
    moment = datetime(2024, 1, 15, 3, 48, 2, 1, tzinfo=UTC)
    assert microseconds_of(moment) == 1_705_290_482_000_001
    assert moment_of(1_705_290_482_000_001) == moment
    assert moment_of(microseconds_of(moment)).utcoffset() == timedelta()
