from __future__ import annotations

from collections import ChainMap
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from ironforge_cli.db.models import PRICE_STATS, SNAPSHOTS, TOKEN_PRICES, whole_schema
from ironforge_cli.errors import DatabaseError
from ironforge_cli.regions import Region
from tests.statistics_months import make_months

if TYPE_CHECKING:
    from ironforge_cli.db.engine import Database

# Section 4 of the public interface, by hand: each column's type, `?` where it may be null; keys by `*`.
TIME = "timestamp with time zone"
PRICES = "double precision"
STATS = {
    "item_id": "integer*",
    "timestamp": f"{TIME}*",
    "min_price": "bigint?",
    "max_price": "bigint?",
    "mean_price": f"{PRICES}?",
    "median_price": f"{PRICES}?",
    "total_quantity": "bigint",
    "num_auctions": "integer",
    "estimated_sales": "bigint?",
    "new_listings": "bigint?",
}
RAW = {
    "auction_id": "bigint*",
    "item_id": "integer",
    "unit_price": "bigint",
    "quantity": "integer",
    "time_left": "time_left",
    "snapshot_time": f"{TIME}*",
}
TOKENS = {"timestamp": f"{TIME}*", "price": "bigint"}
PUBLISHED = {
    **{f"auction_snapshots_{region}": RAW for region in Region},
    **{f"{region}_commodity_price_stats": STATS for region in Region},
    **{f"{region}_token_price": TOKENS for region in Region},
    "recipes": {
        "id": "integer*",
        "faction": "text*",
        "name": "text?",
        "profession": "text?",
        "skill_tier": "text?",
        "crafted_item_id": "integer?",
        "data": "jsonb",
        "created_at": TIME,
        "updated_at": TIME,
    },
    "reagents": {
        "recipe_id": "integer*",
        "faction": "text*",
        "item_id": "integer*",
        "quantity": "integer",
        "optional": "boolean",
    },
    "items": {
        "id": "integer*",
        "item_name": "text?",
        "item_level": "integer?",
        "item_class": "text?",
        "item_subclass": "text?",
        "inventory_type": "text?",
        "is_equippable": "boolean?",
        "is_stackable": "boolean?",
        "quality": "text?",
    },
    "seeder_status": {
        "seeder_type": "text*",
        "completed": "boolean",
        "completed_at": f"{TIME}?",
        "created_at": TIME,
        "updated_at": TIME,
    },
    "scraper_logs": {
        "id": "bigint*",
        "command": "text",
        "region": "text?",
        "timestamp": TIME,
        "status": "text",
        "last_modified": f"{TIME}?",
        "error_message": "text?",
        "poll_attempts": "integer",
    },
    "benchmarks": {
        "id": "bigint*",
        "operation_type": "text",
        "operation_name": "text",
        "region": "text?",
        "start_time": TIME,
        "end_time": TIME,
        "duration_seconds": PRICES,
        "record_count": "bigint?",
        "status": "text",
        "error_message": "text?",
        "extra_data": "jsonb",
        "created_at": TIME,
    },
}
# Tables that are not published.
OWN = {
    "snapshots",
    "statistics_months",
    "thinning_checks",
    "not_shown",
    "item_ranks",
    "recipe_outputs",
    "recipe_slots",
    "slot_categories",
    "vendor_prices",
    "imports",
    "watch_states",
    "generations",
    *(f"{region}_commodity_price_days" for region in Region),
}
# What the project added: the estimator's columns and the registry of snapshots.
ADDED = {
    "auction_snapshots": {"expires_after_min": "smallint", "expires_before_min": "smallint"},
    "commodity_price_stats": {
        "market_value": f"{PRICES}?",
        "cheapest_15_percent_price": "bigint?",
        "sales_low": "bigint?",
        "sales_high": "bigint?",
        "new_auctions": "integer?",
        "interval_seconds": "integer?",
        "seen_sales": f"{PRICES}?",
        "unseen_sales": f"{PRICES}?",
        "new_at_floor": "bigint?",
        "evidence": "smallint?",
    },
    "items": {"build": "text?", "locale": "text?", "crafting_category_id": "integer?"},
    "recipes": {"skill_tier_id": "integer?"},
    "seeder_status": {"build": "text?", "locale": "text?", "seen_build": "text?"},
}


