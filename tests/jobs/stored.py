"""What is stored, read back by plain SELECTs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text

if TYPE_CHECKING:
    from ironforge_cli.db.engine import Database
    from ironforge_cli.regions import Region
    from tests.jobs.expected import Row


def rows(database: Database, query: str, **parameters: Any) -> list[Row]:
    """The rows of a query."""
    with database.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query), parameters)]


def change(database: Database, statement: str, **parameters: Any) -> None:
    """Change what is stored."""
    with database.transaction() as connection:
        connection.execute(text(statement), parameters)


def auctions(database: Database, region: Region) -> list[Row]:
    """Every raw row of a region."""
    return rows(
        database,
        "SELECT snapshot_time, auction_id, unit_price, item_id, quantity, time_left::text,"
        f" expires_after_min, expires_before_min FROM auction_snapshots_{region} ORDER BY snapshot_time, auction_id",
    )


STATISTICS: Final = (
    "item_id, timestamp, min_price, max_price, mean_price, median_price, market_value, cheapest_15_percent_price,"
    " total_quantity, num_auctions, estimated_sales, sales_low, sales_high, new_listings, new_auctions, seen_sales,"
    " unseen_sales, new_at_floor, evidence, interval_seconds"
)
"""Every column of the statistics."""


def statistics(database: Database, region: Region) -> list[Row]:
    """Every row of a region's statistics."""
    return rows(database, f"SELECT {STATISTICS} FROM {region}_commodity_price_stats ORDER BY timestamp, item_id")


def registry(database: Database, region: Region) -> list[Row]:
    """Every row of the registry of a region, without whence and when it came."""
    return rows(
        database,
        "SELECT snapshot_time, auctions, items, bytes, digest, interval_seconds, new_auctions, gone_auctions,"
        " estimated_sales, sales_low, sales_high, expired_units, withdrawn_units, partly_sold,"
        " partly_sold_above_cheaper, window_misfits, withdrawn_auctions, highest_auction_id, skipped, skipped_items,"
        " skipped_auctions, estimator_version"
        " FROM snapshots WHERE region = :region ORDER BY snapshot_time",
        region=region.value,
    )


def sold_lots(database: Database, region: Region) -> list[Row]:
    """The lots sold in every interval, by when they were listed."""
    quarters = ", ".join(f"sold_lots_quarter_{number}" for number in range(1, 5))
    return rows(
        database,
        f"SELECT snapshot_time, {quarters}, sold_lots_seen, sold_lots_unseen FROM snapshots"
        " WHERE region = :region ORDER BY snapshot_time",
        region=region.value,
    )


def times(database: Database, region: Region) -> list[Any]:
    """The times of a region's stored snapshots."""
    return [row[0] for row in registry(database, region)]


def token_prices(database: Database, region: Region) -> list[Row]:
    """Every token price of a region."""
    return rows(database, f"SELECT timestamp, price FROM {region}_token_price ORDER BY timestamp")


def attempts(database: Database, region: Region | None = None) -> list[Row]:
    """Status, time that was judged and message of every attempt at snapshots, oldest first; of one region, or all."""
    return rows(
        database,
        "SELECT status, last_modified, error_message FROM scraper_logs"
        " WHERE (CAST(:region AS text) IS NULL OR region = :region) AND command <> 'token price' ORDER BY id",
        region=region.value if region else None,
    )


def benchmarks(database: Database, operation_type: str) -> list[Row]:
    """Name, region, records, status, message and extra data of every benchmark of a kind, oldest first."""
    return rows(
        database,
        "SELECT operation_name, region, record_count, status, error_message, extra_data FROM benchmarks"
        " WHERE operation_type = :operation_type ORDER BY id",
        operation_type=operation_type,
    )


def everything(database: Database, region: Region) -> tuple[list[Row], ...]:
    """All that is kept of a region's market; not the evidence of how it came there."""
    return (
        auctions(database, region),
        statistics(database, region),
        registry(database, region),
        token_prices(database, region) + sold_lots(database, region),
    )


def held_locks(database: Database) -> int:
    """How many advisory locks any session holds in this database."""
    ((held,),) = rows(
        database,
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
    )
    return int(held)
