"""Rows that are held as columns are rows like others."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from ironforge_cli.answers.answer import MarketAnswer
from ironforge_cli.answers.columns import Columns


@dataclass(frozen=True, slots=True)
class Place:
    item_id: int
    price: int | None


ROWS = [Place(1, 10), Place(2, None), Place(3, 30)]
COLUMNS = Columns(Place, [[1, 2, 3], [10, None, 30]])


def test_they_are_as_many_and_the_same_as_if_each_had_been_made() -> None:
    assert len(COLUMNS) == 3
    assert list(COLUMNS) == ROWS
    assert [COLUMNS[0], COLUMNS[-1]] == [ROWS[0], ROWS[2]]
    assert tuple(ROWS) == COLUMNS
    assert ROWS[:2] != COLUMNS
    assert COLUMNS != "rows"
    with pytest.raises(IndexError):
        COLUMNS[3]


@pytest.mark.parametrize("part", [slice(1, None), slice(0, 0), slice(-2, -1), slice(5, 9)])
def test_some_of_them_are_columns_again(part: slice) -> None:
    assert isinstance(COLUMNS[part], Columns)
    assert COLUMNS[part] == ROWS[part]


def test_parts_are_joined_in_their_order_and_stay_what_they_are() -> None:
    joined = Columns[Place].joined(Place, [COLUMNS[2:], COLUMNS])
    assert joined == [ROWS[2], *ROWS]
    assert COLUMNS == ROWS
    assert Columns[Place].joined(Place, []) == []


def test_programs_get_the_same_records_of_both() -> None:
    assert MarketAnswer(rows=COLUMNS, bases=()).records() == MarketAnswer(rows=tuple(ROWS), bases=()).records()
