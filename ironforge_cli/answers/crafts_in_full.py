"""One craft in full: its row, the prices behind it, and the tree of what is made and bought for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ironforge_cli.answers.answer import MarketAnswer
from ironforge_cli.answers.crafted import Crafted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ironforge_cli.answers.crafted import Figured
    from ironforge_cli.answers.crafts import CraftsAnswer
    from ironforge_cli.answers.recipes import Recipes
    from ironforge_cli.market.crafting_costs import Line


@dataclass(frozen=True, slots=True)
class Taken:
    """Units of an item that a craft takes, and how they are had: bought, or made of `parts`; money in copper."""

    item_id: int
    item_name: str | None
    rank: int | None
    units: int
    required: bool
    made: bool
    cost: float | None
    """Of these units by themselves, as they are had; None where not all of it is known."""
    bought_cost: int | None
    """What buying all of them would cost; None where the book is short."""
    units_there: int
    """Of them those that can be bought."""
    dearest: int | None
    """The dearest unit, bought."""
    from_vendor: int
    recipe_id: int | None
    """The recipe that makes them, as the three below; None where they are bought."""
    faction: str | None
    recipe_name: str | None
    crafts: int | None
    """How often it is crafted."""
    parts: tuple[Taken, ...]
    """What these crafts take; nothing where the units are bought."""


@dataclass(frozen=True, slots=True)
class OpenSlot:
    """A slot of which Blizzard says what fits, and nobody how many units it takes, or whether it needs any."""

    slot: int
    item_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CraftInFull(Crafted):
    """The row of a craft with how it came about."""

    price: float | None
    """The newest `cheapest_15_percent_price` of what is made."""
    usual_price: float | None
    saved: float
    """What resourcefulness saves of the cost on the average."""
    depth: int | None
    """Crafts in a row: 1 where all is bought; None where nothing is known of what it takes."""
    takes: tuple[Taken, ...]
    open_slots: tuple[OpenSlot, ...]


def in_full(found: CraftsAnswer) -> MarketAnswer[CraftInFull]:
    """The rows of some crafts with all that they rest on; those of which anything is unknown, too."""
    return MarketAnswer(rows=tuple(_in_full(one, found) for one in found.figured), bases=found.bases)


def open_slots(one: Figured, found: CraftsAnswer) -> tuple[OpenSlot, ...]:
    """The slots of which Blizzard alone says anything, where nobody says all that the recipe takes."""
    if "slots_unknown" not in one.row.reasons:
        return ()
    known = {option.item_id for slot in one.craft.slots for option in slot.options}
    fitting = found.fitting.get((one.row.recipe_id, one.row.faction), {})
    return tuple(OpenSlot(slot, tuple(items)) for slot, items in fitting.items() if known.isdisjoint(items))


def _in_full(one: Figured, found: CraftsAnswer) -> CraftInFull:
    plan = one.plan()
    return CraftInFull(
        **{name: getattr(one.row, name) for name in Crafted.__slots__},
        price=one.price,
        usual_price=one.usual_price,
        saved=plan.saved,
        depth=_depth(plan.lines) if plan.lines else None,
        takes=tuple(_taken(line, found.recipes) for line in plan.lines),
        open_slots=open_slots(one, found),
    )


def _depth(lines: Iterable[Line]) -> int:
    return 1 + max((_depth(line.parts) for line in lines if line.maker is not None), default=0)


def _taken(line: Line, recipes: Recipes) -> Taken:
    named, bought, maker = recipes.named.get(line.item_id), line.bought, line.maker
    parts = tuple(_taken(part, recipes) for part in line.parts)
    bought_cost = bought.cost if bought.is_whole else None
    costs = [part.cost for part in parts]
    known = [cost for cost in costs if cost is not None]
    made_cost = sum(known) if len(known) == len(costs) else None
    return Taken(
        item_id=line.item_id,
        item_name=None if named is None else named.name,
        rank=None if named is None else named.rank,
        units=line.units,
        required=line.required,
        made=maker is not None,
        cost=bought_cost if maker is None else made_cost,
        bought_cost=bought_cost,
        units_there=bought.units,
        dearest=bought.dearest,
        from_vendor=bought.from_vendor,
        recipe_id=None if maker is None else maker.recipe_id,
        faction=None if maker is None else maker.faction,
        recipe_name=None if maker is None else recipes.rows[maker.recipe_id, maker.faction].name,
        crafts=None if maker is None else line.crafts,
        parts=parts,
    )