def columns(shared: Database, table: str) -> dict[str, str]:
    query = text("""
        SELECT attname, format_type(atttypid, atttypmod), attnotnull, attnum = ANY (coalesce(conkey, '{}'))
        FROM pg_attribute LEFT JOIN pg_constraint ON conrelid = attrelid AND contype = 'p'
        WHERE attrelid = to_regclass(:table) AND attnum > 0 AND NOT attisdropped ORDER BY attnum
    """)
    with shared.connect() as connection:
        return {
            name: kind + ("*" if key else "" if required else "?")
            for name, kind, required, key in connection.execute(query, {"table": table})
        }


@pytest.mark.parametrize("table", PUBLISHED)
def test_a_table_has_exactly_the_published_columns_and_those_of_the_project(shared: Database, table: str) -> None:
    added = [extra for name, extra in ADDED.items() if name in table]
    assert columns(shared, table) == dict(ChainMap(*added, PUBLISHED[table]))


def test_the_tables_are_the_published_ones_and_those_of_the_project(shared: Database) -> None:
    query = text("SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace")
    with shared.connect() as connection:
        found = set(connection.execute(query).scalars())
    assert found == {*PUBLISHED, *OWN, "alembic_version"}
    assert set(whole_schema().tables) == {*PUBLISHED, *OWN}


def definitions(shared: Database, table: str, kind: str) -> list[str]:
    query = text(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = to_regclass(:table) AND contype = :kind"
    )
    with shared.connect() as connection:
        return list(connection.execute(query, {"table": table, "kind": kind}).scalars())


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ("auction_snapshots_eu", "snapshot_time, auction_id"),
        ("auction_snapshots_us", "snapshot_time, auction_id"),
        ("eu_commodity_price_stats", '"timestamp", item_id'),
        ("us_commodity_price_stats", '"timestamp", item_id'),
        ("eu_token_price", '"timestamp"'),
        ("us_token_price", '"timestamp"'),
        ("recipes", "id, faction"),
        ("reagents", "recipe_id, faction, item_id"),
        ("items", "id"),
        ("seeder_status", "seeder_type"),
        ("not_shown", "kind, id"),
        ("scraper_logs", "id"),
        ("benchmarks", "id"),
        ("snapshots", "region, snapshot_time"),
        ("statistics_months", "region, month"),
        ("thinning_checks", "region, until"),
        ("item_ranks", "item_id, source"),
        ("recipe_outputs", "recipe_id, faction, item_id, source, detail"),
        ("recipe_slots", "recipe_id, faction, slot, item_id, source, detail"),
        ("slot_categories", "slot_type, category_id"),
        ("vendor_prices", "item_id, source"),
        ("imports", "source"),
        ("eu_commodity_price_days", "day, item_id"),
    ],
)
def test_a_primary_key_has_its_columns_in_this_order(shared: Database, table: str, key: str) -> None:
    assert definitions(shared, table, "p") == [f"PRIMARY KEY ({key})"]


def test_reagents_belong_to_a_recipe_of_their_faction(shared: Database) -> None:
    (key,) = definitions(shared, "reagents", "f")
    assert key == "FOREIGN KEY (recipe_id, faction) REFERENCES recipes(id, faction) ON DELETE CASCADE"


def test_time_left_has_blizzards_labels_soonest_first(shared: Database) -> None:
    with shared.connect() as connection:
        labels = connection.execute(text("SELECT unnest(enum_range(NULL::time_left))::text")).scalars().all()
    assert labels == ["SHORT", "MEDIUM", "LONG", "VERY_LONG"]


