"""What questions about crafts read: recipes with what they make and take by the best evidence, and prices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from psycopg import sql

from ironforge_cli.db.bulk import Kind, fetch_columns
from ironforge_cli.db.table_names import PRICE_STATS
from ironforge_cli.db.transactions import reader
from ironforge_cli.market.crafting import SOURCES
from ironforge_cli.market.factions import FACTIONS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from ironforge_cli.db.transactions import Transaction
    from ironforge_cli.market.auctions import Float64, Int32, Int64
    from ironforge_cli.regions import Region

_SLICE: Final = "crafting"
_read = reader(_SLICE)


class RecipeRow(NamedTuple):
    """A recipe as one faction crafts it."""

    id: int
    faction: str
    name: str | None
    profession: str | None
    skill_tier: str | None
    skill_tier_id: int | None
    crafted_item_id: int | None


@dataclass(frozen=True, slots=True, eq=False)
class StoredOutputs:
    """What recipes make, by those who say so: n rows."""

    recipe_id: Int32
    faction: Int32
    """Its place in `FACTIONS`, from 1, as in those below."""
    item_id: Int32
    source: Int32
    """Its place in `SOURCES`, from 1."""
    detail: Int32
    """Which import said it, the newest first."""
    rank: Int32
    """The row's own, else the item's; 0 where it is not known."""
    quantity: Float64
    """NaN where it is not known."""


@dataclass(frozen=True, slots=True, eq=False)
class StoredSlots:
    """Items that fit into slots of recipes, by imports: n rows."""

    recipe_id: Int32
    faction: Int32
    detail: Int32
    """Which import said it, the newest first."""
    slot: Int32
    item_id: Int32
    rank: Int32
    """The row's own, else the item's; 0 where it is not known, as in the two below."""
    quantity: Int32
    required: Int32
    """1 for no and 2 for yes."""


@dataclass(frozen=True, slots=True, eq=False)
class StoredReagents:
    """What recipes take by Blizzard's word; a quantity of 0 is none that is known: n rows."""

    recipe_id: Int32
    faction: Int32
    item_id: Int32
    quantity: Int32
    optional: Int32
    """1 for yes."""


@dataclass(frozen=True, slots=True)
class NewestSale:
    """What the newest snapshot says of its k items, as far as it is about selling."""

    item_id: Int32
    cheapest_15_percent_price: Float64
    """Copper; NaN when sold out."""
    num_auctions: Int64


_NEWEST_RANKS: Final = sql.SQL(
    "(SELECT DISTINCT ON (item_id) item_id, rank FROM item_ranks ORDER BY item_id, noted_at DESC, source) AS newest"
)


def recipe_rows(connection: Transaction) -> list[RecipeRow]:
    """Every recipe, by rising id."""
    names = ", ".join(RecipeRow._fields)
    rows = _read(connection, f"SELECT {names} FROM recipes ORDER BY id, faction")  # noqa: S608 - names of our own
    return list(map(RecipeRow._make, rows))


def output_columns(connection: Transaction) -> StoredOutputs:
    """What recipes make, by rising recipe, faction, age of the import, and item."""
    query = sql.SQL(
        "SELECT recipe_id, array_position(%s::text[], faction), item_id, array_position(%s::text[], made.source),"
        " array_position(%s::text[], detail), coalesce(made.rank, newest.rank, 0)::int4, coalesce(quantity, 'NaN')"
        " FROM recipe_outputs AS made LEFT JOIN {} USING (item_id)"
    ).format(_NEWEST_RANKS)
    given = [list(FACTIONS), list(SOURCES), _details(connection, "recipe_outputs")]
    columns = fetch_columns(connection, query, given, [*[Kind.INT4] * 6, Kind.FLOAT8], slice_name=_SLICE)
    recipe, faction, item, _, detail, *_ = columns
    order = np.lexsort((item, detail, faction, recipe))
    return StoredOutputs(*(column[order] for column in columns))


