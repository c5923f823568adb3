from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from alembic import command
from sqlalchemy import text

from ironforge_cli.db import schema
from ironforge_cli.db.engine import Database
from ironforge_cli.db.repositories import partitions
from ironforge_cli.errors import ExitStatus
from ironforge_cli.jobs.days import maintain as job
from ironforge_cli.jobs.days.housekeeping import Housekeeping, MonthsKept
from ironforge_cli.market.partitions import DailyPartition
from ironforge_cli.regions import Region
from tests.clocks import TickingClock
from tests.conftest import storage_in
from tests.db.catalog import alembic
from tests.jobs.day_tables import found, register

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from sqlalchemy import Connection

    from tests.servers import TestServer

BEFORE = "20261127_0015"
"""The last schema whose statistics are one table."""
ROWS = 150
RAW = DailyPartition(Region.EU, date(2025, 11, 10))
KEPT = Housekeeping(ahead=1, retention_days=0, log_retention_days=100_000, months=MonthsKept())
LOGS = {"benchmarks", "scraper_logs"}
"""What a run writes a row of its own into."""
TABLES = (
    "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
    " AND NOT relispartition AND relname <> 'alembic_version' ORDER BY 1"
)
# A value of each type for the row n; hours of three months.
VALUES = {
    "smallint": "n",
    "integer": "n",
    "bigint": "n * 1000003",
    "double precision": "n / 3.0",
    "text": "'word ' || n",
    "boolean": "n % 2 = 0",
    "jsonb": "jsonb_build_object('n', n)",
    "integer[]": "ARRAY[n, n + 1]",
    "bigint[]": "ARRAY[n, n + 1]",
    "time_left": "'LONG'",
    "timestamp with time zone": "TIMESTAMPTZ '2025-09-30T10:00Z' + n * interval '14 hours'",
}
# Where not every value of the type will do.
CHOSEN = {
    "region": "'eu'",
    "faction": "'Horde'",
    "source": "'spool'",
    "kind": "'item'",
    "seeder_type": "(ARRAY['recipe', 'reagent', 'item'])[1 + n % 3]",
    "status": "'failed'",
    "not_shown.status": "404",
    "expires_before_min": "n + 1",
    "snapshot_time": "TIMESTAMPTZ '2025-11-10T00:30Z' + n % 20 * interval '1 hour'",
    "snapshots.snapshot_time": VALUES["timestamp with time zone"],
}


@pytest.fixture
def old(any_server: TestServer) -> Generator[Database]:
    """A database of before there were months, with rows in every table of a region, all columns filled, and nulls."""
    with any_server.empty_database() as url:
        opened = Database(url)
        with alembic(opened) as config:
            command.upgrade(config, BEFORE)
        with opened.transaction() as connection:
            partitions.create(connection, RAW)
            for (name,) in connection.execute(text(TABLES)).all():
                if not name.endswith(("_us", "_kr", "_tw")) and not name.startswith(("us_", "kr_", "tw_")):
                    fill(connection, name)
        yield opened
        opened.close()


def fill(connection: Connection, table: str) -> None:
    columns = connection.execute(
        text(
            "SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute"
            " WHERE attrelid = CAST(:table AS regclass) AND attnum > 0 AND attidentity = ''"
        ),
        {"table": table},
    ).all()
    values: list[str] = []
    for name, kind, is_needed in columns:
        value = CHOSEN.get(f"{table}.{name}") or CHOSEN.get(name) or VALUES[kind]
        values.append(value if is_needed else f"CASE WHEN n % 7 <> 3 THEN {value} END")
    names = ", ".join(name for name, *_ in columns)
    # Parents come first by their names, but for recipes.
    if table == "reagents":
        fill(connection, "recipes")
    connection.execute(
        text(
            f"INSERT INTO {table} ({names}) SELECT {', '.join(values)}"
            f" FROM generate_series(1, {ROWS}) AS n ON CONFLICT DO NOTHING"
        )
    )


def contents(database: Database, columns: dict[str, str]) -> dict[str, list[tuple[Any, ...]]]:
    """The rows of tables, as far as some columns say."""
    return {table: sorted(found(database, f"SELECT {names} FROM {table}")) for table, names in columns.items()}


def columns_of(database: Database) -> dict[str, str]:
    """What tells the rows of each table whole, whatever is added to them."""
    named = "SELECT attname FROM pg_attribute WHERE attrelid = '{}'::regclass AND attnum > 0 ORDER BY attname"
    return {
        table: ", ".join(f"coalesce(\"{name}\"::text, 'null')" for (name,) in found(database, named.format(table)))
        for (table,) in found(database, TABLES)
    }


@pytest.mark.slow
def test_an_upgrade_and_what_it_leaves_to_maintenance_keep_every_row_of_every_table(
    old: Database, tmp_path: Path
) -> None:
    # Two months on, what was stored before there were months is over, by the clock and by the newest snapshot.
    clock = TickingClock(datetime.now(tz=UTC) + timedelta(days=70))
    register(old, clock.now().date(), Region.US)
    columns = columns_of(old)
    before = contents(old, columns)
    assert {table: len(rows) for table, rows in before.items() if rows} == {
        "auction_snapshots_eu": ROWS,
        "benchmarks": ROWS,
        "eu_commodity_price_stats": ROWS,
        "eu_token_price": ROWS,
        "items": ROWS,
        "not_shown": ROWS,
        "reagents": ROWS,
        "recipes": ROWS,
        "scraper_logs": ROWS,
        "seeder_status": 3,
        "snapshots": ROWS + 1,
    }
    schema.upgrade(old)
    assert contents(old, columns) == before
    storage = storage_in(tmp_path, old)
    maintained = job.maintain(tuple(Region), storage=storage, housekeeping=KEPT, clock=clock)
    assert maintained.status is ExitStatus.DONE
    after = contents(old, columns)
    for table in LOGS:
        assert set(before[table]) < set(after[table])
    assert {**after, **{table: before[table] for table in LOGS}} == before
    laid = found(
        old,
        "SELECT DISTINCT tableoid::regclass::text, obj_description(tableoid) LIKE '%by item%'"
        " FROM eu_commodity_price_stats ORDER BY 1",
    )
    assert laid == [(f"eu_commodity_price_stats_2025_{month}", True) for month in (10, 11, 12)]
    closed = "SELECT count(*) FROM eu_commodity_price_stats WHERE timestamp < date_trunc('day', (SELECT max(timestamp)"
    assert found(old, "SELECT count(*) FROM eu_commodity_price_days") == found(
        old, f"{closed} FROM eu_commodity_price_stats) AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'"
    )
