from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from sqlalchemy import text

from ironforge_cli.archive.store import FolderStore, store_at
from ironforge_cli.archive.tables import ArchivedTables
from ironforge_cli.db import locks
from ironforge_cli.db.repositories import exports
from ironforge_cli.errors import ConfigurationError, ExitStatus, InterruptedRunError, LockedError
from ironforge_cli.jobs.days.export import export
from ironforge_cli.regions import DEFAULT_REGIONS, Region
from tests.documentation import PAGES
from tests.statistics_months import make_months

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sqlalchemy import Connection, Table

    from ironforge_cli.jobs.storage import Storage
    from tests.clocks import TickingClock
    from tests.stores import S3

COLUMNS = "item_id, timestamp, min_price, mean_price, total_quantity, num_auctions, estimated_sales"
STATISTICS = [
    (7, datetime(2025, 12, 31, 23, 59, 59, 999999, tzinfo=UTC), 5, 5.25, 10, 2, None),
    (3, datetime(2025, 12, 1, tzinfo=UTC), None, None, 0, 0, 4),
    (7, datetime(2026, 1, 1, tzinfo=UTC), 2**62, 0.1, 2**40, 1, None),
]

DAYS = (
    "day, item_id, min_price, market_value, estimated_sales,"
    " covered_seconds, snapshots, priced_snapshots, mean_quantity"
)
CLOSED = [
    (date(2025, 12, 30), 7, 5, 5.25, None),
    (date(2025, 12, 31), 7, None, None, 4),
    (date(2025, 12, 31), 3, 2**62, 0.1, 0),
    (date(2026, 1, 1), 7, 1, 1.0, 9),
]


def register(connection: Connection, *times: datetime) -> None:
    """Have it known that snapshots of some times are stored."""
    connection.execute(
        text(
            "INSERT INTO snapshots (region, snapshot_time, auctions, items, bytes, digest, source, estimator_version)"
            " VALUES ('eu', :at, 1, 1, 1, 'x', 'live', 2)"
        ),
        [{"at": at} for at in times],
    )


@pytest.fixture(autouse=True)
def stored(storage: Storage) -> None:
    """Statistics of two months, and two prices of a token."""
    with storage.database.transaction() as connection:
        make_months(connection, *(datetime(2025, 12, 1, tzinfo=UTC) + n * timedelta(days=31) for n in range(4)))
        connection.exec_driver_sql(
            "INSERT INTO eu_commodity_price_stats (" + COLUMNS + ") VALUES (%s, %s, %s, %s, %s, %s, %s)", STATISTICS
        )
        connection.execute(text("UPDATE eu_commodity_price_stats SET sales_low = 0, sales_high = 9 WHERE item_id = 3"))
        register(connection, *(one[1] for one in STATISTICS))
        connection.execute(text("INSERT INTO eu_token_price VALUES ('2026-01-01', 5), ('2026-01-02', 6)"))
        connection.exec_driver_sql(
            f"INSERT INTO eu_commodity_price_days ({DAYS}) VALUES (%s, %s, %s, %s, %s, 0, 2, 2, 1.5)", CLOSED
        )


def outcomes(storage: Storage, clock: TickingClock, tables: ArchivedTables) -> dict[str, str]:
    exported = export(DEFAULT_REGIONS, storage=storage, tables=tables, clock=clock)
    return {file.path: file.outcome for file in exported.files}


def read(folder: Path, pattern: str, columns: str) -> list[tuple[Any, ...]]:
    found = duckdb.sql(f"SELECT {columns} FROM read_parquet('{folder}/{pattern}') ORDER BY 2, 1")
    assert found is not None
    return found.fetchall()