def slot_columns(connection: Transaction) -> StoredSlots:
    """What files say that recipes take, by rising recipe, faction, age of the import, slot, and item."""
    query = sql.SQL(
        "SELECT recipe_id, array_position(%s::text[], faction), array_position(%s::text[], detail), slot, item_id,"
        " coalesce(taken.rank, newest.rank, 0)::int4, coalesce(quantity, 0),"
        " CASE WHEN required THEN 2 WHEN NOT required THEN 1 ELSE 0 END"
        " FROM recipe_slots AS taken LEFT JOIN {} USING (item_id) WHERE taken.source = 'file'"
    ).format(_NEWEST_RANKS)
    given = [list(FACTIONS), _details(connection, "recipe_slots")]
    columns = fetch_columns(connection, query, given, [Kind.INT4] * 8, slice_name=_SLICE)
    recipe, faction, detail, slot, item, *_ = columns
    order = np.lexsort((item, slot, detail, faction, recipe))
    return StoredSlots(*(column[order] for column in columns))


def _details(connection: Transaction, table: str) -> list[str]:
    """The imports that a table has rows of, the newest first; what is of none last."""
    statement = (
        f"SELECT detail FROM (SELECT DISTINCT detail FROM {table}) AS said"  # noqa: S608 - a name of our own
        " LEFT JOIN imports ON imports.source = detail ORDER BY imported_at DESC NULLS LAST, detail"
    )
    return [row[0] for row in _read(connection, statement)]


def reagent_columns(connection: Transaction) -> StoredReagents:
    """What recipes take by Blizzard's word, by rising recipe, faction, and item."""
    query = sql.SQL(
        "SELECT recipe_id, array_position(%s::text[], faction), item_id, quantity, optional::int4 FROM reagents"
    )
    columns = fetch_columns(connection, query, [list(FACTIONS)], [Kind.INT4] * 5, slice_name=_SLICE)
    order = np.lexsort((columns[2], columns[1], columns[0]))
    return StoredReagents(*(column[order] for column in columns))


def vendor_prices(connection: Transaction) -> dict[int, int]:
    """What vendors ask for items, copper: by the newest import, by rising item."""
    statement = "SELECT DISTINCT ON (item_id) item_id, price FROM vendor_prices ORDER BY item_id, noted_at DESC, source"
    return {row[0]: row[1] for row in _read(connection, statement)}


def never_stacked(connection: Transaction) -> set[int]:
    """Items that are no commodities: those that are worn, and those that don't stack."""
    statement = "SELECT id FROM items WHERE is_equippable OR NOT is_stackable"
    return {row[0] for row in _read(connection, statement)}


def newest_sales(connection: Transaction, region: Region, at: datetime) -> NewestSale:
    """What the snapshot of a time says of every item."""
    query = sql.SQL(
        "SELECT item_id, coalesce(cheapest_15_percent_price::float8, 'NaN'), num_auctions::bigint FROM {}"
        " WHERE timestamp = %s ORDER BY item_id"
    ).format(sql.Identifier(PRICE_STATS[region]))
    kinds = (Kind.INT4, Kind.FLOAT8, Kind.INT8)
    return NewestSale(*fetch_columns(connection, query, [at], kinds, slice_name=_SLICE))


def fitting_items(connection: Transaction, recipes: Sequence[int]) -> dict[tuple[int, str], dict[int, list[int]]]:
    """For some recipes, by id and faction, the items that fit into each slot by Blizzard's word, by rising number."""
    statement = (
        "SELECT recipe_id, faction, slot, array_agg(item_id ORDER BY item_id) FROM recipe_slots WHERE source = 'api'"
        " AND recipe_id = ANY(%(recipes)s::int4[]) GROUP BY recipe_id, faction, slot ORDER BY slot"
    )
    found: dict[tuple[int, str], dict[int, list[int]]] = {}
    for recipe, faction, slot, items in _read(connection, statement, {"recipes": list(recipes)}):
        found.setdefault((recipe, faction), {})[slot] = items
    return found
