"""Tables of crafting, column by column, as `ironforge db upgrade` makes them. No server is needed."""

from __future__ import annotations

import pytest
from sqlalchemy import CheckConstraint, ForeignKeyConstraint
from sqlalchemy.dialects import postgresql

from ironforge_cli.db import crafting_tables
from ironforge_cli.db.models import whole_schema

# Each column's type; `*` of the key, `?` where it may be null, `=` what it is where nothing is said.
RECIPE = {"recipe_id": "INTEGER*", "faction": "TEXT*"}
WHO = {"source": "TEXT*", "detail": "TEXT*=''"}
NOTED = {"noted_at": "TIMESTAMP WITH TIME ZONE=now()"}
TABLES = {
    "recipe_outputs": {
        **RECIPE,
        "item_id": "INTEGER*",
        **WHO,
        "rank": "SMALLINT?",
        "quantity": "DOUBLE PRECISION?",
        **NOTED,
    },
    "recipe_slots": {
        **RECIPE,
        "slot": "INTEGER*",
        "item_id": "INTEGER*",
        **WHO,
        "rank": "SMALLINT?",
        "quantity": "INTEGER?",
        "required": "BOOLEAN?",
        **NOTED,
    },
    "slot_categories": {"slot_type": "INTEGER*", "category_id": "INTEGER*", **NOTED},
    "vendor_prices": {"item_id": "INTEGER*", "source": "TEXT*", "price": "BIGINT", **NOTED},
    "item_ranks": {"item_id": "INTEGER*", "source": "TEXT*", "rank": "SMALLINT", **NOTED},
    "imports": {
        "source": "TEXT*",
        "kind": "TEXT",
        "files": "TEXT",
        **dict.fromkeys(("outputs", "slots", "ranks", "prices", "unknown", "ambiguous"), "INTEGER"),
        "imported_at": "TIMESTAMP WITH TIME ZONE=now()",
    },
}
RANK = "rank BETWEEN 1 AND 5"
CHECKS = {
    "recipe_outputs": {RANK, "quantity > 0", "source IN ('api', 'file', 'name')"},
    "recipe_slots": {RANK, "quantity > 0", "source IN ('api', 'file')"},
    "vendor_prices": {"price > 0"},
    "item_ranks": {RANK},
}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_of_crafting_has_these_columns_and_checks(name: str) -> None:
    table, dialect = whole_schema().tables[name], postgresql.dialect()
    found: dict[str, str] = {}
    for column in table.columns:
        default = getattr(column.server_default, "arg", None)
        found[column.name] = (
            column.type.compile(dialect)
            + ("*" if column.primary_key else "?" if column.nullable else "")
            + ("" if default is None else f"={default}")
        )
        assert column.comment
        # Ids are Blizzard's, and given by nobody else.
        if column.primary_key and "INTEGER" in found[column.name]:
            assert column.autoincrement is False
    assert list(found.items()) == list(TABLES[name].items())
    checks = {str(one.sqltext): one for one in table.constraints if isinstance(one, CheckConstraint)}
    assert checks.keys() == CHECKS.get(name, set())
    assert {str(one.name) for one in checks.values()} == {f"ck_{name}_{text.split()[0]}" for text in checks}
    assert table.comment


@pytest.mark.parametrize("name", ["recipe_outputs", "recipe_slots"])
def test_what_is_said_of_a_recipe_goes_with_it_and_is_found_by_item(name: str) -> None:
    table = whole_schema().tables[name]
    (key,) = [one for one in table.constraints if isinstance(one, ForeignKeyConstraint)]
    assert (key.column_keys, key.ondelete) == (["recipe_id", "faction"], "CASCADE")
    assert [one.target_fullname for one in key.elements] == ["recipes.id", "recipes.faction"]
    assert [[column.name for column in index.columns] for index in table.indexes] == [["item_id"]]


def test_the_best_who_can_say_what_a_recipe_makes_comes_first() -> None:
    assert crafting_tables.EVIDENCE == ("api", "file", "name")
