"""Tables of days as the catalog has them, and taking them out: what bears no mark, or is attached, is never dropped."""

from __future__ import annotations

import threading
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from ironforge_cli.db.repositories import partitions
from ironforge_cli.errors import BusyError, DatabaseError
from ironforge_cli.market.partitions import DailyPartition, Mark, State
from ironforge_cli.regions import Region
from ironforge_cli.values import replace

if TYPE_CHECKING:
    from collections.abc import Generator

    from sqlalchemy import Connection

    from ironforge_cli.db.engine import Database
    from ironforge_cli.market.partitions import Existing

DAY = DailyPartition(Region.EU, date(2024, 1, 15))
US_DAY = DailyPartition(Region.US, DAY.day)
NEXT = DailyPartition(Region.EU, date(2024, 1, 16))
PARENT = "auction_snapshots_eu"
ROW = "INSERT INTO {} VALUES ('{}', {}, 1, 1, 1, 'LONG', 120, 720)"
LIMITS = "SELECT current_setting('lock_timeout'), current_setting('statement_timeout')"


@pytest.fixture
def connection(shared: Database) -> Generator[Connection]:
    """A connection whose work is rolled back after the test."""
    with shared.connect() as opened:
        yield opened


def execute(connection: Connection, *statements: str) -> None:
    for statement in statements:
        connection.exec_driver_sql(statement)


def comment_of(connection: Connection, partition: DailyPartition = DAY) -> str:
    query = text("SELECT obj_description(CAST(:name AS regclass), 'pg_class')")
    return connection.execute(query, {"name": partition.name}).scalar_one()


def only(connection: Connection, name: str = DAY.name) -> Existing:
    (one,) = [table for table in partitions.existing(connection, Region.EU) if table.name == name]
    return one


# What is there


def test_every_table_is_told_with_its_bounds_and_what_its_comment_says(connection: Connection) -> None:
    for partition in (DAY, NEXT, US_DAY):
        partitions.create(connection, partition)
    partitions.mark(connection, NEXT, Mark.RESTORED)
    noon = datetime(2024, 1, 10, 12, tzinfo=UTC)
    execute(
        connection,
        f"CREATE TABLE early PARTITION OF {PARENT} FOR VALUES FROM (MINVALUE) TO ('2024-01-01')",
        f"CREATE TABLE late PARTITION OF {PARENT} FOR VALUES FROM ('2024-03-01') TO ('infinity')",
        f"CREATE TABLE half PARTITION OF {PARENT} FOR VALUES FROM ('2024-01-10 12:00') TO ('2024-01-10 14:00+01')",
        f"CREATE TABLE rest PARTITION OF {PARENT} DEFAULT",
        # Tables of a day's name, and others.
        f"CREATE TABLE {PARENT}_2023_01_01 (nothing int)",
        f"CREATE TABLE {PARENT}_2023_01_01_copy (nothing int)",
        f"CREATE TABLE {PARENT}_2023_01_02 (nothing int)",
        f"COMMENT ON TABLE {PARENT}_2023_01_02 IS 'ironforge: EU commodity auctions of 2023-01-02 (UTC), leaving'",
    )
    found = partitions.existing(connection, Region.EU)
    attached, detached = State.ATTACHED, State.DETACHED
    told = {one.name: (one.state, one.mark, one.made_for, one.starts_at, one.ends_at, one.is_default) for one in found}
    assert told == {
        "early": (attached, Mark.FOREIGN, None, None, datetime(2024, 1, 1, tzinfo=UTC), False),
        "half": (attached, Mark.FOREIGN, None, noon, noon + timedelta(hours=1), False),
        "late": (attached, Mark.FOREIGN, None, datetime(2024, 3, 1, tzinfo=UTC), None, False),
        "rest": (attached, Mark.FOREIGN, None, None, None, True),
        DAY.name: (attached, Mark.MADE, DAY.day, DAY.starts_at, DAY.ends_at, False),
        NEXT.name: (attached, Mark.RESTORED, NEXT.day, NEXT.starts_at, NEXT.ends_at, False),
        f"{PARENT}_2023_01_01": (detached, Mark.FOREIGN, None, None, None, False),
        f"{PARENT}_2023_01_02": (detached, Mark.LEAVING, date(2023, 1, 2), None, None, False),
    }
    assert [one.name for one in found if one.starts_at] == ["half", DAY.name, NEXT.name, "late"]
    assert found[0].starts_at is None
    assert {one.region for one in found} == {Region.EU}
    (size,) = [one.bytes for one in found if one.name == DAY.name]
    whole = connection.execute(text("SELECT pg_total_relation_size(:name)"), {"name": DAY.name}).scalar_one()
    assert size == whole > 0


