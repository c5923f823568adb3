"""Tables of what recipes make and take: a row for each who says so. `models.py` makes them part of the schema."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import TIMESTAMP

_Real: Double[float] = Double()
EVIDENCE = ("api", "file", "name")
"""Who can say what a recipe makes, the best first."""


def _noted_at() -> Column[object]:
    return Column(
        "noted_at", TIMESTAMP(timezone=True), nullable=False, server_default=func.now(), comment="when it was noted"
    )


def _of_recipe() -> list[Column[object]]:
    return [
        Column("recipe_id", Integer, primary_key=True, autoincrement=False, comment="of the recipe"),
        Column("faction", Text, primary_key=True, comment="of the recipe"),
    ]


def _to_recipe() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["recipe_id", "faction"], ["recipes.id", "recipes.faction"], ondelete="CASCADE")


def _who_says_so() -> list[Column[object]]:
    return [
        Column("source", Text, primary_key=True, comment="who says so: api, file or name"),
        Column("detail", Text, primary_key=True, server_default=text("''"), comment="which file's import; else empty"),
    ]


def recipe_outputs(metadata: MetaData) -> Table:
    """What recipes make."""
    return Table(
        "recipe_outputs",
        metadata,
        *_of_recipe(),
        Column("item_id", Integer, primary_key=True, autoincrement=False, comment="what it makes"),
        *_who_says_so(),
        Column("rank", SmallInteger, comment="1 to 5, of several items of one name; null where it is not known"),
        Column("quantity", _Real, comment="mean units of one craft; null where it is not known"),
        _noted_at(),
        _to_recipe(),
        CheckConstraint("source IN ('api', 'file', 'name')", name="source"),
        CheckConstraint("rank BETWEEN 1 AND 5", name="rank"),
        CheckConstraint("quantity > 0", name="quantity"),
        Index(None, "item_id"),
        comment="What recipes make, by who says so",
    )


def recipe_slots(metadata: MetaData) -> Table:
    """What recipes take, slot by slot."""
    return Table(
        "recipe_slots",
        metadata,
        *_of_recipe(),
        Column("slot", Integer, primary_key=True, autoincrement=False, comment="its place in the recipe"),
        Column("item_id", Integer, primary_key=True, autoincrement=False, comment="an item that fits into it"),
        *_who_says_so(),
        Column("rank", SmallInteger, comment="of the item, 1 to 5; null where it has none, or none is known"),
        Column("quantity", Integer, comment="units of one craft; null where it is not known"),
        Column("required", Boolean, comment="whether nothing is crafted without it; null where it is not known"),
        _noted_at(),
        _to_recipe(),
        CheckConstraint("source IN ('api', 'file')", name="source"),
        CheckConstraint("rank BETWEEN 1 AND 5", name="rank"),
        CheckConstraint("quantity > 0", name="quantity"),
        Index(None, "item_id"),
        comment="What fits into the slots of recipes, by who says so",
    )


def slot_categories(metadata: MetaData) -> Table:
    """Which kinds of items slots take."""
    return Table(
        "slot_categories",
        metadata,
        Column(
            "slot_type", Integer, primary_key=True, autoincrement=False, comment="Blizzard's number of the slot type"
        ),
        Column("category_id", Integer, primary_key=True, autoincrement=False, comment="a category of items that fit"),
        _noted_at(),
        comment="Which categories of items fit into which types of slots, as Blizzard says",
    )


def vendor_prices(metadata: MetaData) -> Table:
    """What vendors ask."""
    return Table(
        "vendor_prices",
        metadata,
        Column("item_id", Integer, primary_key=True, autoincrement=False, comment="Blizzard's number of the item"),
        Column("source", Text, primary_key=True, comment="which import says so"),
        Column("price", BigInteger, nullable=False, comment="copper a unit, of any number"),
        _noted_at(),
        CheckConstraint("price > 0", name="price"),
        comment="What vendors ask for items, by who says so",
    )


def imports(metadata: MetaData) -> Table:
    """Which files were imported."""
    return Table(
        "imports",
        metadata,
        Column("source", Text, primary_key=True, comment="what the import is called"),
        Column("kind", Text, nullable=False, comment="of which kind its files are"),
        Column("files", Text, nullable=False, comment="their names"),
        Column("outputs", Integer, nullable=False, comment="rows that say what recipes make"),
        Column("slots", Integer, nullable=False, comment="rows that say what they take"),
        Column("ranks", Integer, nullable=False, comment="items whose rank it says"),
        Column("prices", Integer, nullable=False, comment="items whose price at vendors it says"),
        Column("unknown", Integer, nullable=False, comment="rows of the files that nothing stored fits"),
        Column("ambiguous", Integer, nullable=False, comment="rows of the files that several recipes fit"),
        Column(
            "imported_at", TIMESTAMP(timezone=True), nullable=False, server_default=func.now(), comment="when that was"
        ),
        comment="Files about crafting that were imported",
    )
