"""Invents professions, skill tiers and recipes over a catalogue's items, oddities of the real ones included."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from ironforge_cli.sandbox.catalogue import (
    Category,
    InventedItem,
    InventedRecipe,
    InventedSkillTier,
    Profession,
    Quantity,
)
from ironforge_cli.sandbox.words import LANDS, Name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

# Ids and names of the professions are facts of the game; the pseudo-professions are invented.
_CRAFTS = {
    171: "Alchemy",
    164: "Blacksmithing",
    185: "Cooking",
    333: "Enchanting",
    202: "Engineering",
    773: "Inscription",
    755: "Jewelcrafting",
    165: "Leatherworking",
    197: "Tailoring",
}
_GATHERING = {182: "Herbalism", 186: "Mining", 393: "Skinning", 356: "Fishing"}
_WITHOUT_TIERS = {794: "Archaeology"}
_PSEUDO = (
    *("Lamp Tending", "Cairn Stacking", "Kite Rigging", "Ledger Keeping", "Gull Feeding", "Mast Carving"),
    *("Ash Reading", "Tide Charting", "Root Whispering", "Bell Casting", "Echo Binding"),
)
_MAKES = {
    171: {"potion", "dust"},
    164: {"weapon", "armor", "metal"},
    185: {"food"},
    333: {"oil", "dust"},
    202: {"part", "weapon"},
    773: {"ink", "plan", "curio"},
    755: {"gem"},
    165: {"leather", "armor"},
    197: {"cloth", "bag"},
}
"""Which kinds of items each craft makes."""
_PSEUDO_WITH_TIER = 7
_SECONDARY = {185, 356, 794}
_INDEX_ORDER_SEED = 25

_MODERN_LANDS = 3
"""Recipes of the newest places name no crafted item and no quantity."""
_CATEGORIES = ("Provisions", "Materials", "Curiosities", "Garb", "Transmutations", "Finishing Touches", "Outlines")
_GATHERED = ("Silted Bream", "Lanternfin", "Wayside Sprig", "Knotted Vine", "Shale Vein", "Loose Scree")
_REWORK = "Rework a Finished Piece"

_FIRST_RECIPE_ID = 1_377
_FIRST_TIER_ID = 2_437
_FIRST_PSEUDO_ID = 2_777
_ERAS = (2_822, 2_871, 2_906)
"""The first skill tier of Dragonflight, The War Within and Midnight: a fact of the game."""
_SLOT_TYPES = range(47, 447, 4)
_MATERIALS_AT_MOST = 1_925
"""About as many different reagents as the real recipes use."""


@dataclass(frozen=True, slots=True)
class Crafts:
    """What `invent_crafts` returns; the fields are those of `Catalogue`."""

    professions: Mapping[int, Profession]
    tiers: Mapping[int, InventedSkillTier]
    recipes: Mapping[int, InventedRecipe]
    slot_types: Mapping[int, Name | None]
    slot_categories: Mapping[int, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class _Plot:
    """A tier before its recipes are known."""

    id: int
    profession: int
    name: Name
    land: int
    crafts: bool


def _plots() -> list[_Plot]:
    """Every skill tier: crafts have one for each land, gathering for the newest, some pseudo-professions one."""
    wanted: list[tuple[int, str, int, bool]] = []
    for profession, craft in _CRAFTS.items():
        for land, place in enumerate(LANDS):
            # The real API joins two names with a slash where the factions learn in different places.
            name = f"{place} {craft} / Lee Shore {craft}" if place == "Saltmarsh" else f"{place} {craft}"
            wanted.append((profession, name, land, True))
    for profession, craft in _GATHERING.items():
        wanted += [
            (profession, f"{LANDS[land]} {craft}", land, False)
            for land in range(len(LANDS) - _MODERN_LANDS, len(LANDS))
        ]
    wanted += [
        (_FIRST_PSEUDO_ID + 16 * k, craft, len(LANDS) - 1, False) for k, craft in enumerate(_PSEUDO[:_PSEUDO_WITH_TIER])
    ]
    return [
        _Plot(id=_tier_id(k, profession, land), profession=profession, name=Name(name), land=land, crafts=crafts)
        for k, (profession, name, land, crafts) in enumerate(wanted)
    ]


def _tier_id(k: int, profession: int, land: int) -> int:
    """Ids of the newest lands' tiers lie where those of the game's last three expansions do: they tell the era."""
    era = land - (len(LANDS) - _MODERN_LANDS)
    learnt = (*_CRAFTS, *_GATHERING)
    if era < 0 or profession not in learnt:
        return _FIRST_TIER_ID + 3 * k
    return _ERAS[era] + 2 * learnt.index(profession)


def _whole(numbers: NDArray[np.int64]) -> list[int]:
    return numbers.tolist()


def _quantity(k: int) -> Quantity:
    if k % 7 == 0:
        return Quantity(minimum=1, maximum=1 + k % 4, form="range")
    return Quantity(minimum=1 + (k % 5 == 0), maximum=1 + (k % 5 == 0), form="float_value" if k % 2 else "value")


def _reagents(rng: np.random.Generator, materials: Sequence[InventedItem], *, land: int) -> tuple[tuple[int, int], ...]:
    """One to six different materials, mostly of the recipe's own part of the world."""
    centre = (land + 0.5) / len(LANDS) * len(materials)
    around = rng.normal(centre, max(3.0, len(materials) / 30), int(rng.integers(1, 7))).astype(np.int64)
    chosen = [materials[row].id for row in _whole(np.unique(np.clip(around, 0, len(materials) - 1)))]
    return tuple(zip(chosen, _whole(rng.integers(1, 21, len(chosen))), strict=True))