def test_bounds_that_no_time_of_python_can_say_are_none_or_as_near_as_can_be(connection: Connection) -> None:
    first, last = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)
    spans = {
        "a": ("MINVALUE", "'0044-03-15 BC'", None, first),
        "b": ("'0001-01-01'", "'0001-01-02'", None, first),
        "c": ("'0001-01-02'", "'9999-12-30'", first, last),
        "d": ("'9999-12-30'", "'9999-12-31'", last, None),
        "e": ("'10000-01-01'", "MAXVALUE", last, None),
    }
    for name, (since, until, *_) in spans.items():
        execute(connection, f"CREATE TABLE {name} PARTITION OF {PARENT} FOR VALUES FROM ({since}) TO ({until})")
    found = {one.name: (one.starts_at, one.ends_at) for one in partitions.existing(connection, Region.EU)}
    assert found == {name: (starts_at, ends_at) for name, (_, _, starts_at, ends_at) in spans.items()}


def test_days_of_which_the_default_partition_holds_rows_are_found_by_their_first_and_last_instant(
    connection: Connection,
) -> None:
    days = [DailyPartition(Region.EU, date(2024, 1, number)) for number in range(12, 18)]
    assert partitions.days_in_default(connection, Region.EU, days) == set()
    partitions.create(connection, DAY)
    execute(
        connection,
        f"CREATE TABLE rest PARTITION OF {PARENT} DEFAULT",
        ROW.format(PARENT, "2024-01-13 00:00+00", 1),
        ROW.format(PARENT, "2024-01-16 23:59:59.999999+00", 1),
        # Has a partition of its own.
        ROW.format(PARENT, "2024-01-15 12:00+00", 1),
    )
    assert partitions.days_in_default(connection, Region.EU, days) == {date(2024, 1, 13), date(2024, 1, 16)}
    assert partitions.days_in_default(connection, Region.EU, days[:1]) == set()
    assert partitions.days_in_default(connection, Region.US, days) == set()


def register(connection: Connection, region: Region, at: datetime, auctions: int) -> None:
    connection.execute(
        text(
            "INSERT INTO snapshots (region, snapshot_time, auctions, items, bytes, digest, source, estimator_version)"
            " VALUES (:region, :at, :auctions, 1, 1, 'x', 'live', 1)"
        ),
        {"region": region, "at": at, "auctions": auctions},
    )


