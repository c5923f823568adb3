"""What files say of recipes: values, before it is known which stored recipes they are of."""

from __future__ import annotations

from dataclasses import dataclass


class CraftingFileError(ValueError):
    """A file that can't be read as any that is known; says why."""


@dataclass(frozen=True, slots=True)
class GivenOutput:
    """That a recipe makes an item."""

    item_id: int
    rank: int | None
    quantity: float | None


@dataclass(frozen=True, slots=True)
class GivenSlot:
    """That an item fits into a slot of a recipe."""

    slot: int
    item_id: int
    rank: int | None
    quantity: int | None
    required: bool | None


@dataclass(frozen=True, slots=True)
class GivenRecipe:
    """What a file says of a recipe, and by what it is found."""

    label: str
    """What people are told that it is."""
    recipe_id: int | None = None
    spell: int | None = None
    tier: str | None = None
    """Name of the skill tier."""
    profession: str | None = None
    name: str | None = None
    named_by: int | None = None
    """The item by whose name the recipe is called, where the file has no name."""
    outputs: tuple[GivenOutput, ...] = ()
    slots: tuple[GivenSlot, ...] = ()