def _old_recipe(recipe: InventedRecipe, *, k: int, products: Sequence[InventedItem]) -> InventedRecipe:
    """Name what the recipe makes, as recipes of the older lands do: one item, or one for each faction."""
    product = products[k % len(products)]
    recipe = replace(
        recipe,
        crafted_quantity=_quantity(k),
        rank=1 + k % 3 if k % 9 == 0 else None,
        reagents=tuple(pair for pair in recipe.reagents if pair[0] != product.id),
    )
    if k % 23 == 3:  # noqa: PLR2004 - one in 23 makes another item for each faction.
        twin = products[(k + 1) % len(products)]
        return replace(recipe, name=product.name, alliance_crafted_item=product.id, horde_crafted_item=twin.id)
    return replace(recipe, name=product.name, crafted_item=product.id)


def _modern_recipe(recipe: InventedRecipe, *, k: int, products: Sequence[InventedItem]) -> InventedRecipe:
    """Leave out what the recipe makes and offer slots instead; of what it requires some or all is left out as well."""
    listed = recipe.reagents[:1] if k % 3 == 1 else recipe.reagents
    return replace(
        recipe,
        name=products[k % len(products)].name,
        slots=tuple(_SLOT_TYPES[(k + j) % len(_SLOT_TYPES)] for j in range(1 + k % 5)),
        reagents=() if k % 3 == 0 else listed,
        takes=tuple((item, units) for item, units in recipe.reagents if units),
    )


def _recipe(
    rng: np.random.Generator,
    recipe_id: int,
    *,
    k: int,
    land: int,
    materials: Sequence[InventedItem],
    products: Sequence[InventedItem],
) -> InventedRecipe:
    """Invent one recipe; `k` numbers it, and says which of the rarer forms it takes."""
    reagents = _reagents(rng, materials, land=land)
    if k % 29 == 4:  # noqa: PLR2004 - one in 29 lists a reagent of which none is needed.
        reagents = ((reagents[0][0], 0), *reagents[1:])
    if k % 37 == 5:  # noqa: PLR2004 - one in 37 lists a reagent twice.
        reagents = (*reagents, (reagents[-1][0], 2))
    taken = {item for item, _ in reagents}
    spare = next((item.id for item in materials if item.id not in taken), None)
    optional = ((spare, 1),) if k % 31 == 6 and spare is not None else ()  # noqa: PLR2004 - one in 31 lists some.
    if k % 93 == 6:  # noqa: PLR2004 - and of those one in three lists one that it needs as well.
        optional = (*optional, (reagents[-1][0], 1))
    recipe = InventedRecipe(
        id=recipe_id,
        name=Name(""),
        reagents=reagents,
        optional_reagents=optional,
        has_description=k % 4 == 0,
        description="Worth the trouble." if k % 8 == 0 else None,
        status={11: 403, 12: 404}.get(k % 59, 200),
        unnamed_in_tier=k % 53 == 9,  # noqa: PLR2004 - one in 53 has no name in its tier.
    )
    if land < len(LANDS) - _MODERN_LANDS:
        return _old_recipe(recipe, k=k, products=products)
    return _modern_recipe(recipe, k=k, products=products)


def _categories(ids: Sequence[int], *, plot: _Plot) -> tuple[Category, ...]:
    """Sort a tier's recipes under headings: one heading without a name, one recipe under two of them."""
    split = [ids[start : start + 12] for start in range(0, len(ids), 12)]
    categories = [
        Category(
            name=None if (plot.id + k) % 19 == 0 else Name(_CATEGORIES[(plot.id + k) % len(_CATEGORIES)]),
            recipes=tuple(part),
        )
        for k, part in enumerate(split)
    ]
    if len(ids) > 1 and plot.id % 2 == 0:
        categories.append(Category(name=Name("Staples"), recipes=(ids[0],)))
    return tuple(categories)


