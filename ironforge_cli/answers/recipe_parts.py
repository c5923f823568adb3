"""What each recipe makes and takes, a row each: recipes as a table that other programs can read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ironforge_cli.answers.recipes import all_recipes
from ironforge_cli.db.repositories import asking

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ironforge_cli.answers.recipes import Recipes
    from ironforge_cli.db.repositories.asking import OneLook, Source
    from ironforge_cli.market.crafting import Craft

MAKES: Final = "makes"
TAKES: Final = "takes"


@dataclass(frozen=True, slots=True)
class RecipePart:
    """An item that a recipe makes, or that fits into one of its slots; None where it is not known."""

    recipe_id: int
    faction: str
    name: str | None
    profession: str | None
    skill_tier: str | None
    complete: bool
    """Whether all that it takes is known."""
    part: str | None
    """`makes` or `takes`; None in the only row of a recipe of which neither is known."""
    slot: int | None
    """Which place of the recipe the item fits into, from 1."""
    item_id: int | None
    item_name: str | None
    rank: int | None
    quantity: float | None
    """Units of one craft."""
    required: bool | None
    """Whether nothing is crafted without the slot."""
    source: str | None
    """`api`, `file` or `name`: who says what is made."""


def recipe_parts(database: Source | OneLook, *, items: frozenset[int] | None = None) -> Iterator[RecipePart]:
    """The parts of every recipe, or of those that make or take one of some items, by rising recipe."""
    with asking.reading(database) as connection:
        recipes = all_recipes(connection)
    for craft in sorted(recipes.crafts, key=lambda one: (one.recipe_id, one.faction)):
        parts = _parts_of(recipes, craft)
        if items is None or any(one.item_id in items for one in parts):
            yield from parts


def _parts_of(recipes: Recipes, craft: Craft) -> list[RecipePart]:
    row = recipes.rows[craft.recipe_id, craft.faction]

    def part(
        kind: str | None,
        *,
        item: int | None = None,
        slot: int | None = None,
        rank: int | None = None,
        quantity: float | None = None,
        required: bool | None = None,
        source: str | None = None,
    ) -> RecipePart:
        named = None if item is None else recipes.named.get(item)
        return RecipePart(
            recipe_id=craft.recipe_id,
            faction=craft.faction,
            name=row.name,
            profession=row.profession,
            skill_tier=row.skill_tier,
            complete=craft.are_slots_known,
            part=kind,
            slot=slot,
            item_id=item,
            item_name=None if named is None else named.name,
            rank=rank,
            quantity=quantity,
            required=required,
            source=source,
        )

    found = [
        part(MAKES, item=one.item_id, rank=one.rank, quantity=one.quantity, source=one.source) for one in craft.outputs
    ]
    found += [
        part(TAKES, item=option.item_id, slot=place, rank=option.rank, quantity=slot.quantity, required=slot.required)
        for place, slot in enumerate(craft.slots, start=1)
        for option in slot.options
    ]
    return found or [part(None)]
