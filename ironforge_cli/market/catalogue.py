"""What can be traded and crafted: items, recipes and what recipes take."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Faction(StrEnum):
    """Who can craft a recipe; most can be crafted by everyone."""

    NEUTRAL = "Neutral"
    ALLIANCE = "Alliance"
    HORDE = "Horde"


@dataclass(frozen=True, slots=True)
class Item:
    """An item's name and kind; None where Blizzard says nothing."""

    id: int
    name: str | None
    level: int | None
    item_class: str | None
    item_subclass: str | None
    inventory_type: str | None
    is_equippable: bool | None
    is_stackable: bool | None
    quality: str | None
    crafting_category_id: int | None = None
    """Of modified crafting: slots of recipes name the categories that fit into them."""


@dataclass(frozen=True, slots=True)
class Reagent:
    """Units of an item that one craft takes; Blizzard lists some with 0."""

    item_id: int
    quantity: int
    optional: bool


@dataclass(frozen=True, slots=True)
class Recipe:
    """A recipe as one faction crafts it."""

    id: int
    faction: Faction
    name: str | None
    crafted_item_id: int | None
    """None where Blizzard names none, as for every recipe since Dragonflight."""
    reagents: tuple[Reagent, ...]
    answer: dict[str, Any]
    """Blizzard's answer, whole."""
    slots: int = 0
    """Slots that the crafter may fill: they name kinds of items, and are only in the answer."""
    surprises: tuple[str, ...] = ()
    """What of the answer is not as such answers are known to be; it could not be read."""


@dataclass(frozen=True, slots=True)
class Named:
    """A link of an index: a profession, a skill tier or a recipe of a tier."""

    id: int
    name: str | None


@dataclass(frozen=True, slots=True)
class SkillTier:
    """A tier of a profession, such as Dragon Isles Alchemy, and what it lists: not all of it are recipes."""

    id: int
    name: str | None
    recipes: tuple[Named, ...]
    """Each once, in Blizzard's order, though some stand in several categories."""


@dataclass(frozen=True, slots=True)
class SlotType:
    """A kind of slots that recipes have, and the categories of items that fit."""

    id: int
    categories: tuple[int, ...]
    """By rising id."""


@dataclass(frozen=True, slots=True)
class ItemPage:
    """What one search for items shows."""

    items: tuple[Item, ...]
    last_id: int
    """The highest that is listed, whether it could be read or not; 0 where none is."""
    more: bool
    """Whether more items match than a search may show."""
    malformed: int
    """Results that could not be read."""