@pytest.mark.parametrize("region", Region)
def test_raw_snapshots_are_partitioned_by_their_time_and_no_partition_is_made(shared: Database, region: Region) -> None:
    table = f"auction_snapshots_{region}"
    query = text("SELECT pg_get_partkeydef(to_regclass(:table))")
    with shared.connect() as connection:
        assert connection.execute(query, {"table": table}).scalar_one() == "RANGE (snapshot_time)"
        assert connection.execute(text("SELECT count(*) FROM pg_inherits")).scalar_one() == 0


def test_every_table_and_column_is_explained(shared: Database) -> None:
    query = text("""
        SELECT relname, obj_description(pg_class.oid, 'pg_class'), attname, col_description(attrelid, attnum)
        FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
        WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace AND relname <> 'alembic_version'
    """)
    with shared.connect() as connection:
        found = {(table, column): (about, what) for table, about, column, what in connection.execute(query)}
    assert found == {
        (table.name, column.name): (table.comment, column.comment)
        for table in whole_schema().tables.values()
        for column in table.columns
    }
    assert all(about and what for about, what in found.values())


@pytest.mark.parametrize("region", Region)
def test_a_regions_tables_are_found_by_the_region(region: Region) -> None:
    names = [kind[region].name for kind in (SNAPSHOTS, PRICE_STATS, TOKEN_PRICES)]
    assert names == [f"auction_snapshots_{region}", f"{region}_commodity_price_stats", f"{region}_token_price"]
    assert {*SNAPSHOTS} == {*PRICE_STATS} == {*TOKEN_PRICES} == {*Region}


LOG = "INSERT INTO scraper_logs (command, region, timestamp, status) VALUES ('collect', '{}', now(), '{}')"
STATISTICS = (
    "INSERT INTO eu_commodity_price_stats (item_id, timestamp, total_quantity, num_auctions, sales_low,"
    " estimated_sales, sales_high) VALUES (1, now(), 0, 0, {}, {}, {})"
)


@pytest.mark.parametrize(
    ("statement", "constraint"),
    [
        (LOG.format("xx", "success"), "ck_scraper_logs_region"),
        (LOG.format("eu", "great"), "ck_scraper_logs_status"),
        (STATISTICS.format(-1, 0, 1), "ck_eu_commodity_price_stats_sales_bounds"),
        (STATISTICS.format(2, 1, 3), "ck_eu_commodity_price_stats_sales_bounds"),
        (STATISTICS.format(1, 3, 2), "ck_eu_commodity_price_stats_sales_bounds"),
        ("INSERT INTO us_token_price VALUES (now(), 0)", "ck_us_token_price_price"),
        ("INSERT INTO seeder_status (seeder_type) VALUES ('mount')", "ck_seeder_status_seeder_type"),
        ("INSERT INTO recipes (id, faction, data) VALUES (1, 'Scourge', '{}')", "ck_recipes_faction"),
        ("INSERT INTO reagents VALUES (1, 'Horde', 1, 1)", "fk_reagents_recipes"),
    ],
)
def test_what_can_not_be_true_is_refused(shared: Database, statement: str, constraint: str) -> None:
    def insert() -> None:
        with shared.transaction() as connection:
            make_months(connection, datetime.now(tz=UTC))
            connection.exec_driver_sql(statement)

    with pytest.raises(DatabaseError, match=constraint):
        insert()


@pytest.mark.parametrize("status", ["running", "success", "no_change", "rejected", "failed", "locked", "spooled"])
def test_every_published_status_of_a_log_row_is_taken(shared: Database, status: str) -> None:
    with shared.connect() as connection:
        connection.exec_driver_sql(LOG.format("us", status))
        assert connection.execute(text("SELECT poll_attempts FROM scraper_logs")).scalar_one() == 1
