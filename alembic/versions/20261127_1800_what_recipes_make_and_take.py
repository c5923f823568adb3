"""What recipes make and take, as evidence, with what vendors ask and which files said so.

Why: Blizzard's answers name no crafted item since Dragonflight, and lack reagents that are required. What else says it
is kept beside Blizzard's word, with its source. Recipes are read again for the numbers of their tiers.

Revises: 20261127_1600
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261127_1800"
down_revision = "20261127_1600"
branch_labels = None
depends_on = None

TIME = sa.TIMESTAMP(timezone=True)


def _recipe() -> list[sa.Column[object]]:
    return [
        sa.Column("recipe_id", sa.Integer(), autoincrement=False, nullable=False, comment="of the recipe"),
        sa.Column("faction", sa.Text(), nullable=False, comment="of the recipe"),
    ]


def _evidence() -> list[sa.Column[object]]:
    return [
        sa.Column("source", sa.Text(), nullable=False, comment="who says so: api, file or name"),
        sa.Column(
            "detail",
            sa.Text(),
            server_default=sa.text("''"),
            nullable=False,
            comment="which file's import; else empty",
        ),
    ]


def _noted() -> sa.Column[object]:
    return sa.Column("noted_at", TIME, server_default=sa.text("now()"), nullable=False, comment="when it was noted")


def _to_recipes(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["recipe_id", "faction"],
        ["recipes.id", "recipes.faction"],
        name=op.f(f"fk_{table}_recipes"),
        ondelete="CASCADE",
    )


def _outputs() -> None:
    op.create_table(
        "recipe_outputs",
        *_recipe(),
        sa.Column("item_id", sa.Integer(), autoincrement=False, nullable=False, comment="what it makes"),
        *_evidence(),
        sa.Column(
            "rank", sa.SmallInteger(), comment="1 to 5, of several items of one name; null where it is not known"
        ),
        sa.Column("quantity", sa.Double(), comment="mean units of one craft; null where it is not known"),
        _noted(),
        _to_recipes("recipe_outputs"),
        sa.CheckConstraint("source IN ('api', 'file', 'name')", name=op.f("ck_recipe_outputs_source")),
        sa.CheckConstraint("rank BETWEEN 1 AND 5", name=op.f("ck_recipe_outputs_rank")),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_recipe_outputs_quantity")),
        sa.PrimaryKeyConstraint("recipe_id", "faction", "item_id", "source", "detail", name=op.f("pk_recipe_outputs")),
        comment="What recipes make, by who says so",
    )
    op.create_index(op.f("ix_recipe_outputs_item_id"), "recipe_outputs", ["item_id"])


def _slots() -> None:
    op.create_table(
        "recipe_slots",
        *_recipe(),
        sa.Column("slot", sa.Integer(), autoincrement=False, nullable=False, comment="its place in the recipe"),
        sa.Column("item_id", sa.Integer(), autoincrement=False, nullable=False, comment="an item that fits into it"),
        *_evidence(),
        sa.Column("rank", sa.SmallInteger(), comment="of the item, 1 to 5; null where it has none, or none is known"),
        sa.Column("quantity", sa.Integer(), comment="units of one craft; null where it is not known"),
        sa.Column(
            "required", sa.Boolean(), comment="whether nothing is crafted without it; null where it is not known"
        ),
        _noted(),
        _to_recipes("recipe_slots"),
        sa.CheckConstraint("source IN ('api', 'file')", name=op.f("ck_recipe_slots_source")),
        sa.CheckConstraint("rank BETWEEN 1 AND 5", name=op.f("ck_recipe_slots_rank")),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_recipe_slots_quantity")),
        sa.PrimaryKeyConstraint(
            "recipe_id", "faction", "slot", "item_id", "source", "detail", name=op.f("pk_recipe_slots")
        ),
        comment="What fits into the slots of recipes, by who says so",
    )
    op.create_index(op.f("ix_recipe_slots_item_id"), "recipe_slots", ["item_id"])
    op.create_table(
        "slot_categories",
        sa.Column(
            "slot_type", sa.Integer(), autoincrement=False, nullable=False, comment="Blizzard's number of the slot type"
        ),
        sa.Column(
            "category_id", sa.Integer(), autoincrement=False, nullable=False, comment="a category of items that fit"
        ),
        _noted(),
        sa.PrimaryKeyConstraint("slot_type", "category_id", name=op.f("pk_slot_categories")),
        comment="Which categories of items fit into which types of slots, as Blizzard says",
    )


def _prices() -> None:
    op.create_table(
        "vendor_prices",
        sa.Column(
            "item_id", sa.Integer(), autoincrement=False, nullable=False, comment="Blizzard's number of the item"
        ),
        sa.Column("source", sa.Text(), nullable=False, comment="which import says so"),
        sa.Column("price", sa.BigInteger(), nullable=False, comment="copper a unit, of any number"),
        _noted(),
        sa.CheckConstraint("price > 0", name=op.f("ck_vendor_prices_price")),
        sa.PrimaryKeyConstraint("item_id", "source", name=op.f("pk_vendor_prices")),
        comment="What vendors ask for items, by who says so",
    )


def _imports() -> None:
    counts = {
        "outputs": "rows that say what recipes make",
        "slots": "rows that say what they take",
        "ranks": "items whose rank it says",
        "prices": "items whose price at vendors it says",
        "unknown": "rows of the files that nothing stored fits",
        "ambiguous": "rows of the files that several recipes fit",
    }
    op.create_table(
        "imports",
        sa.Column("source", sa.Text(), nullable=False, comment="what the import is called"),
        sa.Column("kind", sa.Text(), nullable=False, comment="of which kind its files are"),
        sa.Column("files", sa.Text(), nullable=False, comment="their names"),
        *(sa.Column(name, sa.Integer(), nullable=False, comment=comment) for name, comment in counts.items()),
        sa.Column("imported_at", TIME, server_default=sa.text("now()"), nullable=False, comment="when that was"),
        sa.PrimaryKeyConstraint("source", name=op.f("pk_imports")),
        comment="Files about crafting that were imported",
    )


def _seeders(types: str, comment: str, before: str) -> None:
    op.drop_constraint(op.f("ck_seeder_status_seeder_type"), "seeder_status")
    op.create_check_constraint(op.f("ck_seeder_status_seeder_type"), "seeder_status", f"seeder_type IN ({types})")
    op.alter_column(
        "seeder_status",
        "seeder_type",
        existing_type=sa.Text(),
        existing_nullable=False,
        comment=comment,
        existing_comment=before,
    )


def upgrade() -> None:
    """Apply."""
    op.add_column(
        "recipes",
        sa.Column(
            "skill_tier_id", sa.Integer(), comment="Blizzard's number of the tier, which rises with the game's eras"
        ),
    )
    op.add_column(
        "items",
        sa.Column(
            "crafting_category_id",
            sa.Integer(),
            comment="which slots of recipes it fits into; null where nothing says so",
        ),
    )
    _seeders("'recipe', 'reagent', 'item', 'output'", "recipe, reagent, item or output", "recipe, reagent or item")
    op.execute("UPDATE seeder_status SET completed = false WHERE seeder_type = 'recipe'")
    _outputs()
    _slots()
    _prices()
    _imports()


def downgrade() -> None:
    """Undo."""
    for table in ("imports", "vendor_prices", "slot_categories", "recipe_slots", "recipe_outputs"):
        op.drop_table(table)
    op.execute("DELETE FROM seeder_status WHERE seeder_type = 'output'")
    _seeders("'recipe', 'reagent', 'item'", "recipe, reagent or item", "recipe, reagent, item or output")
    op.drop_column("items", "crafting_category_id")
    op.drop_column("recipes", "skill_tier_id")