def test_every_row_is_in_the_file_of_its_month_nulls_and_all(
    storage: Storage, clock: TickingClock, tmp_path: Path
) -> None:
    tables = ArchivedTables(FolderStore(tmp_path / "a"))
    assert outcomes(storage, clock, tables) == {
        "statistics/region=eu/month=2025-12": "written",
        "statistics/region=eu/month=2026-01": "written",
        "days/region=eu/month=2025-12": "written",
        "days/region=eu/month=2026-01": "written",
        "token_prices/region=eu": "written",
    }
    columns = COLUMNS.replace("timestamp", "epoch_us(timestamp)")
    expected = [(one[0], round(one[1].timestamp() * 1e6), *one[2:]) for one in STATISTICS]
    found = read(tmp_path / "a", "statistics/region=eu/*/*.parquet", columns)
    assert found == [expected[1], expected[0], expected[2]]
    assert [one[0] for one in read(tmp_path / "a", "token_prices/*/*.parquet", "price, timestamp")] == [5, 6]
    with storage.database.connect() as connection:
        logged = connection.execute(text("SELECT command, region, status FROM scraper_logs ORDER BY id")).all()
    assert [tuple(row) for row in logged] == [
        ("partitions export", "eu", "success"),
        ("partitions export", "us", "success"),
    ]


def test_closed_days_are_in_the_file_of_their_month_as_days(
    storage: Storage, clock: TickingClock, tmp_path: Path
) -> None:
    outcomes(storage, clock, ArchivedTables(FolderStore(tmp_path)))
    columns = ", ".join(f"{name}" for name in DAYS.split(", ")[1:5])
    found = read(tmp_path, "days/region=eu/month=2025-12/days.parquet", f"{columns}, day, sales_low")
    assert sorted(found, key=lambda row: (row[4], row[0])) == [
        (7, 5, 5.25, None, date(2025, 12, 30), None),
        (3, 2**62, 0.1, 0, date(2025, 12, 31), None),
        (7, None, None, 4, date(2025, 12, 31), None),
    ]


def test_only_what_differs_is_written_again(storage: Storage, clock: TickingClock, tmp_path: Path) -> None:
    tables = ArchivedTables(FolderStore(tmp_path / "a"))
    outcomes(storage, clock, tables)
    assert set(outcomes(storage, clock, tables).values()) == {"unchanged"}
    with storage.database.transaction() as connection:
        connection.execute(text("UPDATE eu_commodity_price_stats SET mean_price = 5.5 WHERE mean_price = 5.25"))
    (tmp_path / "a/token_prices/region=eu/token_prices.parquet").write_bytes(b"damaged")
    assert outcomes(storage, clock, tables) == {
        "statistics/region=eu/month=2025-12": "written",
        "statistics/region=eu/month=2026-01": "unchanged",
        "days/region=eu/month=2025-12": "unchanged",
        "days/region=eu/month=2026-01": "unchanged",
        "token_prices/region=eu": "written",
    }
    (tmp_path / "a/token_prices/region=eu/_manifest.json").write_bytes(b"damaged")
    assert list(outcomes(storage, clock, tables).values()) == [*["unchanged"] * 4, "written"]


def test_months_that_have_left_are_not_looked_for(storage: Storage) -> None:
    with storage.database.connect() as connection:
        first, last = STATISTICS[1][1], STATISTICS[2][1]
        assert exports.statistics_span(connection, Region.EU) == (first, last)
        assert exports.statistics_span(connection, Region.US) is None
        connection.execute(text("DROP TABLE eu_commodity_price_stats_2025_12"))
        assert exports.statistics_span(connection, Region.EU) == (last, last)
        assert exports.token_span(connection, Region.US) is None


