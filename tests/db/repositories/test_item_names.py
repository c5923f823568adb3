"""Names of items, however large a number somebody writes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
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


def test_an_item_that_only_a_day_or_another_hour_had_was_for_sale(shared: Database) -> None:
    with shared.connect() as connection:
        make_months(connection, NOON)
        connection.execute(
            text(
                "INSERT INTO snapshots (region, snapshot_time, auctions, items, bytes, digest, source,"
                " estimator_version) VALUES ('eu', :noon, 1, 1, 1, 'x', 'live', 1)"
            ),
            {"noon": NOON},
        )
        connection.execute(
            text(
                "INSERT INTO eu_commodity_price_days (day, item_id, mean_quantity, covered_seconds, snapshots,"
                " priced_snapshots) VALUES ('2020-01-01', 1, 1, 3600, 1, 0)"
            )
        )
        connection.execute(
            text(
                "INSERT INTO eu_commodity_price_stats (item_id, timestamp, total_quantity, num_auctions)"
                " VALUES (2, :noon, 1, 1), (3, CAST(:noon AS timestamptz) - interval '1 hour', 1, 1)"
            ),
            {"noon": NOON},
        )
        assert [item_names.was_ever_for_sale(connection, Region.EU, item) for item in range(5)] == [
            *(False, True, True, True, False)
        ]
        assert not item_names.was_ever_for_sale(connection, Region.US, 1)


@pytest.mark.parametrize("is_kept", [False, True])
def test_each_item_that_is_asked_for_is_told_though_its_number_alone_is_known(
    shared: Database, *, is_kept: bool
) -> None:
    with shared.connect() as connection:
        seed(connection)
        if is_kept:
            item_names.keep_names(connection)
            item_names.all_named(connection)
        unknown = NamedItem(9, None, None, None, None, None)
        found = item_names.of_items(connection, [9, 7])
        assert found == {9: unknown, 7: NamedItem(7, None, 3, 1, None, None)}
        assert list(found) == [9, 7]
        # What is kept is not asked for again; neither are a few names read by reading all.
        connection.execute(text("DELETE FROM items WHERE id = 7"))
        assert item_names.of_items(connection, [7])[7].item_level == (1 if is_kept else None)
        many = item_names.of_items(connection, list(range(300)))
        assert (len(many), many[8].name) == (300, "7")
