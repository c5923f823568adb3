"""Recipes as crafts: what each makes and takes, by the best evidence that is stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ironforge_cli.answers.craft_evidence import Told, best_made, best_slots
from ironforge_cli.db.repositories import crafting, item_names
from ironforge_cli.market.craft_table import CraftTable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ironforge_cli.db.repositories.crafting import RecipeRow, StoredOutputs, StoredReagents, StoredSlots
    from ironforge_cli.db.repositories.item_names import NamedItem
    from ironforge_cli.db.transactions import Transaction
    from ironforge_cli.market.auctions import Int64


@dataclass(frozen=True, slots=True)
class Recipes:
    """Everything that can be crafted, as far as it is known."""

    rows: Mapping[tuple[int, str], RecipeRow]
    """In the order of the crafts."""
    crafts: CraftTable
    named: Mapping[int, NamedItem]
    vendors: Mapping[int, int]
    never_stacked: frozenset[int]


@dataclass(frozen=True, slots=True)
class StoredRecipes:
    """What the database says of recipes; rows of one recipe stand together, the best first."""

    recipes: Sequence[RecipeRow]
    outputs: StoredOutputs
    slots: StoredSlots
    reagents: StoredReagents
    named: Mapping[int, NamedItem]
    vendors: Mapping[int, int]
    never_stacked: frozenset[int]

    @property
    def taken(self) -> Int64:
        """The items that recipes take, by rising number."""
        return np.unique(np.concatenate((self.slots.item_id, self.reagents.item_id))).astype(np.int64)


def stored_recipes(connection: Transaction) -> StoredRecipes:
    """Read every recipe with all that is said of it."""
    return StoredRecipes(
        recipes=crafting.recipe_rows(connection),
        outputs=crafting.output_columns(connection),
        slots=crafting.slot_columns(connection),
        reagents=crafting.reagent_columns(connection),
        named=item_names.all_named(connection),
        vendors=crafting.vendor_prices(connection),
        never_stacked=frozenset(crafting.never_stacked(connection)),
    )


def all_recipes(connection: Transaction) -> Recipes:
    """Every stored recipe, with the best that is known of it."""
    return assembled(stored_recipes(connection))


def assembled(stored: StoredRecipes) -> Recipes:
    """The recipes as crafts, with the best that is known of each."""
    rows = {(row.id, row.faction): row for row in stored.recipes}
    told = Told(stored.recipes)
    slots, are_slots_known = best_slots(told, stored.slots, stored.reagents, stored.named)
    crafts = CraftTable(
        recipe_id=np.array([row.id for row in stored.recipes], np.int64),
        faction=np.array([row.faction for row in stored.recipes], np.str_),
        are_slots_known=are_slots_known,
        slots=slots,
        made=best_made(told, stored.outputs),
    )
    return Recipes(
        rows=rows, crafts=crafts, named=stored.named, vendors=stored.vendors, never_stacked=stored.never_stacked
    )