def test_the_documented_queries_of_statistics_run_in_duckdb_and_make_days_of_hours(
    storage: Storage, clock: TickingClock, tmp_path: Path
) -> None:
    outcomes(storage, clock, ArchivedTables(FolderStore(tmp_path)))
    page = (PAGES / "archive.md").read_text("utf-8")
    _, block = re.findall(r"^```duckdb\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    rows: list[list[tuple[Any, ...]]] = []
    for query in [query for query in block.split(";\n") if query.strip()]:
        here = query.replace("/srv/ironforge/archive", str(tmp_path)).replace("item_id = 190327", "item_id = 7")
        found = duckdb.sql(here.replace("month=2024-01", "month=2025-12"))
        assert found is not None
        rows.append(found.fetchall())
    stored, days, sellers, tokens = rows
    assert [(str(day), cheapest, sold) for day, cheapest, _, sold, _ in stored] == [
        ("2025-12-30", 0.0005, None),
        ("2025-12-31", None, 4),
        ("2026-01-01", 0.0001, 9),
    ]
    assert [(str(day), cheapest, sold, snapshots) for day, cheapest, _, sold, snapshots in days] == [
        ("2025-12-31", 0.0005, None, 1),
        ("2026-01-01", 2**62 / 10_000, None, 1),
    ]
    assert sellers == [(3, 4, None)]
    assert [price for _, price in tokens] == [0.00055]


def test_a_store_that_speaks_s3_takes_them_too(storage: Storage, clock: TickingClock, s3: S3) -> None:
    tables = ArchivedTables(store_at(f"s3://{s3.new_bucket()}/x", environment=s3.environment))
    assert set(outcomes(storage, clock, tables).values()) == {"written"}
    assert set(outcomes(storage, clock, tables).values()) == {"unchanged"}


def test_an_archive_that_refuses_is_told_file_by_file(storage: Storage, clock: TickingClock, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    exported = export(
        DEFAULT_REGIONS, storage=storage, tables=ArchivedTables(FolderStore(tmp_path / "file")), clock=clock
    )
    assert exported.status is ExitStatus.CONFIGURATION
    assert {file.outcome for file in exported.files} == {"failed"}


def rows_of(storage: Storage, query: str) -> list[tuple[Any, ...]]:
    with storage.database.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def test_a_month_without_rows_between_two_is_no_failure_and_has_no_file(
    storage: Storage, clock: TickingClock, tmp_path: Path
) -> None:
    with storage.database.transaction() as connection:
        connection.execute(
            text("UPDATE eu_commodity_price_stats SET timestamp = '2026-03-01' WHERE timestamp = '2026-01-01'")
        )
        register(connection, datetime(2026, 3, 1, tzinfo=UTC))
    # An earlier version left a file without a byte for such a month, which engines can't read.
    left = tmp_path / "a/statistics/region=eu/month=2026-02/statistics.parquet"
    left.parent.mkdir(parents=True)
    left.touch()
    tables = ArchivedTables(FolderStore(tmp_path / "a"))
    assert outcomes(storage, clock, tables) == {
        "statistics/region=eu/month=2025-12": "written",
        "statistics/region=eu/month=2026-03": "written",
        "days/region=eu/month=2025-12": "written",
        "days/region=eu/month=2026-01": "written",
        "token_prices/region=eu": "written",
    }
    assert len(read(tmp_path / "a", "statistics/*/*/*.parquet", "item_id, timestamp")) == 3


def test_a_month_without_rows_is_no_failure_on_s3_either(storage: Storage, clock: TickingClock, s3: S3) -> None:
    with storage.database.transaction() as connection:
        connection.execute(
            text("UPDATE eu_commodity_price_stats SET timestamp = '2026-03-01' WHERE timestamp = '2026-01-01'")
        )
        register(connection, datetime(2026, 3, 1, tzinfo=UTC))
    tables = ArchivedTables(store_at(f"s3://{s3.new_bucket()}/x", environment=s3.environment))
    assert set(outcomes(storage, clock, tables).values()) == {"written"}
    assert set(outcomes(storage, clock, tables).values()) == {"unchanged"}


def test_what_is_committed_meanwhile_is_the_next_export_s(
    storage: Storage, clock: TickingClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def columns_and_a_commit(connection: Connection, table: Table, since: datetime, until: datetime) -> Any:
        found = exports.columns(connection, table, since, until)
        with storage.database.transaction() as other:
            other.execute(text("UPDATE eu_commodity_price_stats SET mean_price = mean_price + 1"))
            other.execute(text("INSERT INTO eu_token_price VALUES (now() - interval '10 years', 5)"))
        return found

    tables = ArchivedTables(FolderStore(tmp_path / "a"))
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr("ironforge_cli.jobs.days.export.exports", Committing(columns_and_a_commit))
        assert set(outcomes(storage, clock, tables).values()) == {"written"}
    assert "written" in outcomes(storage, clock, tables).values()
    assert set(outcomes(storage, clock, tables).values()) == {"unchanged"}


@dataclass(frozen=True, slots=True)
class Committing:
    """Reads as ever, and something is committed in between."""

    columns: Callable[..., Any]
    statistics_span: Callable[..., Any] = exports.statistics_span
    days_span: Callable[..., Any] = exports.days_span
    token_span: Callable[..., Any] = exports.token_span


def test_a_second_export_leaves_the_work_to_the_first_and_says_so(
    storage: Storage, clock: TickingClock, tmp_path: Path
) -> None:
    tables = ArchivedTables(FolderStore(tmp_path / "a"))
    with locks.exporting(storage.database), pytest.raises(LockedError, match="exporting"):
        outcomes(storage, clock, tables)
    assert not (tmp_path / "a").exists()
    assert rows_of(storage, "SELECT region, status FROM scraper_logs") == [(None, "locked")]


BENCHMARK = "SELECT operation_name, status, record_count, error_message FROM benchmarks ORDER BY id DESC LIMIT 1"


def test_how_many_rows_went_out_is_told_and_what_was_unchanged_counts_none(
    storage: Storage, clock: TickingClock, tmp_path: Path
) -> None:
    tables = ArchivedTables(FolderStore(tmp_path / "a"))
    exported = export(DEFAULT_REGIONS, storage=storage, tables=tables, clock=clock)
    assert [(file.region, file.rows) for file in exported.files] == [(Region.EU, rows) for rows in (2, 1, 3, 1, 2)]
    assert all(file.bytes for file in exported.files)
    assert rows_of(storage, BENCHMARK) == [("partitions export", "success", 9, None)]
    again = export(DEFAULT_REGIONS, storage=storage, tables=tables, clock=clock)
    assert [(file.rows, file.bytes) for file in again.files] == [(None, None)] * 5
    assert again.status is ExitStatus.DONE
    assert rows_of(storage, BENCHMARK) == [("partitions export", "success", 0, None)]


def test_a_file_that_is_refused_hinders_no_other_and_is_told_in_the_rows(
    storage: Storage, clock: TickingClock, tmp_path: Path
) -> None:
    (tmp_path / "a/statistics/region=eu").mkdir(parents=True)
    (tmp_path / "a/statistics/region=eu/month=2025-12").write_bytes(b"in the way")
    tables = ArchivedTables(FolderStore(tmp_path / "a"))
    exported = export(DEFAULT_REGIONS, storage=storage, tables=tables, clock=clock)
    assert [file.outcome for file in exported.files] == ["failed", *["written"] * 4]
    assert exported.status is ExitStatus.PARTIAL
    message = exported.files[0].message
    assert "can't be" in (message or "")
    assert rows_of(storage, "SELECT region, status, error_message FROM scraper_logs ORDER BY id") == [
        ("eu", "failed", message),
        ("us", "success", None),
    ]
    assert rows_of(storage, BENCHMARK) == [("partitions export", "partial", 7, message)]


def test_a_signal_ends_it_before_the_next_file(storage: Storage, clock: TickingClock, tmp_path: Path) -> None:
    class Asked(type(clock)):
        looks = 0

        def check(self) -> None:
            self.looks += 1
            if self.looks == 2:
                raise InterruptedRunError("SIGTERM")

    tables = ArchivedTables(FolderStore(tmp_path / "a"))
    with pytest.raises(InterruptedRunError):
        export(DEFAULT_REGIONS, storage=storage, tables=tables, clock=Asked(clock.now()))
    assert [path.parent.name for path in (tmp_path / "a").rglob("*.parquet")] == ["month=2025-12"]


def test_of_a_schema_that_is_none_of_this_programs_nothing_is_written(
    storage: Storage, clock: TickingClock, tmp_path: Path
) -> None:
    with storage.database.transaction() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'unheard_of'"))
    with pytest.raises(ConfigurationError):
        export(DEFAULT_REGIONS, storage=storage, tables=ArchivedTables(FolderStore(tmp_path / "a")), clock=clock)
    assert not (tmp_path / "a").exists()
