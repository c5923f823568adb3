from __future__ import annotations

from datetime import date
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ironforge_cli.db.repositories import partitions, raw_days, snapshots
from ironforge_cli.db.transactions import one_state
from ironforge_cli.market.partitions import DailyPartition
from ironforge_cli.market.rows import RowTally, joined, moment_of
from ironforge_cli.regions import Region
from ironforge_cli.values import replace
from tests.market.made_up_rows import day_of_rows

if TYPE_CHECKING:
    from ironforge_cli.db.engine import Database

DAY = DailyPartition(Region.US, date(2024, 1, 15))
ROWS = day_of_rows(DAY, snapshots=5, auctions=400)


@pytest.fixture
def stored(any_database: Database) -> Database:
    with any_database.transaction() as connection:
        partitions.create(connection, DAY)
        raw_days.append(connection, DAY, ROWS)
    return any_database


def test_rows_come_back_as_they_were_put(stored: Database) -> None:
    times = np.unique(ROWS.snapshot_time).tolist()
    with stored.connect() as connection:
        assert raw_days.snapshot_times(connection, DAY) == times
        assert raw_days.tally(connection, DAY) == RowTally.of([ROWS])
        book = snapshots.load(connection, Region.US, moment_of(times[1]))
        assert book is not None
        expected = raw_days.snapshot(connection, DAY, times[1]).book()
        assert book.auctions.unit_price.tolist() == expected.auctions.unit_price.tolist()
        assert book.windows.equal(expected.windows)


@pytest.mark.parametrize("at_once", [1, 150, 10_000])
def test_pieces_are_in_the_order_of_auctions_and_share_none(
    stored: Database, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(raw_days, "ROWS_AT_ONCE", at_once)
    with stored.connect() as connection:
        one_state(connection)
        pieces = list(raw_days.pieces_by_auction(connection, DAY))
    if at_once == 150:
        assert len(pieces) == 14
        assert max(len(piece) for piece in pieces) < 300
    assert joined(pieces).auction_id.tolist() == ROWS.by_auction().auction_id.tolist()
    assert RowTally.of(pieces) == RowTally.of([ROWS])
    ends = [(int(piece.auction_id[0]), int(piece.auction_id[-1])) for piece in pieces]
    assert all(last < first for (_, last), (first, _) in pairwise(ends))


def test_two_pieces_are_two(stored: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raw_days, "ROWS_AT_ONCE", len(ROWS) - 1)
    with stored.connect() as connection:
        assert len(list(raw_days.pieces_by_auction(connection, DAY))) == 2


@pytest.mark.parametrize("at_once", [1, 2, 10_000])
@pytest.mark.parametrize(
    "ids",
    [
        [-(2**63), 7, 2**63 - 1],
        # Edges between the pieces are at the ends themselves, and closer to each other than floats are there.
        [-(2**63), -(2**63) + 1, -(2**63) + 2],
        [2**63 - 3, 2**63 - 2, 2**63 - 1],
    ],
)
def test_the_lowest_and_the_highest_id_are_among_the_pieces(
    any_database: Database, monkeypatch: pytest.MonkeyPatch, at_once: int, ids: list[int]
) -> None:
    monkeypatch.setattr(raw_days, "ROWS_AT_ONCE", at_once)
    few = ROWS.taken(np.arange(3))
    extreme = replace(few, auction_id=np.array(ids))
    with any_database.transaction() as connection:
        partitions.create(connection, DAY)
        raw_days.append(connection, DAY, extreme)
        pieces = list(raw_days.pieces_by_auction(connection, DAY))
    assert joined(pieces).auction_id.tolist() == extreme.auction_id.tolist()


def test_pieces_are_of_one_moment_though_others_store_meanwhile(
    stored: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(raw_days, "ROWS_AT_ONCE", 500)
    with stored.connect() as connection:
        one_state(connection)
        reading = raw_days.pieces_by_auction(connection, DAY)
        pieces = [next(reading)]
        with stored.transaction() as other:
            snapshots.remove(other, Region.US, moment_of(int(ROWS.snapshot_time[0])))
        pieces += reading
    assert len(pieces) > 1
    assert RowTally.of(pieces) == RowTally.of([ROWS])


def test_only_the_snapshot_of_that_time_is_read(stored: Database) -> None:
    time = int(ROWS.snapshot_time[-1])
    expected = ROWS.taken(ROWS.snapshot_time == time)
    with stored.connect() as connection:
        assert RowTally.of([raw_days.snapshot(connection, DAY, time)]) == RowTally.of([expected])
        assert len(raw_days.snapshot(connection, DAY, time + 1)) == 0


def test_an_empty_table_has_nothing(any_database: Database) -> None:
    with any_database.transaction() as connection:
        partitions.create(connection, DAY)
        assert raw_days.snapshot_times(connection, DAY) == []
        assert list(raw_days.pieces_by_auction(connection, DAY)) == []
        assert raw_days.tally(connection, DAY) == RowTally()
