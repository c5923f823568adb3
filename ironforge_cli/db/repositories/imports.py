"""Files about crafting that were imported: what they said, and taking it out again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import text

from ironforge_cli.db.engine import executor
from ironforge_cli.db.generations import CATALOGUE, changed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

_execute = executor("imports")


@dataclass(frozen=True, slots=True)
class RecipeToJoin:
    """A stored recipe, as far as files can name it."""

    id: int
    faction: str
    name: str | None
    profession: str | None
    skill_tier: str | None


@dataclass(frozen=True, slots=True)
class ImportRow:
    """What was imported under one name."""

    source: str
    kind: str
    files: str
    outputs: int
    slots: int
    ranks: int
    prices: int
    unknown: int
    ambiguous: int


def recipes_to_join(connection: Connection) -> list[RecipeToJoin]:
    """Every stored recipe."""
    rows = _execute(
        connection, text("SELECT id, faction, name, profession, skill_tier FROM recipes ORDER BY id, faction")
    )
    return [RecipeToJoin(*row) for row in rows]


def names_of_items(connection: Connection) -> dict[int, str]:
    """Names of items, by number."""
    rows = _execute(connection, text("SELECT id, item_name FROM items WHERE item_name IS NOT NULL"))
    return {row[0]: row[1] for row in rows}


def sources(connection: Connection) -> list[str]:
    """The names of all imports."""
    return list(_execute(connection, text("SELECT source FROM imports ORDER BY source")).scalars())


def replace_ranks(connection: Connection, ranks: Mapping[int, int], *, source: str) -> None:
    """Write ranks of items in place of what a source said of them."""
    changed(connection, CATALOGUE)
    _execute(connection, text("DELETE FROM item_ranks WHERE source = :source"), {"source": source})
    _execute(
        connection,
        text(
            "INSERT INTO item_ranks (item_id, rank, source)"
            " SELECT item_id, rank, :source FROM unnest(CAST(:items AS int[]), CAST(:ranks AS smallint[]))"
            " AS new (item_id, rank)"
        ),
        {"source": source, "items": list(ranks), "ranks": list(ranks.values())},
    )


def replace_prices(connection: Connection, prices: Mapping[int, int], *, source: str) -> None:
    """Write what vendors ask in place of what a source said of it; copper."""
    changed(connection, CATALOGUE)
    _execute(connection, text("DELETE FROM vendor_prices WHERE source = :source"), {"source": source})
    _execute(
        connection,
        text(
            "INSERT INTO vendor_prices (item_id, price, source)"
            " SELECT item_id, price, :source FROM unnest(CAST(:items AS int[]), CAST(:prices AS bigint[]))"
            " AS new (item_id, price)"
        ),
        {"source": source, "items": list(prices), "prices": list(prices.values())},
    )


def note(connection: Connection, row: ImportRow) -> None:
    """Note what was imported, over what was noted under its name."""
    names = ImportRow.__slots__
    changes = ", ".join(f"{name} = excluded.{name}" for name in names)
    statement = text(
        f"INSERT INTO imports ({', '.join(names)}) VALUES ({', '.join(f':{name}' for name in names)})"  # noqa: S608 - names of our own
        f" ON CONFLICT (source) DO UPDATE SET {changes}, imported_at = now()"
    )
    _execute(connection, statement, {name: getattr(row, name) for name in names})


def forget(connection: Connection, source: str) -> None:
    """Take out all that an import said."""
    changed(connection, CATALOGUE)
    for statement in (
        "DELETE FROM recipe_outputs WHERE source = 'file' AND detail = :source",
        "DELETE FROM recipe_slots WHERE source = 'file' AND detail = :source",
        "DELETE FROM item_ranks WHERE source = :source",
        "DELETE FROM vendor_prices WHERE source = :source",
        "DELETE FROM imports WHERE source = :source",
    ):
        _execute(connection, text(statement), {"source": source})
