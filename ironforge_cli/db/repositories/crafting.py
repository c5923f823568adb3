"""What questions about crafts read: recipes with what they make and take by the best evidence, and prices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from psycopg import sql
from sqlalchemy import text

from ironforge_cli.db.bulk import Kind, fetch_columns
from ironforge_cli.db.engine import executor
from ironforge_cli.db.models import FACTIONS, PRICE_STATS

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from ironforge_cli.market.auctions import Float64, Int32, Int64
    from ironforge_cli.regions import Region

_SLICE: Final = "crafting"
_execute = executor(_SLICE)


@dataclass(frozen=True, slots=True)
class RecipeRow:
    """A recipe as one faction crafts it."""

    id: int
    faction: str
    name: str | None
    profession: str | None
    skill_tier: str | None
    skill_tier_id: int | None
    crafted_item_id: int | None


class OutputRow(NamedTuple):
    """What a recipe makes, by one who says so."""

    recipe_id: int
    faction: str
    item_id: int
    source: str
    detail: str
    rank: int | None
    quantity: float | None


class SlotRow(NamedTuple):
    """An item that fits into a slot of a recipe, by one import."""

    recipe_id: int
    faction: str
    slot: int
    item_id: int
    detail: str
    rank: int | None
    quantity: int | None
    required: bool | None


class ReagentRow(NamedTuple):
    """What a recipe takes by Blizzard's word; a quantity of 0 is none that is known."""

    recipe_id: int
    faction: str
    item_id: int
    quantity: int
    optional: bool


@dataclass(frozen=True, slots=True)
class NewestSale:
    """What the newest snapshot says of its k items, as far as it is about selling."""

    item_id: Int32
    cheapest_15_percent_price: Float64
    """Copper; NaN when sold out."""
    num_auctions: Int64


def recipe_rows(connection: Connection) -> list[RecipeRow]:
    """Every recipe, by rising id."""
    names = ", ".join(RecipeRow.__slots__)
    rows = _execute(connection, text(f"SELECT {names} FROM recipes ORDER BY id, faction"))  # noqa: S608 - names of our own
    return [RecipeRow(*row) for row in rows]


def output_rows(connection: Connection) -> list[OutputRow]:
    """What recipes make, the newest import first; a rank is the row's own, else the item's."""
    statement = text(
        "SELECT recipe_id, faction, item_id, made.source, detail, coalesce(made.rank, newest.rank), quantity"
        " FROM recipe_outputs AS made LEFT JOIN (SELECT DISTINCT ON (item_id) item_id, rank FROM item_ranks"
        " ORDER BY item_id, noted_at DESC, source) AS newest USING (item_id)"
        " LEFT JOIN imports ON imports.source = detail"
        " ORDER BY recipe_id, faction, imported_at DESC NULLS LAST, detail, item_id"
    )
    return [OutputRow(*row) for row in _execute(connection, statement)]


def slot_rows(connection: Connection) -> list[SlotRow]:
    """What files say that recipes take, the newest import first, each slot's options together."""
    by_age = text(
        "SELECT detail FROM (SELECT DISTINCT detail FROM recipe_slots WHERE source = 'file') AS said"
        " LEFT JOIN imports ON imports.source = detail ORDER BY imported_at DESC NULLS LAST, detail"
    )
    details = list(_execute(connection, by_age).scalars())
    query = sql.SQL(
        "SELECT recipe_id, array_position(%s::text[], faction), array_position(%s::text[], detail), slot, item_id,"
        " coalesce(taken.rank, newest.rank, 0)::int4, coalesce(quantity, 0),"
        " CASE WHEN required THEN 2 WHEN NOT required THEN 1 ELSE 0 END"
        " FROM recipe_slots AS taken LEFT JOIN (SELECT DISTINCT ON (item_id) item_id, rank FROM item_ranks"
        " ORDER BY item_id, noted_at DESC, source) AS newest USING (item_id) WHERE taken.source = 'file'"
    )
    columns = fetch_columns(connection, query, [list(FACTIONS), details], [Kind.INT4] * 8, slice_name=_SLICE)
    recipe, faction, detail, slot, item, *_ = columns
    order = np.lexsort((item, slot, detail, faction, recipe))
    is_required: tuple[bool | None, ...] = (None, False, True)
    recipe, faction, detail, slot, item, rank, units, needed = (column[order].tolist() for column in columns)
    # A list a column, and rows of them: over all recipes that takes half of the time of a row at a time.
    rows = zip(
        recipe,
        [FACTIONS[one - 1] for one in faction],
        slot,
        item,
        [details[one - 1] for one in detail],
        [one or None for one in rank],
        [one or None for one in units],
        [is_required[one] for one in needed],
        strict=True,
    )
    return list(map(SlotRow._make, rows))


def reagent_rows(connection: Connection) -> list[ReagentRow]:
    """What recipes take by Blizzard's word."""
    query = sql.SQL(
        "SELECT recipe_id, array_position(%s::text[], faction), item_id, quantity, optional::int4 FROM reagents"
    )
    columns = fetch_columns(connection, query, [list(FACTIONS)], [Kind.INT4] * 5, slice_name=_SLICE)
    order = np.lexsort((columns[2], columns[1], columns[0]))
    recipe, faction, item, quantity, optional = (column[order].tolist() for column in columns)
    named: list[str] = [FACTIONS[one - 1] for one in faction]
    return list(map(ReagentRow._make, zip(recipe, named, item, quantity, map(bool, optional), strict=True)))


def vendor_prices(connection: Connection) -> dict[int, int]:
    """What vendors ask for items, copper: by the newest import."""
    statement = text(
        "SELECT DISTINCT ON (item_id) item_id, price FROM vendor_prices ORDER BY item_id, noted_at DESC, source"
    )
    return {row[0]: row[1] for row in _execute(connection, statement)}


def never_stacked(connection: Connection) -> set[int]:
    """Items that are no commodities: those that are worn, and those that don't stack."""
    statement = text("SELECT id FROM items WHERE is_equippable OR NOT is_stackable")
    return set(_execute(connection, statement).scalars())


def newest_sales(connection: Connection, region: Region, at: datetime) -> NewestSale:
    """What the snapshot of a time says of every item."""
    query = sql.SQL(
        "SELECT item_id, coalesce(cheapest_15_percent_price::float8, 'NaN'), num_auctions::bigint FROM {}"
        " WHERE timestamp = %s ORDER BY item_id"
    ).format(sql.Identifier(PRICE_STATS[region].name))
    kinds = (Kind.INT4, Kind.FLOAT8, Kind.INT8)
    return NewestSale(*fetch_columns(connection, query, [at], kinds, slice_name=_SLICE))
