from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, text, update

from ironforge_cli.db import locks
from ironforge_cli.db.engine import Database
from ironforge_cli.db.models import REGISTRY, SCRAPER_LOGS
from ironforge_cli.db.repositories import health, partitions, runs
from ironforge_cli.db.repositories.runs import BenchmarkRow, LogRow
from ironforge_cli.jobs.health.crashes import UPKEEP
from ironforge_cli.market.doubts import SoldLots
from ironforge_cli.market.partitions import DailyPartition
from ironforge_cli.regions import DEFAULT_REGIONS, Region
from tests.statistics_months import make_months

if TYPE_CHECKING:
    from sqlalchemy import Connection


NOON = datetime(2024, 1, 15, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def register(connection: Connection, region: Region, moment: datetime, *, partly_sold: int | None = None) -> None:
    row = {
        "region": region,
        "snapshot_time": moment,
        "auctions": 10,
        "items": 4,
        "bytes": 1,
        "digest": "ab",
        "source": "live",
        "estimator_version": 1,
        "partly_sold": partly_sold,
        "partly_sold_above_cheaper": partly_sold and 1,
    }
    connection.execute(insert(REGISTRY).values(row))


def log(connection: Connection, *, status: str = "success", region: Region = Region.EU, minute: int = 0) -> int:
    row = LogRow(
        command="collect",
        region=region,
        timestamp=NOON + minute * MINUTE,
        status=status,
        last_modified=None,
        error_message=None,
        poll_attempts=1,
    )
    number = runs.start(connection, row)
    if status != "running":
        connection.execute(
            text("UPDATE scraper_logs SET status = :status WHERE id = :id"), {"status": status, "id": number}
        )
    return number


def test_stored_snapshots_come_newest_first_with_their_self_check(shared: Database) -> None:
    with shared.connect() as connection:
        assert health.stored(connection, Region.EU, limit=9) == []
        register(connection, Region.EU, NOON)
        register(connection, Region.EU, NOON + MINUTE, partly_sold=7)
        register(connection, Region.EU, NOON - MINUTE)
        register(connection, Region.US, NOON + 2 * MINUTE)
        newest, second = health.stored(connection, Region.EU, limit=2)
        assert (newest.snapshot_time, second.snapshot_time) == (NOON + MINUTE, NOON)
        assert (newest.auctions, newest.items, newest.source, newest.estimator_version) == (10, 4, "live", 1)
        assert (newest.partly_sold, newest.partly_sold_above_cheaper, second.partly_sold) == (7, 1, None)


def test_each_number_of_a_snapshot_is_told_as_its_own_and_lots_where_all_are_known(shared: Database) -> None:
    lots = {f"sold_lots_quarter_{number}": number / 2 for number in (1, 2, 3, 4)}
    lots |= {"sold_lots_seen": 8.5, "sold_lots_unseen": 16.5}
    row: dict[str, Any] = {
        "snapshot_time": NOON,
        "stored_at": NOON + MINUTE,
        "source": "spool",
        "auctions": 10,
        "items": 4,
        "partly_sold": 7,
        "partly_sold_above_cheaper": 3,
        "estimator_version": 2,
        "skipped": 5,
        "interval_seconds": 3_600,
        "withdrawn_auctions": 6,
    }
    more = {"region": Region.EU, "bytes": 1, "digest": "ab"}
    known = SoldLots((2.0, 1.5, 1.0, 0.5), seen=8.5, unseen=16.5)
    with shared.connect() as connection:
        connection.execute(insert(REGISTRY).values(**row, **more, **lots))
        assert health.stored(connection, Region.EU, limit=1) == [health.Stored(**row, lots=known)]
        for name in lots:
            connection.execute(update(REGISTRY).values({**lots, name: None}))
            assert health.stored(connection, Region.EU, limit=1) == [health.Stored(**row)]


# Where a rule is turned only the very minute tells: which gaps reach into a span, and which pairs are one.
@example(minutes=[0, 100], since=100, length=1)
@example(minutes=[0, 100], since=101, length=1)
@example(minutes=[50, 150], since=0, length=50)
@example(minutes=[50, 150], since=0, length=51)
@example(minutes=[0, 90, 181], since=0, length=500)
@example(minutes=[0, 150, 360, 449], since=200, length=10)
@settings(max_examples=40, deadline=None)
@given(
    minutes=st.lists(st.integers(0, 2_000), unique=True, max_size=12),
    since=st.integers(0, 2_000),
    length=st.integers(1, 2_000),
)
def test_gaps_are_those_of_a_plain_search(shared: Database, minutes: list[int], since: int, length: int) -> None:
    until = since + length
    with shared.connect() as connection:
        for minute in minutes:
            register(connection, Region.EU, NOON + minute * MINUTE)
        register(connection, Region.US, NOON)
        found = health.gaps(
            connection,
            Region.EU,
            since=NOON + since * MINUTE,
            until=NOON + until * MINUTE,
            longest_seconds=5_400,
        )
    held = sorted(minutes)
    plain = [(one, two) for one, two in pairwise(held) if two - one > 90 and two >= since and one < until]
    assert [(gap.since, gap.until) for gap in found] == [
        (NOON + one * MINUTE, NOON + two * MINUTE) for one, two in reversed(plain)
    ]
    assert [gap.missing_hours for gap in found] == [
        max(1, (2 * (two - one) + 60) // 120 - 1) for one, two in reversed(plain)
    ]


def test_a_running_row_has_crashed_when_nobody_holds_its_lock(any_database: Database) -> None:
    with any_database.transaction() as connection:
        alive, dead = (log(connection, status="running", minute=minute) for minute in (1, 2))
        log(connection, status="running", minute=-60)
        log(connection, minute=3)
    with any_database.connect(autocommit=True) as owner, any_database.connect() as connection:
        assert locks.acquire(owner, locks.run_lock(alive))
        assert [row.id for row in health.crashed(connection, since=NOON)] == [dead]
        assert [(row.id, owned) for row, owned in health.running(connection, since=NOON + MINUTE)] == [
            (dead, False),
            (alive, True),
        ]
        locks.release(owner, locks.run_lock(alive))
        assert [row.id for row in health.crashed(connection, since=NOON)] == [dead, alive]


def test_the_last_upkeep_is_the_newest_finished_run_of_each_command_and_region(shared: Database) -> None:
    rows: list[tuple[str, Region | None, int, str]] = [
        ("seed items", None, 5, "failed"),
        ("seed items", None, 4, "success"),
        ("seed items", None, 6, "running"),
        ("seed items", None, 7, "locked"),
        ("seed recipes", None, 0, "no_change"),
        ("seed recipes", None, -1, "failed"),
        ("stats recompute", Region.EU, 3, "success"),
        ("stats recompute", Region.US, 2, "rejected"),
        ("partitions maintain", Region.EU, -1, "failed"),
        *((command, Region.EU, 9, "failed") for command in ("collect", "poll", "status")),
    ]
    with shared.connect() as connection:
        for command, region, minute, status in rows:
            row = {"command": command, "region": region, "timestamp": NOON + minute * MINUTE, "status": status}
            connection.execute(insert(SCRAPER_LOGS).values(row))
        found = health.last_upkeep(connection, commands=UPKEEP, since=NOON)
    assert [(one.command, one.region, one.status, one.timestamp) for one in found] == [
        ("seed recipes", None, "no_change", NOON),
        ("stats recompute", "us", "rejected", NOON + 2 * MINUTE),
        ("stats recompute", "eu", "success", NOON + 3 * MINUTE),
        ("seed items", None, "failed", NOON + 5 * MINUTE),
    ]


def test_the_last_attempts_of_a_region_come_newest_first(shared: Database) -> None:
    with shared.connect() as connection:
        for minute in (2, 0, 1):
            log(connection, minute=minute)
            log(connection, region=Region.US, minute=minute + 10)
        found = health.last_attempts(connection, Region.EU, limit=2)
    assert [(row.region, row.timestamp) for row in found] == [("eu", NOON + 2 * MINUTE), ("eu", NOON + MINUTE)]
    assert {(row.command, row.status, row.error_message) for row in found} == {("collect", "success", None)}


def test_the_last_run_of_each_command_comes_newest_first(shared: Database) -> None:
    def row(operation: str, name: str, minute: int) -> BenchmarkRow:
        return BenchmarkRow(
            operation_type=operation,
            operation_name=name,
            region=None,
            start_time=NOON + minute * MINUTE,
            end_time=NOON + minute * MINUTE,
            duration_seconds=1.5,
            record_count=3,
            status="failed",
            error_message="Away.",
            extra_data={"steps": {}},
        )

    with shared.connect() as connection:
        for minute, (operation, name) in enumerate(
            [
                ("command", "seed all"),
                ("command", "poll"),
                ("command", "collect"),
                ("command", "poll"),
                ("snapshot", "poll"),
            ]
        ):
            runs.add_benchmark(connection, row(operation, name, minute))
        found = health.last_runs(connection, since=NOON + MINUTE)
    assert [(run.command, run.started_at) for run in found] == [
        ("poll", NOON + 3 * MINUTE),
        ("collect", NOON + 2 * MINUTE),
    ]
    assert found[0] == health.LastRun("poll", NOON + 3 * MINUTE, 1.5, "failed", 3, {"steps": {}}, "Away.")


def test_what_a_person_has_seen_is_told_from_a_time_on_with_who_that_was(shared: Database) -> None:
    said = [
        ("command", health.ACKNOWLEDGE, -1, '{"seen": ["early"], "by": "ann"}'),
        ("command", health.ACKNOWLEDGE, 0, '{"seen": ["crash 1", "gap 2"], "by": "ann"}'),
        ("command", health.ACKNOWLEDGE, 1, '{"seen": ["late"], "by": "bob"}'),
        ("command", health.ACKNOWLEDGE, 2, '{"seen": [], "by": "eve"}'),
        ("command", "status", 1, '{"seen": ["another"], "by": "bob"}'),
        ("snapshot", health.ACKNOWLEDGE, 1, '{"seen": ["a step"], "by": "bob"}'),
    ]
    with shared.connect() as connection:
        for kind, name, minute, data in said:
            connection.execute(
                text(
                    "INSERT INTO benchmarks (operation_type, operation_name, start_time, end_time, duration_seconds,"
                    " status, extra_data) VALUES (:kind, :name, :at, :at, 1, 'success', CAST(:data AS jsonb))"
                ),
                {"kind": kind, "name": name, "at": NOON + minute * MINUTE, "data": data},
            )
        assert health.acknowledged(connection, since=NOON) == {"crash 1": "ann", "gap 2": "ann", "late": "bob"}


@pytest.mark.parametrize("region", list(Region))
def test_rows_in_a_default_partition_are_seen(shared: Database, region: Region) -> None:
    parent = f"auction_snapshots_{region}"
    row = "VALUES ('2020-01-01', 1, 1, 1, 1, 'LONG', 0, 1)"
    with shared.connect() as connection:
        assert not health.is_default_used(connection, region)
        partitions.create(connection, DailyPartition.holding(region, datetime(2020, 1, 1, tzinfo=UTC)))
        connection.execute(text("CREATE SCHEMA elsewhere"))
        connection.exec_driver_sql(f'CREATE TABLE elsewhere."The: rest" PARTITION OF {parent} DEFAULT')
        connection.exec_driver_sql(f"INSERT INTO {parent} {row}")
        assert not health.is_default_used(connection, region)
        connection.exec_driver_sql(f"INSERT INTO {parent} {row.replace('2020', '2021')}")
        assert health.is_default_used(connection, region)


def test_sizes_count_the_partitions_and_the_indexes(shared: Database) -> None:
    with shared.connect() as connection:
        before = health.sizes(connection, DEFAULT_REGIONS)
        partitions.create(connection, DailyPartition.holding(Region.EU, NOON))
        connection.execute(
            text(
                "INSERT INTO auction_snapshots_eu SELECT :noon, n, 1, 1, 1, 'LONG', 120, 720"
                " FROM generate_series(1, 1000) AS n"
            ),
            {"noon": NOON},
        )
        after = health.sizes(connection, DEFAULT_REGIONS)
        partition = text("SELECT pg_total_relation_size('auction_snapshots_eu_2024_01_15')")
        grown = connection.execute(partition).scalar_one()
        assert health.sizes(connection, (Region.US,))["raw snapshots"] == 0
    assert set(after) == {"raw snapshots", "statistics", "token prices", "logs and benchmarks", "database"}
    assert before["raw snapshots"] == 0
    assert after["raw snapshots"] == grown > 1_000 * 68


@pytest.mark.parametrize(
    ("kind", "statement"),
    [
        (
            "statistics",
            (
                "INSERT INTO us_commodity_price_stats (item_id, timestamp, total_quantity, num_auctions)"
                " SELECT n, now(), 1, 1 FROM generate_series(1, 500) AS n"
            ),
        ),
        (
            "token prices",
            "INSERT INTO us_token_price SELECT now() + n * interval '1 s', 1 FROM generate_series(1, 500) n",
        ),
        (
            "logs and benchmarks",
            (
                "INSERT INTO scraper_logs (command, timestamp, status)"
                " SELECT 'poll', now(), 'success' FROM generate_series(1, 500)"
            ),
        ),
        (
            "logs and benchmarks",
            (
                "INSERT INTO benchmarks"
                " (operation_type, operation_name, start_time, end_time, duration_seconds, status)"
                " SELECT 'command', 'poll', now(), now(), 1, 'success' FROM generate_series(1, 500)"
            ),
        ),
    ],
)
def test_each_kind_of_data_has_its_own_size(shared: Database, kind: str, statement: str) -> None:
    with shared.connect() as connection:
        make_months(connection, datetime.now(tz=UTC))
        before = health.sizes(connection, (Region.US,))
        others = health.sizes(connection, (Region.EU,))
        connection.execute(text(statement))
        after = health.sizes(connection, (Region.US,))
        grown = {one for one in after if after[one] > before[one]}
        assert grown - {"database"} == {kind}
        if kind != "logs and benchmarks":
            assert health.sizes(connection, (Region.EU,))[kind] == others[kind]
