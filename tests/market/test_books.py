"""Books asked for many items at once, against units that are written out one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ironforge_cli.market.books import BookLevels, Books, Cheapest, Purchase, price_levels

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# The last of them is in no book.
ITEMS = (3, 5, 8, 9)

levels = st.dictionaries(st.tuples(st.sampled_from(ITEMS[:-1]), st.integers(1, 9)), st.integers(1, 3), max_size=6).map(
    lambda found: sorted((item, price, units) for (item, price), units in found.items())
)
vendors = st.dictionaries(st.sampled_from(ITEMS), st.integers(1, 10), max_size=2)


def books_of(levels: Sequence[tuple[int, int, int]], vendors: Mapping[int, int]) -> Books:
    columns = np.array(levels, np.int64).reshape(-1, 3)
    return Books(columns[:, 0].astype(np.int32), columns[:, 1], columns[:, 2], vendors=vendors)


def bought(levels: Sequence[tuple[int, int, int]], item: int, wanted: int, vendor: int | None) -> Purchase:
    """The cheapest units, one by one; of the vendor where the book has none that is cheaper."""
    book = [price for of, price, units in levels if of == item for _ in range(units)]
    taken = [price for price in book if vendor is None or price < vendor][:wanted]
    rest = wanted - len(taken) if vendor is not None else 0
    paid = [*taken, *([vendor] * rest if vendor is not None else [])]
    return Purchase(item, wanted, len(paid), sum(paid), max(paid, default=None), rest)


@settings(max_examples=60)
@given(levels, vendors, st.integers(0, 12))
def test_many_items_at_once_cost_what_each_does_by_itself(
    levels: list[tuple[int, int, int]], vendors: dict[int, int], wanted: int
) -> None:
    books, asked = books_of(levels, vendors), np.array(ITEMS[::-1], np.int64)
    expected = [bought(levels, item, wanted, vendors.get(item)) for item in ITEMS[::-1]]
    assert [books.buy(item, wanted) for item in ITEMS[::-1]] == expected
    costs = books.costs(asked, np.full(len(asked), wanted))
    assert list(zip(costs.units.tolist(), costs.cost.tolist(), strict=True)) == [
        (one.units, one.cost) for one in expected
    ]
    assert costs.is_exact.all()
    floors = [bought(levels, item, 1, vendors.get(item)).dearest for item in ITEMS[::-1]]
    assert books.floors(asked).tolist() == [np.inf if floor is None else floor for floor in floors]


@pytest.mark.parametrize(
    ("price", "units", "vendor", "is_exact"),
    [
        (2**52, 1, None, True),
        (2**52, 2, None, False),
        (2**52 - 1, 2, None, True),
        (1, 1, 2**52, True),
        (1, 1, 2**53, False),
    ],
)
def test_a_cost_that_a_float_may_not_hold_is_not_called_exact(
    price: int, units: int, vendor: int | None, *, is_exact: bool
) -> None:
    books = books_of([(3, price, units)], {} if vendor is None else {3: vendor})
    found = books.costs(np.array([3]), np.array([units if vendor is None else units + 1]))
    assert found.is_exact.tolist() == [is_exact]


@pytest.mark.parametrize(
    ("wanted", "below", "expected"),
    [
        (0, None, Cheapest(0, 0, None, 5)),
        (9, None, Cheapest(9, 45, 5, 5)),
        (10, None, Cheapest(10, 50, 5, 6)),
        (30, None, Cheapest(30, 170, 6, None)),
        (31, None, Cheapest(30, 170, 6, None)),
        (31, 6, Cheapest(10, 50, 5, 6)),
        (31, 7, Cheapest(30, 170, 6, None)),
        (1, 5, Cheapest(0, 0, None, 5)),
    ],
)
def test_the_cheapest_units_are_those_below_a_price(wanted: int, below: int | None, expected: Cheapest) -> None:
    # A level without units is none.
    assert BookLevels.of([4, 5, 6], [0, 10, 20]).cheapest(wanted, below=below) == expected
    assert BookLevels.of([], []).cheapest(wanted) == Cheapest(0, 0, None, None)


def test_a_purchase_is_whole_when_as_much_is_there_as_is_wanted() -> None:
    assert [Purchase(3, 2, units, 0, None, 0).is_whole for units in (1, 2, 3)] == [False, True, True]


def test_levels_of_no_auctions_are_none() -> None:
    nothing = price_levels(np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros(0, np.int64))
    assert [len(column) for column in nothing] == [0, 0, 0, 0]
