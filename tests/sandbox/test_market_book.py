from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ironforge_cli.sandbox.market_book import IdRange, IdSequence, LotBook

# Item, price in steps, units.
_LOTS = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4), st.integers(1, 20)), max_size=30)


def _column(values: list[int]) -> NDArray[np.int64]:
    return np.array(values, dtype=np.int64)


def _book(lots: list[tuple[int, int, int]], *, first: int = 0) -> LotBook:
    return LotBook.of(
        index=_column([lot[0] for lot in lots]),
        price=_column([lot[1] for lot in lots]),
        sequence=np.arange(first, first + len(lots)),
        quantity=_column([lot[2] for lot in lots]).astype(np.int32),
        expires=np.arange(len(lots)) + 1000,
    )


def _rows(book: LotBook) -> list[tuple[int, int, int, int, int]]:
    columns = (book.index, book.price, book.sequence, book.quantity, book.expires)
    return list(zip(*(column.tolist() for column in columns), strict=True))


@given(old=_LOTS, new=_LOTS)
def test_merging_newer_lots_keeps_the_buyers_order(
    old: list[tuple[int, int, int]], new: list[tuple[int, int, int]]
) -> None:
    merged = _book(old).with_newer(_book(new, first=len(old)))
    plain = _rows(_book(old)) + _rows(_book(new, first=len(old)))
    assert _rows(merged) == sorted(plain, key=lambda lot: (lot[0], lot[1], -lot[2]))


@given(lots=_LOTS)
def test_the_floor_is_the_lowest_price_of_each_item(lots: list[tuple[int, int, int]]) -> None:
    floor = _book(lots).floor(4).tolist()
    assert floor == [min((price for item, price, _ in lots if item == index), default=0) for index in range(4)]


@given(lots=_LOTS, index=st.integers(0, 3), place=st.floats(0, 1, exclude_max=True))
def test_a_row_of_an_item_is_one_of_its_lots(lots: list[tuple[int, int, int]], index: int, place: float) -> None:
    book = _book(lots)
    (row,) = book.rows_of(_column([index]), np.array([place])).tolist()
    assert book.index[row] == index if row >= 0 else index not in book.index


@given(lots=_LOTS, wanted=st.lists(st.integers(0, 60), min_size=4, max_size=4), dearest=st.integers(0, 5))
def test_buying_equals_taking_lot_after_lot(lots: list[tuple[int, int, int]], wanted: list[int], dearest: int) -> None:
    book = _book(lots)
    bought = book.bought(_column(wanted), dearest=np.full(4, float(dearest)))
    left = list(wanted)
    expected: list[int] = []
    for index, price, _, quantity, _ in _rows(book):
        taken = min(quantity, left[index]) if price <= dearest else 0
        left[index] -= taken
        expected.append(taken)
    assert bought.tolist() == expected
    remaining = [row[3] - taken for row, taken in zip(_rows(book), expected, strict=True)]
    assert [row[3] for row in _rows(book.without(bought))] == [units for units in remaining if units]


@given(seed=st.integers(0, 2**32), counts=st.lists(st.integers(0, 25), max_size=40))
def test_free_ids_are_found_however_often_the_range_wraps(seed: int, counts: list[int]) -> None:
    ids = IdRange(first=150, lowest=100, highest=199)
    sequence = IdSequence(ids, auctions=80)
    rng = np.random.default_rng(seed)
    live = np.zeros(0, np.int64)
    for count in counts:
        new = sequence.take(count, live=live, rng=rng)
        assert len(new) == count
        live = np.concatenate([live, new])
        assert (np.diff(live) > 0).all()
        borne = ids.auction_ids(live)
        assert len(np.unique(borne)) == len(live)
        assert ((borne >= 100) & (borne <= 199)).all()
        live = live[-75:]


def test_ids_that_run_out_are_an_error_and_not_a_hang() -> None:
    sequence = IdSequence(IdRange(first=1, lowest=1, highest=10), auctions=8)
    live = sequence.take(8, live=np.zeros(0, np.int64), rng=np.random.default_rng(1))
    with pytest.raises(ValueError, match="more than 10 ids"):
        sequence.take(3, live=live, rng=np.random.default_rng(1))
