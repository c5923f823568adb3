from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from ironforge_cli.db.engine import Database
from ironforge_cli.db.repositories import partitions
from ironforge_cli.errors import DatabaseError
from ironforge_cli.market.partitions import DailyPartition
from ironforge_cli.regions import Region

if TYPE_CHECKING:
    from sqlalchemy import Connection

DAY = DailyPartition(Region.EU, date(2024, 1, 15))
ROW = "INSERT INTO auction_snapshots_eu VALUES ('{}', {}, 1, 1, 1, 'LONG', 120, 720)"


def execute(database: Database, *statements: str) -> None:
    with database.transaction() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def create(database: Database, partition: DailyPartition = DAY) -> None:
    with database.transaction() as connection:
        partitions.create(connection, partition)


def is_covered(database: Database, partition: DailyPartition = DAY) -> bool:
    with database.connect() as connection:
        return partitions.is_covered(connection, partition)


def found(database: Database, query: str) -> list[tuple[Any, ...]]:
    with database.connect() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(query)]


def attached(database: Database) -> dict[str, str]:
    """The bounds of every partition."""
    query = "SELECT relname, pg_get_expr(relpartbound, oid) FROM pg_class WHERE relispartition AND relkind = 'r'"
    return dict(found(database, query))


def test_a_day_is_covered_once_its_partition_is_made(any_database: Database) -> None:
    assert not is_covered(any_database)
    create(any_database)
    assert is_covered(any_database)
    assert attached(any_database) == {
        "auction_snapshots_eu_2024_01_15": ("FOR VALUES FROM ('2024-01-15 00:00:00+00') TO ('2024-01-16 00:00:00+00')")
    }


def test_a_partition_covers_no_other_day_and_no_other_region(any_database: Database) -> None:
    create(any_database)
    others = [
        DailyPartition(Region.EU, date(2024, 1, 14)),
        DailyPartition(Region.EU, date(2024, 1, 16)),
        DailyPartition(Region.US, date(2024, 1, 15)),
    ]
    assert [is_covered(any_database, other) for other in others] == [False] * 3
    for other in others:
        create(any_database, other)
    assert set(attached(any_database)) == {DAY.name, *(other.name for other in others)}


def test_a_partition_bears_the_mark_the_key_and_the_checks_of_its_table(any_database: Database) -> None:
    create(any_database)
    ((comment,),) = found(any_database, f"SELECT obj_description('{DAY.name}'::regclass, 'pg_class')")
    assert comment == "ironforge: EU commodity auctions of 2024-01-15 (UTC)"
    assert comment.startswith(partitions.MARK)
    constraints = (
        f"SELECT contype, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = '{DAY.name}'::regclass"
    )
    assert sorted(row for row in found(any_database, constraints) if row[0] != "n") == [
        ("c", "CHECK (((unit_price > 0) AND (quantity > 0)))"),
        ("c", "CHECK ((expires_after_min < expires_before_min))"),
        ("p", "PRIMARY KEY (snapshot_time, auction_id)"),
    ]
    # A key of the partition's own beside the parent's would double the index.
    assert len(found(any_database, f"SELECT FROM pg_index WHERE indrelid = '{DAY.name}'::regclass")) == 1


def test_rows_of_the_days_first_and_last_instant_go_into_it(any_database: Database) -> None:
    create(any_database)
    execute(any_database, ROW.format("2024-01-15 00:00:00+00", 1), ROW.format("2024-01-15 23:59:59.999999+00", 2))
    assert found(any_database, f"SELECT auction_id FROM {DAY.name} ORDER BY 1") == [(1,), (2,)]
    with pytest.raises(DatabaseError, match="no partition of relation"):
        execute(any_database, ROW.format("2024-01-16 00:00:00+00", 3))


def test_making_it_twice_changes_nothing(any_database: Database) -> None:
    create(any_database)
    execute(any_database, ROW.format("2024-01-15", 1))
    create(any_database)
    assert len(attached(any_database)) == 1
    assert found(any_database, f"SELECT count(*) FROM {DAY.name}") == [(1,)]


def test_a_rollback_takes_the_partition_along(any_database: Database) -> None:
    with any_database.connect() as connection:
        partitions.create(connection, DAY)
    assert attached(any_database) == {}


def test_several_who_make_the_same_one_take_turns(any_database: Database) -> None:
    others = [Database(any_database.url) for _ in range(4)]
    with ThreadPoolExecutor(len(others)) as pool:
        list(pool.map(create, others))
    for other in others:
        other.close()
    assert set(attached(any_database)) == {DAY.name}


