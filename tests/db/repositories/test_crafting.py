"""What questions about crafts read: by whose word, in which order, and what is known of what."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import text

from ironforge_cli.db.repositories import crafting
from ironforge_cli.market.crafting import SOURCES
from ironforge_cli.market.factions import FACTIONS
from ironforge_cli.regions import Region
from tests.statistics_months import make_months

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ironforge_cli.db.engine import Database

NOON = datetime(2026, 1, 14, 12, tzinfo=UTC)
FIRST, SECOND, *_ = FACTIONS


NEW, OLD, NONE, GONE = 1, 2, 3, 4
"""Places of imports, the newest first; of what none said, or one that is not known any more, last."""


def said(faction: int, *more: int) -> tuple[str | int, ...]:
    return (FACTIONS[faction - 1], *more)


def write(connection: Connection, *statements: str) -> None:
    for statement in statements:
        connection.execute(text(statement))


def recipes(connection: Connection) -> None:
    write(
        connection,
        "INSERT INTO recipes (id, faction, name, data) VALUES"
        f" (9, '{SECOND}', 'Nine', '{{}}'), (9, '{FIRST}', 'Nine', '{{}}'), (7, '{FIRST}', 'Seven', '{{}}')",
        'INSERT INTO imports (source, kind, files, outputs, slots, ranks, prices, "unknown", ambiguous, imported_at)'
        " SELECT name, 'x', 'x', 0, 0, 0, 0, 0, 0, CAST(at AS timestamptz) FROM (VALUES"
        " ('old', '2026-01-01T00:00Z'), ('new', '2026-01-02T00:00Z')) AS made (name, at)",
        "INSERT INTO item_ranks (item_id, source, rank, noted_at) VALUES"
        " (50, 'old', 1, '2026-01-01T00:00Z'), (50, 'new', 2, '2026-01-02T00:00Z'),"
        " (51, 'b', 3, '2026-01-01T00:00Z'), (51, 'a', 4, '2026-01-01T00:00Z')",
    )


def test_what_recipes_make_comes_the_newest_import_first_with_its_own_rank_or_the_items(shared: Database) -> None:
    with shared.connect() as connection:
        recipes(connection)
        write(
            connection,
            "INSERT INTO recipe_outputs (recipe_id, faction, item_id, source, detail, rank, quantity) VALUES"
            f" (9, '{FIRST}', 50, 'file', 'old', NULL, 1.5), (9, '{FIRST}', 50, 'file', 'new', 5, NULL),"
            f" (9, '{FIRST}', 51, 'file', 'new', NULL, NULL), (9, '{FIRST}', 52, 'name', '', NULL, NULL),"
            f" (7, '{FIRST}', 52, 'api', '', NULL, NULL)",
        )
        made = crafting.output_columns(connection)
        rows = zip(made.recipe_id, made.faction, made.item_id, made.source, made.detail, made.rank, strict=True)
        assert [
            (recipe, *said(faction, item), SOURCES[source - 1], *more) for recipe, faction, item, source, *more in rows
        ] == [
            (7, FIRST, 52, "api", NONE, 0),
            (9, FIRST, 50, "file", NEW, 5),
            (9, FIRST, 51, "file", NEW, 4),
            (9, FIRST, 50, "file", OLD, 2),
            (9, FIRST, 52, "name", NONE, 0),
        ]
        assert np.array_equal(made.quantity, [np.nan, np.nan, np.nan, 1.5, np.nan], equal_nan=True)
        assert [(one.id, one.faction, one.name) for one in crafting.recipe_rows(connection)] == [
            (7, FIRST, "Seven"),
            *((9, faction, "Nine") for faction in sorted((FIRST, SECOND))),
        ]


def test_what_fits_into_slots_comes_by_import_and_slot_and_what_is_not_known_is_none(shared: Database) -> None:
    with shared.connect() as connection:
        assert not len(crafting.slot_columns(connection).recipe_id)
        recipes(connection)
        write(
            connection,
            "INSERT INTO recipe_slots (recipe_id, faction, slot, item_id, source, detail, rank, quantity, required)"
            f" VALUES (9, '{FIRST}', 1, 50, 'file', 'old', NULL, 3, true),"
            f" (9, '{FIRST}', 2, 51, 'file', 'new', 1, NULL, false),"
            f" (9, '{FIRST}', 1, 60, 'file', 'new', NULL, 1, NULL),"
            f" (9, '{FIRST}', 1, 50, 'file', 'new', NULL, 1, NULL), (9, '{FIRST}', 1, 50, 'api', '', NULL, 1, NULL),"
            f" (9, '{SECOND}', 1, 50, 'file', 'gone', NULL, 1, NULL), (7, '{FIRST}', 1, 50, 'file', 'old', 5, 1, NULL)",
        )
        taken = crafting.slot_columns(connection)
        columns = (taken.slot, taken.item_id, taken.detail, taken.rank, taken.quantity, taken.required)
        rows = zip(taken.recipe_id, taken.faction, *columns, strict=True)
        # 0 is what is not known; of `required` 1 is no, and 2 yes.
        assert [(recipe, *said(faction, *more)) for recipe, faction, *more in rows] == [
            (7, FIRST, 1, 50, OLD, 5, 1, 0),
            (9, FIRST, 1, 50, NEW, 2, 1, 0),
            (9, FIRST, 1, 60, NEW, 0, 1, 0),
            (9, FIRST, 2, 51, NEW, 1, 0, 1),
            (9, FIRST, 1, 50, OLD, 2, 3, 2),
            (9, SECOND, 1, 50, GONE, 2, 1, 0),
        ]


def test_what_recipes_take_by_blizzards_word_comes_in_order(shared: Database) -> None:
    with shared.connect() as connection:
        recipes(connection)
        write(
            connection,
            "INSERT INTO reagents (recipe_id, faction, item_id, quantity, optional) VALUES"
            f" (9, '{SECOND}', 1, 1, false), (9, '{FIRST}', 3, 0, true), (9, '{FIRST}', 2, 5, false),"
            f" (7, '{FIRST}', 4, 1, false)",
        )
        taken = crafting.reagent_columns(connection)
        rows = zip(taken.recipe_id, taken.faction, taken.item_id, taken.quantity, taken.optional, strict=True)
        assert [(recipe, *said(faction, *more)) for recipe, faction, *more in rows] == [
            (7, FIRST, 4, 1, 0),
            (9, FIRST, 2, 5, 0),
            (9, FIRST, 3, 0, 1),
            (9, SECOND, 1, 1, 0),
        ]


def test_a_vendors_price_is_that_of_the_newest_import(shared: Database) -> None:
    with shared.connect() as connection:
        write(
            connection,
            "INSERT INTO vendor_prices (item_id, source, price, noted_at) VALUES (1, 'a', 10, '2026-01-01T00:00Z'),"
            " (1, 'b', 11, '2026-01-02T00:00Z'), (2, 'b', 20, '2026-01-01T00:00Z'), (2, 'a', 21, '2026-01-01T00:00Z')",
        )
        assert list(crafting.vendor_prices(connection).items()) == [(1, 11), (2, 21)]


def test_what_is_worn_or_does_not_stack_is_no_commodity_and_of_what_is_not_known_nothing_is_said(
    shared: Database,
) -> None:
    with shared.connect() as connection:
        write(
            connection,
            "INSERT INTO items (id, is_equippable, is_stackable) VALUES (1, true, true), (2, false, false),"
            " (3, false, true), (4, NULL, NULL), (5, true, NULL), (6, NULL, false)",
        )
        assert crafting.never_stacked(connection) == {1, 2, 5, 6}


def test_the_sales_of_a_time_are_those_of_that_very_snapshot_and_region(shared: Database) -> None:
    with shared.connect() as connection:
        make_months(connection, NOON)
        for region, moment, item, price in (
            ("eu", NOON, 2, "NULL"),
            ("eu", NOON, 1, "7"),
            ("eu", NOON - timedelta(hours=1), 3, "1"),
            ("us", NOON, 4, "1"),
        ):
            write(
                connection,
                f"INSERT INTO {region}_commodity_price_stats (item_id, timestamp, total_quantity, num_auctions,"
                f" cheapest_15_percent_price) VALUES ({item}, '{moment}', 1, {10 * item}, {price})",
            )
        found = crafting.newest_sales(connection, Region.EU, NOON)
    assert (found.item_id.tolist(), found.num_auctions.tolist()) == ([1, 2], [10, 20])
    assert str(found.cheapest_15_percent_price.tolist()) == "[7.0, nan]"
