"""What recipes make, by their names: the rule for recipes of which nothing else says it.

Since Dragonflight the API names no crafted item. Most recipes are called as what they make, and what they make in
several ranks are items of one name. A name alone says too much, since old items bear it too; the ids of one era lie
together, so that the right ones are those near the other outputs of the same skill tier. docs/crafting.md has the rule
in words, and how often it is right.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Final

from ironforge_cli.market.naming import folded

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

GAP: Final = 5_000
"""Ids further apart than this are of different clusters."""
NARROW_GAP: Final = 2_000
"""The same, where the wide one leaves neither one item nor one of each rank."""
FARTHEST: Final = 40_000
"""A cluster further from its tier's median is of another era."""
_DRAGONFLIGHT: Final = 2_822
_MIDNIGHT: Final = 2_906
# What recipes that turn one thing into another are called before what they make, in each language of the game.
_PREFIXES: Final = tuple(
    folded(prefix)
    for prefix in (
        "Transmute:",
        "Transmutieren:",
        "Transmutation :",
        "Transmutation:",
        "Transmutar:",
        "Transmutación:",
        "Transmutação:",
        "Trasmutazione:",
        "Трансмутация:",
        "변환식:",
        "변환:",
        "转化:",
        "轉化:",
    )
)


@dataclass(frozen=True, slots=True)
class NamedRecipe:
    """A recipe by what it is called, and where it is taught."""

    id: int
    name: str
    skill_tier_id: int | None


def is_modern(skill_tier_id: int | None) -> bool:
    """Whether a tier is of Dragonflight or later, whose recipes the API tells half of.

    >>> is_modern(2_751), is_modern(2_823), is_modern(None)
    (False, True, False)
    """
    return skill_tier_id is not None and skill_tier_id >= _DRAGONFLIGHT


def ranks_of(skill_tier_id: int | None) -> int:
    """How many ranks the things of a tier are made in, where they have any.

    >>> ranks_of(2_823), ranks_of(2_871), ranks_of(2_906), ranks_of(2_480)
    (3, 3, 2, 1)
    """
    if skill_tier_id is None or skill_tier_id < _DRAGONFLIGHT:
        return 1
    return 3 if skill_tier_id < _MIDNIGHT else 2


def key_of(name: str) -> str:
    """The name of what a recipe makes, as names are compared.

    >>> key_of("Transmute: Iron to Gold"), key_of("Thief\u2019s Ink") == key_of("thief's  ink")
    ('iron to gold', True)
    """
    whole = folded(name)
    for prefix in _PREFIXES:
        if whole.startswith(prefix):
            return whole.removeprefix(prefix).strip()
    return whole


def clusters(ids: Iterable[int], *, gap: int) -> list[list[int]]:
    """Cut sorted ids where the next is further away than a gap.

    >>> clusters([191_318, 5, 191_319, 6], gap=5_000)
    [[5, 6], [191318, 191319]]
    """
    rising = sorted(ids)
    found = [rising[:1]] if rising else []
    for before, after in pairwise(rising):
        if after - before > gap:
            found.append([])
        found[-1].append(after)
    return found


def outputs_by_name(recipes: Collection[NamedRecipe], items: Mapping[str, Sequence[int]]) -> dict[int, tuple[int, ...]]:
    """What recipes make, by their ids, as far as names tell; the ids of one set rise, and say nothing of ranks.

    `items` hold the ids of tradable items by their name's key (`key_of`). `recipes` should be all of their tiers, since
    a tier's own ids say which era it is of. A recipe that nothing near its tier is called like is left out.

    >>> recipes = [NamedRecipe(1, "Quiet Draught", 2_906), NamedRecipe(2, "Loud Draught", 2_906)]
    >>> items = {"quiet draught": [1_500, 241_000, 241_001], "loud draught": [241_010, 241_011]}
    >>> outputs_by_name(recipes, items)
    {1: (241000, 241001), 2: (241010, 241011)}
    """
    middles = _middles(recipes, items)
    found: dict[int, tuple[int, ...]] = {}
    for recipe in recipes:
        ids = items.get(key_of(recipe.name), ())
        middle = middles.get(recipe.skill_tier_id)
        if not ids or middle is None:
            continue
        chosen = _nearest(clusters(ids, gap=GAP), middle)
        # One alone stays one however it is cut.
        if len(chosen) != ranks_of(recipe.skill_tier_id):
            chosen = _nearest(clusters(ids, gap=NARROW_GAP), middle)
        if _distance(chosen, middle) <= FARTHEST:
            found[recipe.id] = tuple(chosen)
    return found


def _middles(recipes: Iterable[NamedRecipe], items: Mapping[str, Sequence[int]]) -> dict[int | None, float]:
    """The median id of each tier's outputs: of recipes whose candidates lie together."""
    of_tier: dict[int | None, dict[int, Sequence[int]]] = {}
    for recipe in recipes:
        # Of a tier that is not known nothing says which era it is of.
        if recipe.skill_tier_id is None:
            continue
        ids = items.get(key_of(recipe.name), ())
        if ids and len(clusters(ids, gap=GAP)) == 1:
            of_tier.setdefault(recipe.skill_tier_id, {})[recipe.id] = ids
    return {tier: median(one for ids in by_recipe.values() for one in ids) for tier, by_recipe in of_tier.items()}


def _nearest(found: Sequence[list[int]], middle: float) -> list[int]:
    return min(found, key=lambda cluster: _distance(cluster, middle))


def _distance(cluster: Sequence[int], middle: float) -> float:
    return min(abs(one - middle) for one in cluster)