def _professions(plots: Sequence[_Plot]) -> dict[int, Profession]:
    pseudo = {_FIRST_PSEUDO_ID + 16 * k: name for k, name in enumerate(_PSEUDO)}
    tiers: dict[int, list[int]] = {}
    for plot in plots:
        tiers.setdefault(plot.profession, []).append(plot.id)
    every = [
        Profession(
            id=profession,
            name=Name(name),
            description=f"Those who practise {name.lower()} are never without work.",
            type="SECONDARY" if profession in _SECONDARY or profession in pseudo else "PRIMARY",
            tiers=tuple(tiers[profession]) if profession in tiers else None,
        )
        for profession, name in {**_CRAFTS, **_GATHERING, **_WITHOUT_TIERS, **pseudo}.items()
    ]
    order = _whole(np.random.default_rng(_INDEX_ORDER_SEED).permutation(len(every)))
    return {every[k].id: every[k] for k in order}


def _entries_that_are_no_recipes(plot: _Plot) -> list[Name]:
    """What a tier lists beside recipes: fish and herbs where one gathers, reworking in the newest crafts."""
    if plot.crafts:
        return [Name(_REWORK)] if plot.land >= len(LANDS) - _MODERN_LANDS else []
    return [Name(_GATHERED[(plot.id + k) % len(_GATHERED)]) for k in range(plot.id // 3 % 3)]


def _teach_in_two_tiers(tiers: dict[int, InventedSkillTier], plots: Sequence[_Plot]) -> None:
    """Let the first recipe of each craft's oldest tier stand in its second as well, its newest's in another craft."""
    for older, newer in pairwise(plots):
        if older.profession == newer.profession and older.land != 0:
            continue
        source, target = tiers[older.id].categories, tiers[newer.id].categories
        if source and target:
            shared = Category(name=Name("Old Favourites"), recipes=source[0].recipes[:1])
            tiers[newer.id] = replace(tiers[newer.id], categories=(*target, shared))


def _products(items: Mapping[int, InventedItem]) -> dict[int, Sequence[InventedItem]]:
    """The items that each craft makes; every item where a small catalogue has none of the craft's kinds."""
    everything = list(items.values())
    return {
        profession: [item for item in everything if item.name.kind in kinds] or everything
        for profession, kinds in _MAKES.items()
    }


def invent_crafts(rng: np.random.Generator, *, items: Mapping[int, InventedItem], recipes: int) -> Crafts:
    """Invent every profession and tier, and `recipes` recipes spread over the tiers of the crafts.

    Beside those each tier lists a few entries that are no recipes, as the real tiers do: they answer with
    a name alone, or 404.
    """
    plots = _plots()
    crafting = [plot for plot in plots if plot.crafts]
    traded = [item for item in items.values() if item.is_commodity]
    reagents = [item for item in traded if item.is_reagent] or traded
    materials = reagents[:: max(1, -(-len(reagents) // _MATERIALS_AT_MOST))]
    products = _products(items)
    most = recipes + 2 * len(plots)
    steps = 1 + (rng.random(most) < 0.3) * rng.integers(1, 9, most)  # noqa: PLR2004 - three in ten ids follow a gap.
    ids = iter(_whole(_FIRST_RECIPE_ID + np.cumsum(steps)))
    share = _whole(rng.multinomial(recipes, rng.dirichlet(np.full(len(crafting), 8.0))))
    of_each = {plot.id: count for plot, count in zip(crafting, share, strict=True)}
    every: dict[int, InventedRecipe] = {}
    tiers: dict[int, InventedSkillTier] = {}
    for plot in plots:
        made = [
            _recipe(
                rng,
                next(ids),
                k=len(every) + k,
                land=plot.land,
                materials=materials,
                products=products[plot.profession],
            )
            for k in range(of_each.get(plot.id, 0))
        ]
        made += [
            InventedRecipe(id=next(ids), name=name, is_recipe=False, status=404 if (plot.id + k) % 2 else 200)
            for k, name in enumerate(_entries_that_are_no_recipes(plot))
        ]
        every |= {recipe.id: recipe for recipe in made}
        tiers[plot.id] = InventedSkillTier(
            id=plot.id,
            name=plot.name,
            maximum_skill_level=300 if plot.land == 0 else 100,
            categories=_categories([recipe.id for recipe in made], plot=plot) if made else None,
        )
    _teach_in_two_tiers(tiers, crafting)
    slot_types = {
        slot: None if slot % 5 == 0 else Name(reagents[k % len(reagents)].name.english)
        for k, slot in enumerate(_SLOT_TYPES)
    }
    fitting = [item.crafting_category for item in materials if item.crafting_category is not None]
    slot_categories = {
        slot: tuple(sorted({fitting[(3 * k + j) % len(fitting)] for j in range(1 + k % 3)})) if fitting else ()
        for k, slot in enumerate(_SLOT_TYPES)
    }
    return Crafts(
        professions=_professions(plots),
        tiers=tiers,
        recipes=every,
        slot_types=slot_types,
        slot_categories=slot_categories,
    )
