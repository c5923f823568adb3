"""Invents a catalogue of any size from a seed: the same seed and sizes give the same catalogue everywhere."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ironforge_cli.sandbox.catalogue import QUALITIES, Catalogue, InventedItem
from ironforge_cli.sandbox.invention_oddities import with_oddities
from ironforge_cli.sandbox.invention_recipes import invent_crafts
from ironforge_cli.sandbox.words import FIRST, LANDS, SECOND, Name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

MOST_COMMODITIES = 12_000
"""About as many different commodities as a real region trades."""

_MOST_ITEMS = 300_000
_TRADESKILL = 7
_ALCHEMY = 171
_FIRST_ITEM_ID = 1_804
_RANKED_RUNS = 4
"""Every fourth run of three commodities is one thing in three ranks: one name, neighbouring ids, rising prices."""
_PLACEHOLDER_EVERY = 151
_REMOVED_EVERY = 97
_UNSEARCHABLE_EVERY = 61


@dataclass(frozen=True, slots=True)
class _Family:
    """Items that share a use, and the shape of their names."""

    kind: str
    item_class: int
    item_subclass: int
    patterns: tuple[str, ...]
    """`{}` is an invented word; a pattern that starts with it compounds, as in `Gloamcap`."""
    price: int = 0
    """Typical price of a unit in copper; 0 for what doesn't stack, which no region trades."""
    inventory_type: str = "NON_EQUIP"

    @property
    def stackable(self) -> bool:
        """Whether a bag holds many of it in one place."""
        return self.price > 0


_COMMODITIES = (
    _Family("herb", 7, 9, ("{}cap", "{}wort", "{}root", "{}petal", "{}moss"), 48_000),
    _Family("metal", 7, 7, ("{}ite Ore", "{}ite Slag", "{}ite Ingot", "{} Nodule"), 61_000),
    _Family("cloth", 7, 5, ("{}weft Cloth", "{}weft Bolt", "{} Selvage"), 35_000),
    _Family("leather", 7, 6, ("{} Pelt", "{} Rawhide", "{} Carapace Plate"), 52_000),
    _Family("food", 7, 8, ("{} Haunch", "{} Roe", "{} Fillet"), 9_000),
    _Family("dust", 7, 12, ("{} Grit", "{} Sliver", "{} Residuum"), 120_000),
    _Family("gem", 7, 4, ("{} Beryl", "{} Zircon", "{} Feldspar"), 260_000),
    _Family("ink", 7, 16, ("{} Ink", "{} Pigment Cake"), 44_000),
    _Family("part", 7, 1, ("{} Cogwheel", "{} Coil", "{} Gasket Set"), 70_000),
    _Family("potion", 0, 1, ("{} Draught", "{} Cordial"), 330_000),
    _Family("potion", 0, 3, ("{} Tincture Phial",), 900_000),
    _Family("food", 0, 5, ("{} Hotpot", "{} Flatbread", "{} Dumplings"), 80_000),
    _Family("cloth", 0, 7, ("{}weft Dressing",), 21_000),
    _Family("oil", 8, 14, ("{} Honing Oil", "{} Armor Tallow"), 610_000),
    _Family("part", 7, 18, ("{} Missive Seal", "{} Keepsake"), 1_900_000),
    _Family("dust", 7, 19, ("{} Finishing Salt",), 240_000),
)

_OTHERS = (
    _Family("weapon", 2, 7, ("{} Cleaver", "{} Longblade"), inventory_type="WEAPON"),
    _Family("weapon", 2, 10, ("{} Crook", "{} Walking Stave"), inventory_type="TWOHWEAPON"),
    _Family("armor", 4, 1, ("{}weft Hood", "{}weft Mantle"), inventory_type="HEAD"),
    _Family("armor", 4, 2, ("{} Jerkin", "{} Brigandine"), inventory_type="CHEST"),
    _Family("armor", 4, 3, ("{} Linked Leggings",), inventory_type="LEGS"),
    _Family("armor", 4, 4, ("{} Sallet", "{} Spiked Greaves"), inventory_type="FEET"),
    _Family("gem", 4, 0, ("{} Signet Band",), inventory_type="FINGER"),
    _Family("plan", 9, 4, ("Diagram: {} Cleaver", "Diagram: {} Sallet")),
    _Family("bag", 1, 0, ("{}weft Satchel",), inventory_type="BAG"),
    _Family("part", 19, 0, ("{} Workbench Tongs",), inventory_type="PROFESSION_TOOL"),
    _Family("curio", 15, 4, ("{} Bauble", "Letter from {}")),
    _Family("curio", 12, 0, ("{} Token of Errand",)),
)

_DESCRIPTIONS = {
    "herb": "Gathered where few people walk. Can be bought and sold on the Auction House.",
    "metal": "Heavier than it looks. Can be bought and sold on the Auction House.",
    "curio": "Somebody must be missing this.",
}


def _stem(index: int, *, adjectives: int) -> str:
    """Return an invented word behind so many adjectives; `index` numbers the combinations.

    >>> _stem(0, adjectives=0), _stem(1, adjectives=1)
    ('Gloam', 'Pallid Brindle')
    """
    rest, word = divmod(index, len(FIRST))
    chosen: list[str] = []
    for _ in range(adjectives):
        rest, which = divmod(rest, len(SECOND))
        chosen.append(SECOND[which].capitalize())
    return " ".join([*chosen, FIRST[word]])


