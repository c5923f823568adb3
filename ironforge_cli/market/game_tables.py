"""The game's own tables as CSV: what recipes make and take, joined by spells.

A recipe is a spell (`SkillLineAbility`). Its effects name an item, or a row of `CraftingData` with the items that come
of it; its slots name categories of reagents, and other tables which items those are. Columns that aren't needed may be
there or not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ironforge_cli.market.given_recipes import CraftingFileError, GivenOutput, GivenRecipe, GivenSlot

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

_INT32: Final = 2**31 - 1
_MOST_RANKS: Final = 5
_REAGENTS: Final = 8
_MAKES_AN_ITEM: Final = {24, 157}
_CRAFTS: Final = {288, 301}
"""An item by `CraftingData`, and scrolls of an enchantment by it."""
_REQUIRED, _AUTOMATIC = 1, 3
"""Kinds of slots: what nobody puts in is no slot of a crafter's."""
_NEEDED: Final = 4
"""A flag of slots that are required though they are of another kind."""
_AFTER_SLOTS: Final = 1_000
"""Reagents that stand in no slot come behind those that do."""
COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "SpellEffect": ("SpellID", "Effect", "EffectItemType", "EffectMiscValue_0", "EffectBasePointsF"),
    "SpellReagents": ("SpellID", *(f"{name}_{place}" for name in ("Reagent", "ReagentCount") for place in range(8))),
    "CraftingData": ("ID", "CraftedItemID"),
    "CraftingDataEnchantQuality": ("ItemID", "CraftingDataID", "Rank"),
    "CraftingDataItemQuality": ("ItemID", "CraftingDataID"),
    "ModifiedCraftingSpellSlot": ("SpellID", "Slot", "ModifiedCraftingReagentSlotID", "ReagentCount"),
    "ModifiedCraftingReagentSlot": ("ID", "ReagentType", "Flags"),
    "MCRSlotXMCRCategory": ("ModifiedCraftingCategoryID", "ModifiedCraftingReagentSlotID"),
    "CraftingReagentQuality": ("ItemID", "ModifiedCraftingCategoryID"),
    "ModifiedCraftingItem": ("ID", "ModifiedCraftingReagentItemID", "CraftingQualityID"),
    "ModifiedCraftingReagentItem": ("ID", "ModifiedCraftingCategoryID"),
    "CraftingQuality": ("ID", "QualityTier"),
}
"""The columns that each table is known by and read for; the first that fits is meant."""


@dataclass(frozen=True, slots=True)
class GameTable:
    """The rows of a table: the values of its `COLUMNS`."""

    name: str
    rows: Sequence[tuple[float, ...]]


def name_of(columns: Collection[str]) -> str | None:
    """Which table has these columns; None where none that is known.

    >>> name_of(["ID", "ItemID", "CraftingDataID"]), name_of(["ID", "Taste"])
    ('CraftingDataItemQuality', None)
    """
    return next((name for name, needed in COLUMNS.items() if set(needed) <= set(columns)), None)


def row_of(table: str, row: Mapping[str, str]) -> tuple[float, ...] | None:
    """The values of a row; None of a spell's effect that makes nothing. Raises `ValueError` where one is no number."""
    if table == "SpellEffect" and _number(row, "Effect") not in _MAKES_AN_ITEM | _CRAFTS:
        return None
    return tuple(
        _units(row, column) if column == "EffectBasePointsF" else _number(row, column) for column in COLUMNS[table]
    )


def recipes_of(
    tables: Iterable[GameTable], spells: Mapping[int, int]
) -> tuple[tuple[GivenRecipe, ...], dict[int, int]]:
    """What the recipes of some spells make and take by the tables together, and ranks of items.

    Raises `CraftingFileError` where a table is there twice, or says nothing without another that is not there.
    """
    found: dict[str, Sequence[tuple[float, ...]]] = {}
    for one in tables:
        if one.name in found:
            raise CraftingFileError(f"the table {one.name} is there twice")
        found[one.name] = one.rows
    _require_together(found, are_spells_known=bool(spells))
    ranks = _ranks(found)
    outputs = _outputs(found, spells, ranks)
    slots = _slots(found, spells, ranks)
    recipes = tuple(
        GivenRecipe(
            f"spell {spell}", spell=spell, outputs=tuple(outputs.get(spell, ())), slots=tuple(slots.get(spell, ()))
        )
        for spell in sorted({one for one in (*outputs, *slots) if outputs.get(one) or slots.get(one)})
    )
    return recipes, ranks


def _require_together(found: Collection[str], *, are_spells_known: bool) -> None:
    if not are_spells_known:
        raise CraftingFileError("tables of the game need SkillLineAbility beside them: which recipe a spell is")
    wanted: list[tuple[str, str]] = []
    if "ModifiedCraftingSpellSlot" in found:
        wanted += [(one, "ModifiedCraftingSpellSlot") for one in ("ModifiedCraftingReagentSlot", "MCRSlotXMCRCategory")]
        if "CraftingReagentQuality" not in found:
            wanted += [
                (one, "ModifiedCraftingSpellSlot") for one in ("ModifiedCraftingItem", "ModifiedCraftingReagentItem")
            ]
    if "SpellReagents" in found:
        # By these alone a recipe would seem to take less than it does.
        wanted.append(("ModifiedCraftingSpellSlot", "SpellReagents"))
    for one in ("CraftingData", "CraftingDataItemQuality", "CraftingDataEnchantQuality"):
        if one in found:
            wanted.append(("SpellEffect", one))
    for needed, by in wanted:
        if needed not in found:
            raise CraftingFileError(f"the table {by} says nothing whole without {needed}: import them together")