BY_HAND = "CREATE TABLE by_hand_{} PARTITION OF auction_snapshots_eu {}"


@pytest.mark.parametrize(
    "bounds",
    [
        ["FOR VALUES FROM ('2024-01-01') TO ('2024-02-01')"],
        ["FOR VALUES FROM ('2024-01-15') TO ('2024-01-16')"],
        ["FOR VALUES FROM (MINVALUE) TO (MAXVALUE)"],
        ["FOR VALUES FROM ('-infinity') TO ('infinity')"],
        ["FOR VALUES FROM ('2024-01-15') TO (MAXVALUE)"],
        ["FOR VALUES FROM ('0044-03-15 BC') TO ('2024-01-16')"],
        ["FOR VALUES FROM ('2024-01-15 02:00+02') TO ('2024-01-15 19:00-05')"],
        [
            "FOR VALUES FROM ('2024-01-15') TO ('2024-01-15 12:00')",
            "FOR VALUES FROM ('2024-01-15 12:00') TO (MAXVALUE)",
        ],
        ["DEFAULT"],
        ["FOR VALUES FROM ('2024-01-15') TO ('2024-01-15 12:00')", "DEFAULT"],
    ],
)
def test_what_somebody_attached_and_holds_the_day_covers_it(any_database: Database, bounds: list[str]) -> None:
    execute(any_database, *(BY_HAND.format(number, bound) for number, bound in enumerate(bounds)))
    before = attached(any_database)
    assert is_covered(any_database)
    create(any_database)
    assert attached(any_database) == before
    execute(any_database, ROW.format("2024-01-15 00:00:00", 1), ROW.format("2024-01-15 23:59:59", 2))


@pytest.mark.parametrize(
    "bounds",
    [
        ["FOR VALUES FROM ('2024-01-15 12:00') TO ('2024-02-01')"],
        ["FOR VALUES FROM (MINVALUE) TO ('2024-01-15 12:00')"],
        [
            "FOR VALUES FROM ('2024-01-15') TO ('2024-01-15 11:00')",
            "FOR VALUES FROM ('2024-01-15 12:00') TO (MAXVALUE)",
        ],
    ],
)
def test_a_partition_that_holds_a_part_of_the_day_is_named(any_database: Database, bounds: list[str]) -> None:
    execute(any_database, *(BY_HAND.format(number, bound) for number, bound in enumerate(bounds)))
    before = attached(any_database)
    names = ", ".join(f"by_hand_{number}" for number in range(len(bounds)))
    assert not is_covered(any_database)
    with any_database.transaction() as connection:
        with pytest.raises(DatabaseError, match=rf"{DAY.name} can't be made: {names} covers a part of 2024-01-15"):
            partitions.create(connection, DAY)
        # The transaction is as sound as before.
        assert connection.execute(text("SELECT 1")).scalar_one() == 1
    assert attached(any_database) == before


def test_partitions_beside_the_day_are_not_in_its_way(any_database: Database) -> None:
    execute(
        any_database,
        BY_HAND.format(1, "FOR VALUES FROM (MINVALUE) TO ('2024-01-15')"),
        BY_HAND.format(2, "FOR VALUES FROM ('2024-01-16') TO (MAXVALUE)"),
    )
    create(any_database)
    assert set(attached(any_database)) == {"by_hand_1", "by_hand_2", DAY.name}


def test_a_detached_table_of_ours_is_attached_again_with_its_rows(any_database: Database) -> None:
    create(any_database)
    execute(
        any_database,
        ROW.format("2024-01-15", 1),
        f"ALTER TABLE auction_snapshots_eu DETACH PARTITION {DAY.name}",
    )
    assert not is_covered(any_database)
    create(any_database)
    assert is_covered(any_database)
    assert found(any_database, "SELECT auction_id FROM auction_snapshots_eu") == [(1,)]


def test_a_table_of_somebody_elses_is_left_alone_and_named(any_database: Database) -> None:
    execute(any_database, f"CREATE TABLE {DAY.name} (LIKE auction_snapshots_eu INCLUDING ALL)")
    with pytest.raises(DatabaseError, match=f"{DAY.name} is in the way: .* that ironforge did not make"):
        create(any_database)
    assert attached(any_database) == {}


