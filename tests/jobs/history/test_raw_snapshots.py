"""Raw snapshots that are held, read from where they lie: whole, of the day and the time that is asked for, or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from ironforge_cli.archive.days import ArchivedDays
from ironforge_cli.archive.store import FolderStore
from ironforge_cli.db.repositories import partitions, raw_days
from ironforge_cli.db.repositories.snapshots import Registered
from ironforge_cli.jobs.history.raw_snapshots import RawSnapshot, RawSnapshotsInTable, RawSnapshotsInTableOrArchive
from ironforge_cli.market.rows import moment_of
from ironforge_cli.regions import Region
from tests.jobs.day_tables import ago
from tests.market.made_up_rows import day_of_rows

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from sqlalchemy import Connection

    from ironforge_cli.db.engine import Database
    from ironforge_cli.jobs.history.raw_snapshots import RawSnapshots

DAYS = [ago(41), ago(40)]
ROWS = {day: day_of_rows(day, snapshots=4, auctions=3) for day in DAYS}
TIMES = [time for day in DAYS for time in np.unique(ROWS[day].snapshot_time).tolist()]


@pytest.fixture
def archive(tmp_path: Path) -> ArchivedDays:
    days = ArchivedDays(FolderStore(tmp_path))
    for day, rows in ROWS.items():
        days.write(day, [rows.by_auction()], archived_at=day.ends_at)
    return days


@pytest.fixture
def connection(database: Database) -> Generator[Connection]:
    """A connection whose work is rolled back after the test, with the table of the second day."""
    with database.connect() as opened:
        partitions.create(opened, DAYS[1])
        yield opened


def load(source: RawSnapshots, connection: Connection, number: int, *, auctions: int = 3) -> RawSnapshot | None:
    return source.load(connection, Region.EU, Registered(moment_of(TIMES[number]), auctions, "x"))


def assert_is(held: RawSnapshot | None, number: int, *, in_table: bool = False) -> None:
    rows = ROWS[DAYS[number // 4]]
    expected = rows.taken(rows.snapshot_time == TIMES[number]).book()
    assert held is not None
    assert held.is_in_table is in_table
    assert held.book.snapshot_time == expected.snapshot_time
    assert held.book.auctions.unit_price.tolist() == expected.auctions.unit_price.tolist()
    assert held.book.windows.equal(expected.windows)


def test_a_snapshot_in_the_table_is_held_where_all_of_it_is_there(connection: Connection) -> None:
    raw_days.append(connection, DAYS[1], ROWS[DAYS[1]])
    assert_is(load(RawSnapshotsInTable(), connection, 5), 5, in_table=True)
    assert load(RawSnapshotsInTable(), connection, 5, auctions=4) is None
    assert load(RawSnapshotsInTable(), connection, 5, auctions=2) is None
    assert load(RawSnapshotsInTable(), connection, 1) is None


@pytest.mark.parametrize(
    "numbers", [range(8), [0, 3, 4, 7], [2, 1, 6, 5], [5, 0, 6, 7], [3, 3, 2, 2, 3], [7, 6, 5, 4, 3, 2, 1, 0]]
)
def test_archived_snapshots_are_read_in_whatever_order_they_are_asked_for(
    connection: Connection, archive: ArchivedDays, numbers: list[int]
) -> None:
    source = RawSnapshotsInTableOrArchive(archive)
    for number in numbers:
        assert_is(load(source, connection, number), number)


def test_what_the_archive_holds_otherwise_or_not_is_not_held(connection: Connection, archive: ArchivedDays) -> None:
    source = RawSnapshotsInTableOrArchive(archive)
    for auctions in (2, 4):
        assert load(source, connection, 1, auctions=auctions) is None
    between = Registered(moment_of(TIMES[1] + 1), 3, "x")
    assert source.load(connection, Region.EU, between) is None
    assert source.load(connection, Region.US, Registered(moment_of(TIMES[1]), 3, "x")) is None
    never = Registered(ago(20).starts_at, 3, "x")
    assert source.load(connection, Region.EU, never) is None
    # What is asked for in vain hinders nothing that is asked for next.
    assert_is(load(source, connection, 2), 2)


def test_of_what_table_and_archive_hold_the_table_counts(connection: Connection, archive: ArchivedDays) -> None:
    source = RawSnapshotsInTableOrArchive(archive)
    rows = ROWS[DAYS[1]]
    raw_days.append(connection, DAYS[1], rows.taken(rows.snapshot_time == TIMES[5]))
    for number in range(8):
        assert_is(load(source, connection, number), number, in_table=number == 5)
