"""What `ironforge crafts` takes over a whole market: 9,700 recipes, 12,000 items, a book of 350,000 auctions.

Run it with `uv run python -m tests.benchmarks.crafting_figures`. All is made in SQL: half of the recipes take six
reagents by Blizzard's word, half five slots of three ranks by a file's. Most of what they take can be crafted too, in
one large loop.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import text

from ironforge_cli.db import schema
from ironforge_cli.db.embedded import EmbeddedServer
from ironforge_cli.db.engine import Database
from ironforge_cli.db.repositories import partitions
from ironforge_cli.market.partitions import DailyPartition
from ironforge_cli.regions import Region
from tests.benchmarks import stage
from tests.statistics_months import make_months

NOW: Final = datetime(2026, 1, 14, 23, 0, tzinfo=UTC)
RECIPES: Final = 9_700
_SECONDS: Final = 2.0
_MEGABYTES: Final = 250
_RUNS: Final = 3
_ITEMS_SQL: Final = """
    INSERT INTO items (id, item_name, is_equippable, is_stackable)
    SELECT number, 'Thing ' || number / 3, false, true FROM generate_series(1, :items) AS number"""
_REGISTRY: Final = """
    INSERT INTO snapshots (region, snapshot_time, auctions, items, bytes, digest, source, interval_seconds,
        estimator_version)
    SELECT 'eu', CAST(:now AS timestamptz) - hour * interval '1 hour', 1, 1, 1, hour, 'live', 3600, 2
    FROM generate_series(0, 360) AS hour"""
_HOURS: Final = """
    INSERT INTO eu_commodity_price_stats (item_id, timestamp, min_price, max_price, mean_price, median_price,
        market_value, cheapest_15_percent_price, total_quantity, num_auctions, sales_low, estimated_sales, sales_high,
        interval_seconds)
    SELECT item, CAST(:now AS timestamptz) - hour * interval '1 hour', 1000 + item, 9000 + item, 2000, 2000,
        1500 + item, 1200 + item, 5000, 29, 1, 5, 9, 3600
    FROM generate_series(0, 23) AS hour, generate_series(1, :items) AS item"""
_DAYS: Final = """
    INSERT INTO eu_commodity_price_days (day, item_id, min_price, market_value, mean_quantity, sales_low,
        estimated_sales, sales_high, turnover, covered_seconds, snapshots, priced_snapshots)
    SELECT CAST(:today AS date) - day, item, 1000, 1400 + item, 5000, 10, 50, 90, 100000, 86400, 24, 24
    FROM generate_series(1, 14) AS day, generate_series(1, :items) AS item"""
_BOOK: Final = """
    INSERT INTO auction_snapshots_eu (auction_id, item_id, unit_price, quantity, time_left, snapshot_time,
        expires_after_min, expires_before_min)
    SELECT number, 1 + number % :items, 1000 + 100 * (number / :items), 1 + number % 40, 'LONG', :now, 0, 720
    FROM generate_series(1, :auctions) AS number"""
_RECIPES: Final = """
    INSERT INTO recipes (id, faction, name, profession, skill_tier, skill_tier_id, crafted_item_id, data)
    SELECT number, 'Neutral', 'Recipe ' || number, 'Alchemy', 'Tier', CASE number % 2 WHEN 0 THEN 2500 ELSE 2906 END,
        CASE number % 2 WHEN 0 THEN 1 + number % :items END, '{}'
    FROM generate_series(1, :recipes) AS number"""
_OUTPUTS: Final = """
    INSERT INTO recipe_outputs (recipe_id, faction, item_id, source, detail, quantity)
    SELECT number, 'Neutral', 1 + number % :items, CASE number % 2 WHEN 0 THEN 'api' ELSE 'file' END,
        CASE number % 2 WHEN 0 THEN '' ELSE 'made up' END, 1 + number % 5
    FROM generate_series(1, :recipes) AS number"""
_REAGENTS: Final = """
    INSERT INTO reagents (recipe_id, faction, item_id, quantity)
    SELECT number, 'Neutral', 1 + (number * 7 + place * 1931) % :items, 1 + (number + place) % 12
    FROM generate_series(2, :recipes, 2) AS number, generate_series(1, 6) AS place"""
_SLOTS: Final = """
    INSERT INTO recipe_slots (recipe_id, faction, slot, item_id, source, detail, rank, quantity, required)
    SELECT number, 'Neutral', slot, 1 + (number * 11 + slot * 2203 + rank) % :items, 'file', 'made up', rank,
        1 + (number + slot) % 9, true
    FROM generate_series(1, :recipes, 2) AS number, generate_series(1, 5) AS slot, generate_series(1, 3) AS rank"""


def main() -> int:
    """Build, measure and print."""
    asked = stage.options(__doc__, items=stage.ITEMS, recipes=RECIPES)
    say = sys.stdout.write
    with stage.home_folder() as home:
        server = EmbeddedServer(home, environment=os.environ, bindir=None, account=None)
        server.make_home()
        with server:
            _build(server.conninfo, items=asked.items, recipes=asked.recipes, auctions=asked.auctions)
            environment = stage.environment_of(IRONFORGE_DATABASE_URL=server.conninfo, IRONFORGE_HOME=str(home))
            words = ["crafts", "--region", "eu", "--max-age", "36500d", "--format", "json"]
            taken = [stage.run(["-m", "ironforge_cli", *words], environment=environment) for _ in range(_RUNS + 1)][1:]
    least = min(taken, key=lambda one: one.seconds)
    say(f"{asked.recipes:,} recipes, {asked.items:,} items, {asked.auctions:,} auctions\n")
    say(stage.line("crafts, whole", f"{least.seconds:.2f} s", budget=f"{_SECONDS} s"))
    say(stage.line("CPU of the program", f"{least.cpu:.2f} s"))
    say(stage.line("most memory", f"{least.peak_mb:.0f} MB", budget=f"{_MEGABYTES} MB"))
    return 0


def _build(url: str, *, items: int, recipes: int, auctions: int) -> None:
    database = Database(url)
    schema.upgrade(database)
    given = {"items": items, "recipes": recipes, "auctions": auctions, "now": NOW, "today": NOW.date()}
    with database.transaction() as connection:
        make_months(connection, NOW, NOW - timedelta(days=15), regions=(Region.EU,))
        partitions.create(connection, DailyPartition(Region.EU, NOW.date()))
        for statement in (*(_ITEMS_SQL, _REGISTRY, _HOURS, _DAYS, _BOOK, _RECIPES, _OUTPUTS, _REAGENTS, _SLOTS),):
            query = text(statement)
            connection.execute(query, {name: given[name] for name in query.compile().params})
    with database.connect(autocommit=True) as connection:
        connection.execute(text("VACUUM ANALYZE"))
    database.close()


if __name__ == "__main__":
    sys.exit(main())