def test_a_detaching_that_was_cut_off_is_explained(any_database: Database) -> None:
    create(any_database)
    with any_database.connect() as reader:
        reader.exec_driver_sql("SELECT FROM auction_snapshots_eu")
        with any_database.connect(autocommit=True) as connection:
            connection.exec_driver_sql("SET statement_timeout = 300")
            detach = f"ALTER TABLE auction_snapshots_eu DETACH PARTITION {DAY.name} CONCURRENTLY"
            cut_off(any_database, connection, detach)
            connection.exec_driver_sql("RESET statement_timeout")
    assert not is_covered(any_database)
    with pytest.raises(DatabaseError, match=f"DETACH PARTITION {DAY.name} FINALIZE") as explained:
        create(any_database)
    remedy = str(explained.value).partition("by ALTER")[2].rstrip(".")
    with any_database.connect(autocommit=True) as connection:
        connection.exec_driver_sql(f"ALTER{remedy}")
    create(any_database)
    assert is_covered(any_database)


def cut_off(database: Database, connection: Connection, statement: str) -> None:
    with pytest.raises(DatabaseError, match="SQLSTATE 57014"), database.errors():
        connection.exec_driver_sql(statement)


def test_neither_a_reader_nor_a_writer_of_the_table_is_waited_for(any_database: Database) -> None:
    yesterday = DailyPartition.holding(Region.EU, DAY.starts_at - timedelta(days=1))
    create(any_database, yesterday)
    with any_database.connect() as reader, any_database.connect() as writer:
        reader.exec_driver_sql("SELECT FROM auction_snapshots_eu")
        writer.exec_driver_sql(ROW.format("2024-01-14", 1))
        with any_database.transaction() as connection:
            connection.exec_driver_sql("SET LOCAL lock_timeout = '200ms'")
            partitions.create(connection, DAY)
        # The plain way would have waited for both.
        with pytest.raises(DatabaseError, match="SQLSTATE 55P03"):
            execute(
                any_database,
                "SET LOCAL lock_timeout = '200ms'",
                BY_HAND.format(1, "FOR VALUES FROM ('2024-01-16') TO ('2024-01-17')"),
            )
        writer.commit()
    assert set(attached(any_database)) == {yesterday.name, DAY.name}


def test_a_covered_day_is_looked_at_without_taking_a_lock_that_others_wait_for(any_database: Database) -> None:
    create(any_database)
    with any_database.connect() as holder, any_database.transaction() as connection:
        partitions.create(holder, DailyPartition.holding(Region.EU, datetime(2024, 1, 16, tzinfo=UTC)))
        connection.exec_driver_sql("SET LOCAL lock_timeout = '200ms'")
        partitions.create(connection, DAY)


def test_a_partition_of_a_name_takes_what_its_bounds_hold_from_who_may_write_to_it(any_database: Database) -> None:
    create(any_database)
    parent, instant = "auction_snapshots_eu", timedelta(microseconds=1)
    starts_at, ends_at = DAY.starts_at, DAY.ends_at
    with any_database.connect() as connection:
        connection.exec_driver_sql(f"CREATE TABLE rest PARTITION OF {parent} DEFAULT")
        connection.exec_driver_sql(
            f"CREATE TABLE open PARTITION OF {parent} FOR VALUES FROM ('2030-01-01') TO (MAXVALUE)"
        )
        connection.exec_driver_sql("CREATE TABLE by_hand (LIKE auction_snapshots_eu)")

        def takes(name: str, since: datetime = starts_at, until: datetime = ends_at, *, of: str = parent) -> bool:
            return partitions.takes(connection, of, name, since, until)

        assert takes(DAY.name)
        assert takes(DAY.name, ends_at - instant)
        assert not takes(DAY.name, starts_at - instant)
        assert not takes(DAY.name, starts_at, ends_at + instant)
        assert takes("open", datetime(2030, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC))
        assert not takes("open", datetime(2029, 12, 31, tzinfo=UTC), datetime(2031, 1, 1, tzinfo=UTC))
        assert not any(takes(name) for name in ("rest", "by_hand", "nothing"))
        assert not takes(DAY.name, of="auction_snapshots_us")
        role = "ironforge_tests_of_partitions"
        for statement in (f"CREATE ROLE {role}", f"GRANT INSERT ON {parent} TO {role}", f"SET LOCAL ROLE {role}"):
            connection.exec_driver_sql(statement)
        assert not takes(DAY.name)
        connection.exec_driver_sql("RESET ROLE")
        connection.exec_driver_sql(
            f"CREATE TRIGGER told AFTER INSERT ON {parent} EXECUTE FUNCTION suppress_redundant_updates_trigger()"
        )
        assert not takes(DAY.name)