def _names(rng: np.random.Generator, family: _Family) -> Iterator[Name]:
    """Names of one family, each once, in an order of their own; those with fewer adjectives come first."""
    for adjectives in range(4):
        patterns = len(family.patterns)
        order: list[int] = rng.permutation(len(FIRST) * len(SECOND) ** min(adjectives, 2) * patterns).tolist()
        for index in order:
            stem = _stem(index // patterns, adjectives=adjectives)
            yield Name(family.patterns[index % patterns].format(stem), kind=family.kind)


def _runs(*, items: int, commodities: int) -> NDArray[np.int64]:
    """Number the run of three commodities to which each item belongs; -1 for what is not traded.

    Runs are spread evenly over all items, so that old and new parts of the world both have a market.
    """
    which = np.arange(commodities)
    place = (which // 3) * 3 * items // commodities + which % 3
    runs = np.full(items, -1, dtype=np.int64)
    runs[place] = which // 3
    return runs


def _ids(rng: np.random.Generator, runs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Item ids with gaps as real ones have, and none inside a run of commodities."""
    steps = 1 + (rng.random(len(runs)) < 0.4) * rng.integers(1, 3, len(runs))  # noqa: PLR2004 - two in five ids follow a gap.
    steps[1:][(runs[1:] >= 0) & (runs[1:] == runs[:-1])] = 1
    return _FIRST_ITEM_ID + np.cumsum(steps)


def _round_to_silver(copper: float) -> int:
    """Round to the market's smallest step, at least one.

    >>> _round_to_silver(12_345.6), _round_to_silver(3.0)
    (12300, 100)
    """
    return max(100, round(copper / 100) * 100)


def _invent_items(rng: np.random.Generator, *, items: int, commodities: int) -> dict[int, InventedItem]:
    runs = _runs(items=items, commodities=commodities)
    ids: list[int] = _ids(rng, runs).tolist()
    commodity: list[int] = rng.integers(0, len(_COMMODITIES), items).tolist()
    other: list[int] = rng.integers(0, len(_OTHERS), items).tolist()
    names = {family: _names(rng, family) for family in (*_COMMODITIES, *_OTHERS)}
    quality: list[str] = rng.choice(list(QUALITIES), size=items, p=[0.04, 0.46, 0.26, 0.16, 0.075, 0.005]).tolist()
    spread: list[float] = np.exp(rng.normal(0.0, 1.4, items)).tolist()
    vendor: list[int] = rng.integers(1, 9_000, items).tolist()
    found: dict[int, InventedItem] = {}
    rank, first = 0, 0
    for k, (item_id, run) in enumerate(zip(ids, runs.tolist(), strict=True)):
        same_name = run >= 0 and run % _RANKED_RUNS == 0 and k > 0 and runs[k - 1] == run
        rank, first = (rank + 1, first) if same_name else (0, k)
        family = _COMMODITIES[commodity[first]] if run >= 0 else _OTHERS[other[k]]
        name = found[ids[first]].name if same_name else next(names[family])
        if not same_name and k % _PLACEHOLDER_EVERY == _PLACEHOLDER_EVERY // 2:
            name = replace(name, only_english=True)
        land = k * len(LANDS) // items
        equippable = family.inventory_type != "NON_EQUIP"
        found[item_id] = InventedItem(
            id=item_id,
            name=name,
            quality=quality[first],
            level=1 + land * 60,
            required_level=land * 7 if equippable else 0,
            item_class=family.item_class,
            item_subclass=family.item_subclass,
            inventory_type=family.inventory_type,
            purchase_price=vendor[k] * 5,
            sell_price=vendor[k],
            is_stackable=family.stackable,
            is_unique=not family.stackable and k % 5 == 0,
            description=_DESCRIPTIONS.get(family.kind),
            is_reagent=family.item_class == _TRADESKILL,
            base_price=_round_to_silver(family.price * spread[first] * 1.7**rank) if run >= 0 else 0,
            removed=k % _REMOVED_EVERY == _REMOVED_EVERY // 2,
            unsearchable=k % _UNSEARCHABLE_EVERY == _UNSEARCHABLE_EVERY // 2,
        )
    return found


def invent(*, seed: int, items: int, recipes: int, commodities: int | None = None) -> Catalogue:
    """Invent a catalogue of `items` items, `commodities` of which are traded, and `recipes` recipes.

    Without `commodities` two thirds of the items are traded, as long as those are not more than a real
    region trades. Raises `ValueError` for sizes that no catalogue can have.
    """
    if not 0 < items <= _MOST_ITEMS:
        raise ValueError(f"a catalogue has 1 to {_MOST_ITEMS} items, not {items}")
    if commodities is None:
        commodities = max(1, min(items * 2 // 3, MOST_COMMODITIES))
    if not 0 < commodities <= items:
        raise ValueError(f"of {items} items {commodities} can't be commodities")
    found = _invent_items(np.random.default_rng([seed, 1]), items=items, commodities=commodities)
    crafts = invent_crafts(np.random.default_rng([seed, 2]), items=found, recipes=recipes)
    listed = {
        number: [one for category in tier.categories or () for one in category.recipes]
        for number, tier in crafts.tiers.items()
    }
    alchemy = dict.fromkeys(one for tier in crafts.professions[_ALCHEMY].tiers or () for one in listed[tier])
    found, changed = with_oddities(found, crafts.recipes, tiers=list(listed.values()), transmuting=alchemy)
    return Catalogue(
        items=found,
        professions=crafts.professions,
        tiers=crafts.tiers,
        recipes=changed,
        slot_types=crafts.slot_types,
        slot_categories=crafts.slot_categories,
    )
