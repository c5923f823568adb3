"""What questions about crafts read: recipes with what they make and take by the best evidence, and prices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from psycopg import sql
from sqlalchemy import text

from ironforge_cli.db.bulk import Kind, fetch_columns
from ironforge_cli.db.engine import executor
from ironforge_cli.db.models import PRICE_STATS

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


@dataclass(frozen=True, slots=True)
class OutputRow:
    """What a recipe makes, by one who says so."""

    recipe_id: int
    faction: str
    item_id: int
    source: str
    detail: str
    rank: int | None
    quantity: float | None


@dataclass(frozen=True, slots=True)
class SlotRow:
    """An item that fits into a slot of a recipe, by one import."""

    recipe_id: int
    faction: str
    slot: int
    item_id: int
    detail: str
    rank: int | None
    quantity: int | None
    required: bool | None


@dataclass(frozen=True, slots=True)
class ReagentRow:
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
    statement = text(
        "SELECT recipe_id, faction, slot, item_id, detail, coalesce(taken.rank, newest.rank), quantity, required"
        " FROM recipe_slots AS taken LEFT JOIN (SELECT DISTINCT ON (item_id) item_id, rank FROM item_ranks"
        " ORDER BY item_id, noted_at DESC, source) AS newest USING (item_id)"
        " LEFT JOIN imports ON imports.source = detail WHERE taken.source = 'file'"
        " ORDER BY recipe_id, faction, imported_at DESC NULLS LAST, detail, slot, item_id"
    )
    return [SlotRow(*row) for row in _execute(connection, statement)]


def reagent_rows(connection: Connection) -> list[ReagentRow]:
    """What recipes take by Blizzard's word."""
    names = ", ".join(ReagentRow.__slots__)
    statement = text(f"SELECT {names} FROM reagents ORDER BY recipe_id, faction, item_id")  # noqa: S608 - names of our own
    return [ReagentRow(*row) for row in _execute(connection, statement)]


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