def test_rows_are_counted_and_of_a_large_table_the_registry_is_asked(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    partitions.create(connection, DAY)
    execute(
        connection,
        f"CREATE TABLE rest PARTITION OF {PARENT} DEFAULT",
        *[ROW.format(PARENT, f"2024-01-{day} 00:00+00", number) for number in range(3) for day in (15, 17)],
    )
    instant = timedelta(microseconds=1)
    for at, auctions in (
        (DAY.starts_at - instant, 1),
        (DAY.starts_at, 10),
        (DAY.ends_at - instant, 100),
        (DAY.ends_at, 1_000),
    ):
        register(connection, Region.EU, at, auctions)
    register(connection, Region.US, DAY.starts_at, 10_000)
    table, rest = only(connection), only(connection, "rest")
    monkeypatch.setattr(partitions, "COUNTED_BYTES", table.bytes)
    assert partitions.count(connection, table) == 3
    monkeypatch.setattr(partitions, "COUNTED_BYTES", table.bytes - 1)
    assert partitions.count(connection, table) == 110
    assert partitions.count(connection, replace(table, starts_at=None)) == 111
    assert partitions.count(connection, replace(table, ends_at=None)) == 1_110
    assert partitions.count(connection, replace(table, starts_at=NEXT.ends_at, ends_at=None)) == 0
    # What the registry knows nothing of.
    assert partitions.count(connection, replace(table, state=State.DETACHED)) == 3
    assert partitions.count(connection, rest) == 3


# Making


def test_a_table_that_is_to_be_filled_is_made_and_marked_and_not_attached(connection: Connection) -> None:
    partitions.make_detached(connection, DAY)
    assert (only(connection).state, only(connection).mark) == (State.DETACHED, Mark.RESTORED)
    assert not partitions.is_covered(connection, DAY)
    partitions.create(connection, DAY, made=Mark.RESTORED)
    assert (only(connection).state, only(connection).mark) == (State.ATTACHED, Mark.RESTORED)


def test_a_table_that_was_leaving_and_is_attached_again_leaves_no_more(connection: Connection) -> None:
    partitions.make_detached(connection, DAY)
    partitions.mark(connection, DAY, Mark.LEAVING)
    assert only(connection).mark is Mark.LEAVING
    partitions.create(connection, DAY)
    assert comment_of(connection) == "ironforge: EU commodity auctions of 2024-01-15 (UTC)"


def test_a_day_is_made_beside_a_default_partition_only_where_that_is_asked_for(connection: Connection) -> None:
    execute(connection, f"CREATE TABLE rest PARTITION OF {PARENT} DEFAULT")
    partitions.create(connection, DAY)
    assert [one.name for one in partitions.existing(connection, Region.EU)] == ["rest"]
    partitions.create(connection, DAY, beside_default=True)
    assert only(connection).state is State.ATTACHED
    partitions.create(connection, DAY, beside_default=True)


# Taking out


def detach(database: Database) -> None:
    with database.connect(autocommit=True) as connection, partitions.impatient(connection):
        partitions.detach(connection, DAY)


def create(database: Database) -> None:
    with database.transaction() as connection:
        partitions.create(connection, DAY)


def drop(database: Database) -> None:
    with database.transaction() as connection:
        partitions.drop(connection, DAY)


def names(database: Database) -> list[str]:
    with database.connect() as connection:
        return [one.name for one in partitions.existing(connection, Region.EU)]


@pytest.mark.parametrize("beside_default", [False, True])
def test_a_day_is_marked_detached_and_then_dropped(any_database: Database, *, beside_default: bool) -> None:
    create(any_database)
    with any_database.transaction() as connection:
        if beside_default:
            execute(connection, f"CREATE TABLE rest PARTITION OF {PARENT} DEFAULT")
    detach(any_database)
    with any_database.connect() as connection:
        assert (only(connection).state, only(connection).mark) == (State.DETACHED, Mark.LEAVING)
    drop(any_database)
    assert names(any_database) == (["rest"] if beside_default else [])


def test_nothing_is_dropped_that_is_attached_or_bears_no_mark(connection: Connection) -> None:
    partitions.create(connection, DAY)
    with pytest.raises(DatabaseError, match="is in the way: it is being detached, or is a partition"):
        partitions.drop(connection, DAY)
    execute(connection, f"ALTER TABLE {PARENT} DETACH PARTITION {DAY.name}")
    for comment in ("", "a copy of ironforge: EU commodity auctions of 2024-01-15 (UTC)"):
        execute(connection, f"COMMENT ON TABLE {DAY.name} IS '{comment}'")
        with pytest.raises(DatabaseError, match="that ironforge did not make"):
            partitions.drop(connection, DAY)
    assert only(connection).state is State.DETACHED
    partitions.mark(connection, DAY, Mark.LEAVING)
    partitions.drop(connection, DAY)
    assert partitions.existing(connection, Region.EU) == []


def test_a_table_that_somebody_attaches_at_that_moment_is_not_dropped(database: Database) -> None:
    with database.transaction() as connection:
        partitions.make_detached(connection, DAY)
    failures: list[Exception] = []

    def dropping() -> None:
        try:
            drop(database)
        except DatabaseError as error:
            failures.append(error)

    thread = threading.Thread(target=dropping)
    with database.transaction() as attaching, database.connect() as watching:
        partitions.create(attaching, DAY)
        thread.start()
        waits = text("SELECT count(*) FROM pg_locks WHERE relation = CAST(:name AS regclass) AND NOT granted")
        while not watching.execute(waits, {"name": DAY.name}).scalar_one():
            assert thread.is_alive()
    thread.join()
    assert "is in the way" in str(failures[0])
    assert names(database) == [DAY.name]


def test_who_reads_for_long_is_waited_for_as_long_as_is_said_and_then_named(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(database)
    monkeypatch.setattr(partitions, "DETACH_PATIENCE", timedelta(milliseconds=100))
    with database.connect() as reader:
        execute(reader, f"SELECT FROM {PARENT}")
        with pytest.raises(BusyError, match=f"{DAY.name} could not be detached: others have read"):
            detach(database)
    with database.connect() as connection:
        assert (only(connection).state, only(connection).mark) == (State.DETACHING, Mark.LEAVING)
    with database.connect(autocommit=True) as connection:
        partitions.finish(connection, DAY)
        assert (only(connection).state, only(connection).mark) == (State.DETACHED, Mark.LEAVING)


def test_impatience_ends_with_its_block_however_that_ends(shared: Database) -> None:
    def limits(connection: Connection) -> tuple[Any, ...]:
        return tuple(connection.execute(text(LIMITS)).one())

    with shared.connect(autocommit=True) as connection:
        before = limits(connection)
        with partitions.impatient(connection):
            assert limits(connection) == ("2s", "10s")
        assert limits(connection) == before
        with pytest.raises(KeyError), partitions.impatient(connection):
            raise KeyError
        assert limits(connection) == before
    with shared.connect() as connection:
        partitions.limit_waiting(connection)
        assert limits(connection) == ("2s", before[1])
        connection.rollback()
        assert limits(connection) == before
