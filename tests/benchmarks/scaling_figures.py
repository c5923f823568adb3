"""A year of hourly statistics at reduced size: what a row takes, and how soon an item's history comes back.

Run it with `uv run python -m tests.benchmarks.scaling_figures`; it takes half a minute and 1 GB of disk. A year of one
region is made in SQL, hour after hour as collecting appends it, with fewer items than a real market. A reader of one
item's history finds each hour's row on a page of its own all the same, so that the time is that of a full year. The
database computes it twenty times, warm; the median of what EXPLAIN ANALYZE says counts.
"""

from __future__ import annotations

import argparse
import sys
import time
from statistics import median
from typing import Final

from sqlalchemy import text

from ironforge_cli.db.engine import Database
from tests.servers import embedded_server

HOURS: Final = 365 * 24
BUDGET_MS: Final = 20.0
FULL_ITEMS: Final = 10_000
_TIMES: Final = 20
_MAKE: Final = text(
    "INSERT INTO eu_commodity_price_stats (item_id, timestamp, min_price, max_price, mean_price, median_price,"
    " market_value, cheapest_15_percent_price, total_quantity, num_auctions, estimated_sales, sales_low, sales_high,"
    " new_listings, new_auctions, interval_seconds)"
    " SELECT item, TIMESTAMPTZ '2025-01-01 00:48:07+00' + hour * INTERVAL '1 hour', price, price * 9, price * 1.7,"
    " price * 1.4, price * 1.1, price, 40 + item, 12, sold / 2, sold / 4, sold, 7, 3, 3600"
    " FROM generate_series(CAST(:first AS int), CAST(:last AS int)) AS hour,"
    " generate_series(1, CAST(:items AS int)) AS item,"
    " LATERAL (SELECT 100 * (1 + (item * 7919 + hour) % 9973) AS price, 4 * ((item + hour) % 11) AS sold) AS made"
    " ORDER BY hour, item"
)
_HISTORY: Final = (
    "SELECT timestamp, min_price, market_value, total_quantity, sales_low, estimated_sales, sales_high"
    " FROM eu_commodity_price_stats WHERE item_id = :item AND timestamp > :since ORDER BY timestamp"
)


def main() -> int:
    """Print sizes, times and what they come to at full size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=400)
    items = parser.parse_args().items
    say = sys.stdout.write
    with embedded_server() as server, server.migrated_database() as url:
        database = Database(url)
        began = time.monotonic()
        for first in range(0, HOURS, 730):
            with database.transaction() as connection:
                connection.execute(_MAKE, {"first": first, "last": min(first + 730, HOURS) - 1, "items": items})
        with database.connect(autocommit=True) as connection:
            connection.execute(text("VACUUM ANALYZE eu_commodity_price_stats"))
        rows = HOURS * items
        seconds = time.monotonic() - began
        say(f"{rows:,} rows of statistics: {items} items, every hour of a year; made in {seconds:.0f} s\n")
        with database.connect() as connection:
            size = connection.execute(text("SELECT pg_total_relation_size('eu_commodity_price_stats')")).scalar_one()
            taken: list[float] = []
            for number in range(_TIMES + 1):
                plan = connection.execute(
                    text("EXPLAIN (ANALYZE, FORMAT JSON) " + _HISTORY),
                    {"item": 1 + number % 3, "since": "2025-10-03T00:00:00Z"},
                ).scalar_one()[0]
                taken.append(plan["Execution Time"])
        database.close()
    milliseconds = median(taken[1:])
    say(f"\nbytes a row, table and indexes   {size / rows:8.1f}\n")
    say(f"a full year of {FULL_ITEMS:,} items       {size / items * FULL_ITEMS / 1e9:8.1f} GB a region\n")
    say(f"90 days of an item, warm         {milliseconds:8.2f} ms   at most {BUDGET_MS:.0f} ms, ")
    say(f"{milliseconds / BUDGET_MS:.2f} of it\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