def _ranks(found: Mapping[str, Sequence[tuple[float, ...]]]) -> dict[int, int]:
    """Ranks of items by their quality; without the table of qualities, or of none of them, nothing is known."""
    tiers = {int(quality): int(tier) for quality, tier in found.get("CraftingQuality", ())}
    ranks: dict[int, int] = {}
    for item, _, quality in found.get("ModifiedCraftingItem", ()):
        tier = tiers.get(int(quality), 0)
        if item > 0 and 1 <= tier <= _MOST_RANKS:
            ranks[int(item)] = tier
    return ranks


def _outputs(
    found: Mapping[str, Sequence[tuple[float, ...]]], spells: Mapping[int, int], ranks: Mapping[int, int]
) -> dict[int, list[GivenOutput]]:
    made_of: dict[int, dict[int, int | None]] = {}
    for number, item in found.get("CraftingData", ()):
        if item > 0:
            made_of.setdefault(int(number), {})[int(item)] = None
    for item, number in found.get("CraftingDataItemQuality", ()):
        if item > 0:
            made_of.setdefault(int(number), {})[int(item)] = None
    for item, number, rank in found.get("CraftingDataEnchantQuality", ()):
        if item > 0:
            made_of.setdefault(int(number), {})[int(item)] = int(rank) if 1 <= rank <= _MOST_RANKS else None
    outputs: dict[int, dict[int, GivenOutput]] = {}
    for spell, effect, item, crafting, units in found.get("SpellEffect", ()):
        if int(spell) not in spells:
            continue
        items = {int(item): None} if effect in _MAKES_AN_ITEM and item > 0 else {}
        if effect in _CRAFTS:
            items = made_of.get(int(crafting), {})
        for number, rank in items.items():
            one = GivenOutput(number, rank if rank is not None else ranks.get(number), units or None)
            outputs.setdefault(int(spell), {}).setdefault(number, one)
    return {spell: list(some.values()) for spell, some in outputs.items()}


def _slots(
    found: Mapping[str, Sequence[tuple[float, ...]]], spells: Mapping[int, int], ranks: Mapping[int, int]
) -> dict[int, list[GivenSlot]]:
    """What spells take; of one that requires what no item is, nothing: not all of it can be said."""
    options = _options(found)
    kinds = {int(slot): (int(kind), int(flags)) for slot, kind, flags in found.get("ModifiedCraftingReagentSlot", ())}
    slots: dict[int, dict[tuple[int, int], GivenSlot]] = {}
    unknown: set[int] = set()
    for spell, place, slot, count in map(_integers, found.get("ModifiedCraftingSpellSlot", ())):
        kind, flags = kinds.get(slot, (_REQUIRED, 0))
        if spell not in spells or kind == _AUTOMATIC:
            continue
        is_required = kind == _REQUIRED or bool(flags & _NEEDED)
        if is_required and not options.get(slot):
            unknown.add(spell)
        for item in options.get(slot, ()):
            one = GivenSlot(place, item, ranks.get(item), count or None, is_required)
            slots.setdefault(spell, {})[place, item] = one
    for spell, *reagents in map(_integers, found.get("SpellReagents", ())):
        if spell not in spells:
            continue
        for place, (item, count) in enumerate(zip(reagents[:_REAGENTS], reagents[_REAGENTS:], strict=True)):
            if item > 0:
                one = GivenSlot(_AFTER_SLOTS + place, item, ranks.get(item), count or None, required=True)
                slots.setdefault(spell, {})[one.slot, item] = one
    return {spell: list(some.values()) for spell, some in slots.items() if spell not in unknown}


def _options(found: Mapping[str, Sequence[tuple[float, ...]]]) -> dict[int, list[int]]:
    """The items that fit into each kind of slots."""
    of_category: dict[int, dict[int, None]] = {}
    category_of = {int(one): int(category) for one, category in found.get("ModifiedCraftingReagentItem", ())}
    for item, category in map(_integers, found.get("CraftingReagentQuality", ())):
        of_category.setdefault(category, {})[item] = None
    for item, reagent, _ in map(_integers, found.get("ModifiedCraftingItem", ())):
        if reagent in category_of:
            of_category.setdefault(category_of[reagent], {})[item] = None
    options: dict[int, dict[int, None]] = {}
    for category, slot in map(_integers, found.get("MCRSlotXMCRCategory", ())):
        for item in of_category.get(category, {}):
            if item > 0:
                options.setdefault(slot, {})[item] = None
    return {slot: sorted(items) for slot, items in options.items()}


def _integers(row: Iterable[float]) -> tuple[int, ...]:
    return tuple(map(int, row))


def _number(row: Mapping[str, str], column: str) -> int:
    """A whole number, which in these tables can be below 0 where it stands for nothing."""
    value = row[column]
    digits = value.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= len(str(_INT32)) and int(digits) <= _INT32):
        raise ValueError(f"{column} is {value!r}, and no whole number up to {_INT32}")
    return int(value)


def _units(row: Mapping[str, str], column: str) -> float:
    """Units of a craft; 0 where it is none that can be."""
    value = float(row[column])
    if not math.isfinite(value) or abs(value) > _INT32:
        raise ValueError(f"{column} is {row[column]!r}, and no number up to {_INT32}")
    return max(value, 0.0)
