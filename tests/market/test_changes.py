from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ironforge_cli.market.auctions import Windows
from ironforge_cli.market.changes import NULL, ColumnChange, StatisticsRows, statistics_change, windows_change

Plain: TypeAlias = "dict[int, tuple[int | None, float | None]]"

amounts = st.none() | st.integers(0, 2**53)
fractions = st.none() | st.floats(0, 1e15, allow_nan=False)
plain_rows = st.dictionaries(st.integers(1, 12), st.tuples(amounts, fractions))
COLUMNS = ("whole", "fraction")


def as_rows(plain: Plain) -> StatisticsRows:
    values = [plain[item] for item in sorted(plain)]
    return StatisticsRows(
        item_id=np.array(sorted(plain), np.int32),
        columns={
            "whole": np.array([NULL if whole is None else whole for whole, _ in values], np.int64),
            "fraction": np.array([np.nan if fraction is None else fraction for _, fraction in values], np.float64),
        },
    )


def size(value: float | None) -> float:
    return 0.0 if value is None else value


@given(before=plain_rows, after=plain_rows)
def test_a_change_is_what_a_plain_comparison_finds(before: Plain, after: Plain) -> None:
    change = statistics_change(as_rows(before), as_rows(after))
    both = before.keys() & after.keys()
    assert change.added == len(after.keys() - before.keys())
    assert change.removed == len(before.keys() - after.keys())
    assert change.changed == sum(before[item] != after[item] for item in both)
    expected: dict[str, Any] = {}
    for position, name in enumerate(COLUMNS):
        changes = [
            abs(size(after[item][position]) - size(before[item][position]))
            for item in both
            if after[item][position] != before[item][position]
        ]
        if changes:
            expected[name] = (len(changes), max(changes), math.fsum(changes))
    found = {name: (column.rows, column.largest, column.total) for name, column in change.columns.items()}
    assert found.keys() == expected.keys()
    for name, (rows, largest, total) in expected.items():
        assert found[name][:2] == (rows, largest)
        assert math.isclose(found[name][2], total, rel_tol=1e-12)


@given(pieces=st.lists(st.tuples(plain_rows, plain_rows), min_size=1, max_size=4))
def test_changes_of_several_snapshots_add_up(pieces: list[tuple[Plain, Plain]]) -> None:
    changes = [statistics_change(as_rows(before), as_rows(after)) for before, after in pieces]
    whole = sum(changes[1:], changes[0])
    assert whole.rows == sum(change.rows for change in changes)
    for name in COLUMNS:
        columns = [change.columns.get(name, ColumnChange()) for change in changes]
        added = whole.columns.get(name, ColumnChange())
        assert added.rows == sum(column.rows for column in columns)
        assert added.largest == max(column.largest for column in columns)


def test_windows_are_counted_by_auction() -> None:
    def windows(*pairs: tuple[int, int]) -> Windows:
        after, before = (np.array(side, np.int16) for side in zip(*pairs, strict=True))
        return Windows(expires_after_min=after, expires_before_min=before)

    before = windows((0, 30), (30, 120), (120, 720))
    assert windows_change(before, before) == 0
    assert windows_change(before, windows((0, 30), (31, 120), (121, 719))) == 2
