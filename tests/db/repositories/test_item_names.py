"""Names of items, however large a number somebody writes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import text

from ironforge_cli.db.repositories import item_names
from ironforge_cli.db.repositories.item_names import NamedItem
from ironforge_cli.regions import Region
from tests.statistics_months import make_months

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ironforge_cli.db.engine import Database

NOON = datetime(2026, 1, 14, 12, tzinfo=UTC)
LARGEST = 2**31 - 1


def seed(connection: Connection) -> None:
    connection.execute(
        text(f"INSERT INTO items (id, item_name, item_level) VALUES ({LARGEST}, 'Ore', 5), (7, NULL, 1), (8, '7', 2)")
    )
    connection.execute(
        text(
            "INSERT INTO item_ranks (item_id, source, rank, noted_at) VALUES"
            " (7, 'b', 1, '2026-01-01T00:00Z'), (7, 'c', 2, '2026-01-02T00:00Z'), (7, 'a', 3, '2026-01-02T00:00Z')"
        )
    )


def test_items_of_some_numbers_and_those_that_bear_one_as_their_name_are_found(shared: Database) -> None:
    ore, nameless, seven = (
        NamedItem(LARGEST, "Ore", None, 5, None, None),
        NamedItem(7, None, 3, 1, None, None),
        NamedItem(8, "7", None, 2, None, None),
    )
    with shared.connect() as connection:
        seed(connection)
        assert item_names.named(connection, ["7"]) == {7: nameless, 8: seven}
        assert item_names.named(connection, [str(LARGEST), str(LARGEST + 1)]) == {LARGEST: ore}
        assert item_names.named(connection, []) == {}
        assert item_names.all_named(connection) == {LARGEST: ore, 7: nameless, 8: seven}
        assert item_names.named(connection, ["7"] * 200) is not None
        assert item_names.named(connection, ["7"] * 201) is None


def test_names_are_read_once_by_a_look_that_keeps_them_and_each_time_by_others(shared: Database) -> None:
    with shared.connect() as connection:
        seed(connection)
        assert len(item_names.all_named(connection)) == 3
        connection.execute(text("DELETE FROM items WHERE id = 7"))
        assert len(item_names.all_named(connection)) == 2
        item_names.keep_names(connection)
        assert len(item_names.all_named(connection)) == 2
        connection.execute(text("DELETE FROM items WHERE id = 8"))
        assert len(item_names.all_named(connection)) == 2


def test_an_item_was_for_sale_where_an_hour_or_a_day_of_its_region_had_it(shared: Database) -> None:
    with shared.connect() as connection:
        make_months(connection, NOON)
        connection.execute(
            text(
                "INSERT INTO eu_commodity_price_stats (item_id, timestamp, total_quantity, num_auctions)"
                f" VALUES ({LARGEST}, :noon, 1, 1)"
            ),
            {"noon": NOON},
        )
        sold = [item_names.was_ever_for_sale(connection, Region.EU, item) for item in (LARGEST, LARGEST + 1, 7)]
        assert sold == [True, False, False]
        assert not item_names.was_ever_for_sale(connection, Region.US, LARGEST)
