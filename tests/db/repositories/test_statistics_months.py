"""Months of statistics: made where they are missing, copied by item, put in place and dropped where nobody wrote."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from ironforge_cli.db import generations
from ironforge_cli.db.repositories import months_to_read, statistics_months
from ironforge_cli.errors import BusyError, DatabaseError
from ironforge_cli.market.statistics_months import StatisticsMonth
from ironforge_cli.regions import Region

if TYPE_CHECKING:
    from collections.abc import Generator

    from sqlalchemy import Connection

    from ironforge_cli.db.engine import Database

PARENT = "eu_commodity_price_stats"
MONTH = StatisticsMonth(Region.EU, date(2024, 2, 1))
NEXT = timedelta(microseconds=1)
FIRST, LAST = MONTH.starts_at, MONTH.ends_at - NEXT


@pytest.fixture
def connection(shared: Database) -> Generator[Connection]:
    """A connection whose work is rolled back after the test."""
    with shared.connect() as opened:
        yield opened


@pytest.fixture
def copied(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> Connection:
    """A month of four rows that lie by time, and its copy by item."""
    seen: list[object] = []
    monkeypatch.setattr(statistics_months, "one_state", seen.append)
    for at in (FIRST, LAST):
        statistics_months.make_room(connection, Region.EU, at)
        write(connection, at, 8, 7)
    assert statistics_months.copy_by_item(connection, MONTH, out_of=MONTH.name) == 4
    assert seen == [connection]
    return connection


def write(connection: Connection, at: datetime, *items: int) -> None:
    for item in items:
        connection.execute(
            text(f"INSERT INTO {PARENT} (item_id, timestamp, total_quantity, num_auctions) VALUES (:item, :at, 1, 1)"),
            {"item": item, "at": at},
        )


def by_place(connection: Connection, table: str) -> list[int]:
    return list(connection.execute(text(f"SELECT item_id FROM {table} ORDER BY ctid")).scalars())


def there(connection: Connection, table: str) -> bool:
    return connection.execute(text("SELECT to_regclass(:table) IS NOT NULL"), {"table": table}).scalar_one()


def test_a_month_is_made_once_for_the_hours_that_come_and_each_is_counted(connection: Connection) -> None:
    assert statistics_months.change_of(connection, MONTH) == 0
    for at in (FIRST, LAST):
        statistics_months.make_room(connection, Region.EU, at)
        write(connection, at, 7)
    statistics_months.make_room(connection, Region.US, FIRST)
    statistics_months.make_room(connection, Region.EU, MONTH.ends_at)
    assert statistics_months.changes(connection, Region.EU) == {MONTH: 2, MONTH.following: 1}
    assert (statistics_months.change_of(connection, MONTH), by_place(connection, MONTH.name)) == (2, [7, 7])
    found = statistics_months.held(connection, Region.EU)
    assert [(one.name, one.month, one.starts_at, one.ends_at) for one in found] == [
        (month.name, month, month.starts_at, month.ends_at) for month in (MONTH, MONTH.following)
    ]
    assert [(one.is_laid, one.is_from_before) for one in found] == [(False, False)] * 2
    assert all(one.bytes > 0 for one in found)
    # A count that is begun leaves one that is there alone.
    statistics_months.begin_copying(connection, MONTH)
    statistics_months.begin_copying(connection, MONTH.previous)
    assert statistics_months.changes(connection, Region.EU) == {MONTH: 2, MONTH.following: 1, MONTH.previous: 0}


@pytest.mark.parametrize(
    ("bounds", "refused"),
    [
        ("FOR VALUES FROM ('2024-01-15') TO ('2024-03-01')", None),
        ("FOR VALUES FROM ('2020-01-01') TO ('2030-01-01')", None),
        ("DEFAULT", None),
        ("FOR VALUES FROM ('2024-02-15') TO ('2024-03-01')", "by_hand covers a part of 2024-02"),
        ("FOR VALUES FROM ('2024-01-01') TO ('2024-02-01 00:00:01')", "by_hand covers a part of 2024-02"),
    ],
)
def test_what_somebody_else_attached_is_used_where_it_covers_the_month_and_else_told(
    connection: Connection, bounds: str, refused: str | None
) -> None:
    connection.exec_driver_sql(f"CREATE TABLE by_hand PARTITION OF {PARENT} {bounds}")
    if refused is None:
        statistics_months.create(connection, MONTH)
        assert not there(connection, MONTH.name)
        (found,) = statistics_months.held(connection, Region.EU)
        assert (found.name, found.month, found.is_laid) == ("by_hand", None, False)
        assert [one.is_read_by_item for one in months_to_read.to_read(connection, Region.EU)] == [False]
        return
    # One hour that has a place needs no month.
    held_at = datetime(2024, 2, 20, tzinfo=UTC) if "02-15" in bounds else FIRST
    statistics_months.make_room(connection, Region.EU, held_at)
    with pytest.raises(DatabaseError, match=refused):
        statistics_months.create(connection, MONTH)


def test_a_table_of_its_name_that_is_no_partition_is_in_the_way(connection: Connection) -> None:
    connection.execute(text(f"CREATE TABLE {MONTH.name} ()"))
    with pytest.raises(DatabaseError, match=f"{MONTH.name} is in the way"):
        statistics_months.create(connection, MONTH)


@pytest.mark.parametrize(
    ("comment", "is_month", "laid_at"),
    [
        ("ironforge: EU statistics of 2024-02 (UTC), by item at change 12", True, 12),
        ("ironforge: EU statistics of 2024-02 (UTC)", True, None),
        ("ironforge: EU statistics of 2024-03 (UTC), by item at change 12", False, None),
        ("a copy of ironforge: EU statistics of 2024-02 (UTC)", False, None),
        ("ironforge: EU statistics of 2024-02 (UTC), by item at change 12 and more", False, None),
    ],
)
def test_a_partition_is_believed_where_its_comment_its_name_and_its_bounds_agree(
    connection: Connection, comment: str, laid_at: int | None, *, is_month: bool
) -> None:
    statistics_months.create(connection, MONTH)
    connection.execute(text(f"COMMENT ON TABLE {MONTH.name} IS '{comment}'"))
    (found,) = statistics_months.held(connection, Region.EU)
    assert (found.month == MONTH, found.laid_at_change) == (is_month, laid_at)
    (read,) = months_to_read.to_read(connection, Region.EU)
    assert (read.name, read.starts_at, read.ends_at) == (MONTH.name, MONTH.starts_at, MONTH.ends_at)
    assert read.is_read_by_item is (laid_at is not None)
    # A role that was granted the whole table alone reads through it.
    connection.execute(text("CREATE ROLE reads_the_whole"))
    connection.execute(text("SET LOCAL ROLE reads_the_whole"))
    (read,) = months_to_read.to_read(connection, Region.EU)
    assert not read.is_read_by_item


def test_what_was_stored_before_there_were_months_is_known_by_its_mark(connection: Connection) -> None:
    connection.exec_driver_sql(
        f"CREATE TABLE all_before PARTITION OF {PARENT} FOR VALUES FROM (MINVALUE) TO ('2024-02-01')"
    )
    connection.execute(
        text("COMMENT ON TABLE all_before IS 'ironforge: EU statistics from before there were months (UTC)'")
    )
    statistics_months.create(connection, MONTH)
    first, second = statistics_months.held(connection, Region.EU)
    assert (first.name, first.starts_at, first.ends_at, first.is_from_before) == ("all_before", None, FIRST, True)
    assert (second.name, second.is_from_before) == (MONTH.name, False)
    # Months without a row between those that have one are none.
    write(connection, datetime(2023, 1, 31, 23, 59, tzinfo=UTC), 7)
    write(connection, datetime(2023, 2, 1, tzinfo=UTC), 7)
    write(connection, datetime(2023, 12, 9, tzinfo=UTC), 7)
    found = statistics_months.months_with_rows(connection, Region.EU, "all_before")
    assert [month.first for month in found] == [date(2023, 1, 1), date(2023, 2, 1), date(2023, 12, 1)]
    assert statistics_months.months_with_rows(connection, Region.EU, MONTH.name) == []


def test_a_copy_lies_by_item_and_is_one_until_something_is_written(copied: Connection) -> None:
    copy = f"{MONTH.name}_new"
    assert by_place(copied, MONTH.name) == [8, 7, 8, 7]
    assert by_place(copied, copy) == [7, 7, 8, 8]
    assert statistics_months.is_copied(copied, MONTH)
    assert not statistics_months.is_copied(copied, MONTH.following)
    index = "SELECT indexdef FROM pg_indexes WHERE tablename = :copy AND indexdef LIKE '%brin%'"
    assert "pages_per_range='16'" in copied.execute(text(index), {"copy": copy}).scalar_one()
    statistics_months.make_room(copied, Region.EU, FIRST)
    assert not statistics_months.is_copied(copied, MONTH)
    # Made again over what was left, of the hours of the month alone.
    statistics_months.make_room(copied, Region.EU, MONTH.ends_at)
    write(copied, MONTH.ends_at, 9)
    write(copied, FIRST, 9)
    assert statistics_months.copy_by_item(copied, MONTH, out_of=PARENT) == 5
    assert by_place(copied, copy) == [7, 7, 8, 8, 9]
    statistics_months.forget_copies(copied, [MONTH, MONTH.following])
    assert not there(copied, copy)


def test_a_copy_takes_the_place_of_its_month_and_is_found_by_item(copied: Connection) -> None:
    statistics_months.put_in_place(copied, [MONTH], instead_of=MONTH.name)
    assert by_place(copied, MONTH.name) == [7, 7, 8, 8]
    (found,) = statistics_months.held(copied, Region.EU)
    assert (found.month, found.laid_at_change) == (MONTH, 2)
    assert copied.execute(text(f"SELECT count(*) FROM {PARENT}")).scalar_one() == 4
    checks = "SELECT count(*) FROM pg_constraint WHERE conname = :name"
    assert copied.execute(text(checks), {"name": f"{MONTH.name}_new_bounds"}).scalar_one() == 0
    # Whoever stores an hour waits behind it.
    assert copied.execute(text("SHOW lock_timeout")).scalar_one() == "1s"


def test_a_copy_of_what_was_written_to_meanwhile_takes_no_place(copied: Connection) -> None:
    statistics_months.make_room(copied, Region.EU, FIRST)
    with pytest.raises(BusyError, match=f"{MONTH.name} was written to while it was copied"):
        statistics_months.put_in_place(copied, [MONTH], instead_of=MONTH.name)
    assert by_place(copied, MONTH.name) == [8, 7, 8, 7]


def test_a_partition_that_holds_more_than_was_copied_stays(copied: Connection) -> None:
    copied.exec_driver_sql(f"ALTER TABLE {PARENT} DETACH PARTITION {MONTH.name}")
    copied.exec_driver_sql(f"ALTER TABLE {MONTH.name} RENAME TO all_before")
    copied.exec_driver_sql(
        f"ALTER TABLE {PARENT} ATTACH PARTITION all_before FOR VALUES FROM (MINVALUE) TO ('2024-03-01')"
    )
    write(copied, FIRST - NEXT, 7)
    with pytest.raises(BusyError, match="all_before was written to while it was copied"):
        statistics_months.put_in_place(copied, [MONTH], instead_of="all_before")
    copied.execute(text("DELETE FROM all_before WHERE timestamp < :first"), {"first": FIRST})
    statistics_months.put_in_place(copied, [MONTH], instead_of="all_before")
    assert [one.month for one in statistics_months.held(copied, Region.EU)] == [MONTH]
    assert not there(copied, "all_before")


def test_a_copy_that_is_not_the_same_is_told(copied: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    row = statistics_months._row  # pyright: ignore[reportPrivateUsage] - a disk that is at fault can't be made
    answers = iter([(4, 1), (4, 2)])
    monkeypatch.setattr(statistics_months, "_row", lambda *_: next(answers))  # pyright: ignore[reportUnknownArgumentType,reportUnknownLambdaType] - any two
    with pytest.raises(DatabaseError, match=f"{MONTH.name}_new holds 4 rows that are not the 4 of {MONTH.name}"):
        statistics_months.copy_by_item(copied, MONTH, out_of=MONTH.name)
    monkeypatch.setattr(statistics_months, "_row", row)


def test_a_month_is_dropped_with_its_copy_and_its_count_unless_it_was_written_to(copied: Connection) -> None:
    with pytest.raises(BusyError, match="was written to while it was to be dropped"):
        statistics_months.drop(copied, MONTH, at_change=1)
    assert there(copied, MONTH.name)
    statistics_months.make_room(copied, Region.EU, MONTH.ends_at)
    copied.info.pop(generations._KEY, None)  # pyright: ignore[reportPrivateUsage] - what is to be told at the end
    statistics_months.drop(copied, MONTH, at_change=2)
    assert [one.month for one in statistics_months.held(copied, Region.EU)] == [MONTH.following]
    assert not there(copied, MONTH.name)
    assert not there(copied, f"{MONTH.name}_new")
    assert statistics_months.changes(copied, Region.EU) == {MONTH.following: 1}
    assert copied.info[generations._KEY] == {"eu"}  # pyright: ignore[reportPrivateUsage] - as above
