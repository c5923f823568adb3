"""The sandbox's game data: items, professions, skill tiers and recipes, with every oddity of the real ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ironforge_cli.sandbox.words import Name


_CRAFTING_CATEGORY_OFFSET = 160


@dataclass(frozen=True, slots=True)
class InventedItem:
    """An item of the game, and what the sandbox knows of it beside what it answers."""

    id: int
    name: Name
    quality: str
    """`COMMON`, `RARE`, …: a key of `QUALITIES`."""
    level: int
    required_level: int
    item_class: int
    item_subclass: int
    inventory_type: str
    """`NON_EQUIP`, `HEAD`, …: a key of `INVENTORY_TYPES`."""
    purchase_price: int
    sell_price: int
    is_stackable: bool
    is_unique: bool
    description: str | None
    is_reagent: bool
    base_price: int
    """What a unit is about worth on the market: copper, a multiple of 100."""
    removed: bool
    """No longer in the game: answers 404 and is not found by the search, yet may still be on sale."""
    unsearchable: bool
    """There, but the item search does not find it."""

    @property
    def crafting_category(self) -> int | None:
        """Of modified crafting: which slots of recipes it fits into."""
        return self.id % 700 + _CRAFTING_CATEGORY_OFFSET if self.is_reagent and self.id % 2 else None

    @property
    def is_equippable(self) -> bool:
        """Whether a character can wear or wield it."""
        return self.inventory_type != "NON_EQUIP"

    @property
    def is_commodity(self) -> bool:
        """Whether it is sold on the market of its whole region."""
        return self.is_stackable and not self.is_equippable


@dataclass(frozen=True, slots=True)
class Quantity:
    """How many items a recipe makes, in the three ways in which the API says so."""

    minimum: int
    maximum: int
    form: str
    """`value`, `float_value` (1.0) or `range` (`minimum` and `maximum`)."""


@dataclass(frozen=True, slots=True)
class InventedRecipe:
    """A recipe, or one of the entries of a skill tier that only look like one."""

    id: int
    name: Name
    description: str | None = None
    has_description: bool = False
    """Whether the key is there at all: null descriptions exist."""
    crafted_item: int | None = None
    alliance_crafted_item: int | None = None
    horde_crafted_item: int | None = None
    reagents: tuple[tuple[int, int], ...] = ()
    """Item id and quantity, which can be 0."""
    optional_reagents: tuple[tuple[int, int], ...] = ()
    slots: tuple[int, ...] = ()
    """Ids of the slot types that the crafter may fill, in display order."""
    rank: int | None = None
    crafted_quantity: Quantity | None = None
    takes: tuple[tuple[int, int], ...] = ()
    """Item id and quantity of all that a new recipe requires: the API lists some of it, and nobody else says it."""
    status: int = 200
    """What asking for it answers; some real recipes answer 403 or 404."""
    unnamed_in_tier: bool = False
    """Its name is null inside the tier's list."""
    is_recipe: bool = True
    """False for what a tier lists though nobody can craft it."""


@dataclass(frozen=True, slots=True)
class Category:
    """A heading of a skill tier and the recipes under it."""

    name: Name | None
    recipes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class InventedSkillTier:
    """What one profession can make in one part of the world."""

    id: int
    name: Name
    maximum_skill_level: int
    categories: tuple[Category, ...] | None
    """None where the API leaves the key out."""


@dataclass(frozen=True, slots=True)
class Profession:
    """A profession, real or one of the pseudo-professions that the API lists beside them."""

    id: int
    name: Name
    description: str
    type: str
    """`PRIMARY` or `SECONDARY`."""
    tiers: tuple[int, ...] | None
    """None where the API leaves the key out."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Everything that the static endpoints answer from."""

    items: Mapping[int, InventedItem]
    """By id, rising."""
    professions: Mapping[int, Profession]
    """In the unordered order of the index."""
    tiers: Mapping[int, InventedSkillTier]
    recipes: Mapping[int, InventedRecipe]
    slot_types: Mapping[int, Name | None]
    """Slot types of modified crafting; some have no name."""
    slot_categories: Mapping[int, tuple[int, ...]]
    """The crafting categories of the items that fit, by slot type."""

    @property
    def commodities(self) -> list[InventedItem]:
        """The items that the region's market trades, by rising id."""
        return [item for item in self.items.values() if item.is_commodity]

    @property
    def searchable(self) -> list[InventedItem]:
        """The items that the item search finds, by rising id."""
        return [item for item in self.items.values() if not (item.removed or item.unsearchable)]


QUALITIES: Mapping[str, str] = {
    "POOR": "Poor",
    "COMMON": "Common",
    "UNCOMMON": "Uncommon",
    "RARE": "Rare",
    "EPIC": "Epic",
    "LEGENDARY": "Legendary",
}

INVENTORY_TYPES: Mapping[str, str] = {
    "NON_EQUIP": "Non-equippable",
    "HEAD": "Head",
    "SHOULDER": "Shoulder",
    "CHEST": "Chest",
    "LEGS": "Legs",
    "FEET": "Feet",
    "HAND": "Hands",
    "CLOAK": "Back",
    "FINGER": "Finger",
    "WEAPON": "One-Hand",
    "TWOHWEAPON": "Two-Hand",
    "BAG": "Bag",
    "PROFESSION_TOOL": "Profession Tool",
}

ITEM_CLASSES: Mapping[int, tuple[str, Mapping[int, str]]] = {
    0: ("Consumable", {1: "Potions", 3: "Flasks & Phials", 5: "Food & Drink", 7: "Bandages", 8: "Other"}),
    1: ("Container", {0: "Bag", 2: "Herb Bag"}),
    2: ("Weapon", {0: "Axe", 4: "Mace", 7: "Sword", 10: "Staff", 15: "Dagger"}),
    3: ("Gem", {0: "Intellect", 4: "Agility", 9: "Other"}),
    4: ("Armor", {0: "Miscellaneous", 1: "Cloth", 2: "Leather", 3: "Mail", 4: "Plate"}),
    7: (
        "Tradeskill",
        {
            1: "Parts",
            4: "Jewelcrafting",
            5: "Cloth",
            6: "Leather",
            7: "Metal & Stone",
            8: "Cooking",
            9: "Herb",
            10: "Elemental",
            11: "Other",
            12: "Enchanting",
            16: "Inscription",
            18: "Optional Reagents",
            19: "Finishing Reagents",
        },
    ),
    8: ("Item Enhancement", {0: "Head", 14: "Misc"}),
    9: ("Recipe", {1: "Leatherworking", 2: "Tailoring", 4: "Blacksmithing", 6: "Alchemy"}),
    12: ("Quest", {0: "Quest"}),
    15: ("Miscellaneous", {0: "Junk", 2: "Companion Pets", 4: "Other"}),
    19: ("Profession", {0: "Blacksmithing", 2: "Alchemy"}),
}
"""Classes and their subclasses by id, as the game numbers them."""
