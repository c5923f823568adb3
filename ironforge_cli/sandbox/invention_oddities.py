"""What misleads whoever tells what recipes make by their names, or what things cost by what they are made of.

A thing of another era bears the name of what a new recipe makes, as in the real game; and recipes turn things into each
other, round and round. Neither is on the market more than before: what is traded stays as it is.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from ironforge_cli.sandbox.catalogue import InventedItem, InventedRecipe, Quantity

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

OTHER_ERA: Final = 190_000
"""Ids of another era's things begin here: further from all others than things of one era are."""
_HOMONYMS: Final = 12
_IN_A_LOOP: Final = 3
_TELLING: Final = 4
_MOST_STEPS: Final = 1_000


@dataclass(frozen=True, slots=True)
class _Used:
    """What of the items and recipes may be changed without anybody missing it."""

    idle: Sequence[InventedItem]
    """Neither worn nor traded, and no recipe's."""
    modern: Sequence[InventedRecipe]
    """Of which the API names no output."""
    old: Sequence[InventedRecipe]
    """Of which it names one."""


def with_oddities(
    items: Mapping[int, InventedItem],
    recipes: Mapping[int, InventedRecipe],
    *,
    tiers: Iterable[Sequence[int]],
    transmuting: Iterable[int],
) -> tuple[dict[int, InventedItem], dict[int, InventedRecipe]]:
    """Return items, by rising id, and recipes, with homonyms of another era and with a loop of transmutes.

    `tiers` are the recipes of each, and `transmuting` those among which the ones of the loop may be. Small catalogues
    have fewer of both, or none.
    """
    used = _used(items, recipes)
    homonyms = _homonyms(used, items, tiers)
    moved = {old.id for old, _ in homonyms}
    found = {number: item for number, item in items.items() if number not in moved}
    found |= {new.id: new for _, new in homonyms}
    changed = dict(recipes)
    loop = [recipes[number] for number in transmuting if number in {one.id for one in used.old}][:_IN_A_LOOP]
    changed |= {recipe.id: recipe for recipe in _loop(loop, items)}
    asking = next((one for one in used.old if one.id not in {recipe.id for recipe in loop}), None)
    if asking is not None and homonyms:
        # Whoever reads the catalogue by what recipes take has to meet both of a name.
        called = {new.name.english for _, new in homonyms}
        more = {item.id for item in found.values() if item.name.english in called and not item.is_equippable}
        more -= {asking.crafted_item, *(item for item, _ in (*asking.reagents, *asking.optional_reagents))}
        more_optional = tuple((item, 1) for item in sorted(more))
        changed[asking.id] = replace(asking, optional_reagents=(*asking.optional_reagents, *more_optional))
    return found, changed


def _used(items: Mapping[int, InventedItem], recipes: Mapping[int, InventedRecipe]) -> _Used:
    needed: set[int | None] = set()
    for one in recipes.values():
        needed |= {one.crafted_item, one.alliance_crafted_item, one.horde_crafted_item}
        needed |= {item for item, _ in (*one.reagents, *one.optional_reagents, *one.takes)}
    whole = [one for one in recipes.values() if one.is_recipe and one.status == 200]  # noqa: PLR2004 - it is shown
    return _Used(
        idle=[
            item
            for item in items.values()
            if not (item.is_commodity or item.is_equippable or item.removed or item.id in needed)
        ],
        modern=[one for one in whole if one.slots and one.reagents],
        old=[one for one in whole if one.crafted_item is not None and one.reagents],
    )


def _homonyms(
    used: _Used, items: Mapping[int, InventedItem], tiers: Iterable[Sequence[int]]
) -> list[tuple[InventedItem, InventedItem]]:
    """Idle items, each with itself under another number and the name of what a new recipe makes.

    Of what is traded in one rank, where the rule of names has to take the nearer, and of what is worn, where nothing
    that can be traded is near. These are of tiers that make more that is traded: a tier's other outputs tell
    its era.
    """
    of_name: dict[str, list[InventedItem]] = {}
    for item in items.values():
        of_name.setdefault(item.name.english, []).append(item)
    free = set(of_name) - {item.name.english for item in used.idle}
    names = {one.name.english: one.name for one in used.modern if one.name.english in free}
    traded = [name for name in names if len(of_name[name]) == 1 and _is_met(of_name[name][0])]
    of_recipe = {one.id: one.name.english for one in used.modern}
    telling = {
        number
        for tier in tiers
        if len({of_recipe[one] for one in tier if one in of_recipe and of_recipe[one] in traded}) >= _TELLING
        for number in tier
    }
    told = {name for number, name in of_recipe.items() if number in telling}
    untold = {name for number, name in of_recipe.items() if number not in telling}
    worn = [name for name in names if name in told - untold and all(item.is_equippable for item in of_name[name])]
    few = worn[: _HOMONYMS // 2]
    chosen = [*few, *traded[: _HOMONYMS - len(few)]]
    step = min(_MOST_STEPS, len(items))
    return [
        (idle, replace(idle, id=OTHER_ERA + step * place, name=names[name], is_unique=False))
        for place, (idle, name) in enumerate(zip(used.idle[-len(chosen) :] if chosen else (), chosen, strict=False))
    ]


def _is_met(item: InventedItem) -> bool:
    return item.is_commodity and not item.removed


def _loop(recipes: Sequence[InventedRecipe], items: Mapping[int, InventedItem]) -> list[InventedRecipe]:
    """Recipes that each turn one of several things into the next, the last into the first: of about one price."""
    times = Counter(item.name.english for item in items.values())
    traded = [item for item in items.values() if item.is_reagent and _is_met(item) and times[item.name.english] == 1]
    around = sorted(traded, key=lambda item: (item.base_price, item.id))
    middle = len(around) // 2
    chosen = around[middle : middle + len(recipes)]
    if len(chosen) < 2 or len(chosen) < len(recipes):  # noqa: PLR2004 - a loop takes two
        return []
    return [
        replace(
            recipe,
            name=replace(made.name, english=f"Transmute: {made.name.english}"),
            crafted_item=made.id,
            crafted_quantity=Quantity(minimum=1, maximum=1, form="value"),
            rank=None,
            reagents=((taken.id, 1),),
            optional_reagents=(),
        )
        for recipe, made, taken in zip(recipes, chosen, [*chosen[1:], chosen[0]], strict=True)
    ]
