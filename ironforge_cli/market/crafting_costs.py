"""What crafts cost: each reagent bought or made, whichever is cheaper, and all that is bought costed once.

A reagent is decided upon by itself: all its units are bought from the book's start, or made by whole crafts of one
recipe. What the whole tree buys of an item is then costed together, since one book serves it; where that makes
something that is made dearer than buying it, it is bought after all. Nothing is made of itself, so that loops of
transmutations end; and a craft of which anything is unknown is never used.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import numpy as np

from ironforge_cli.market.craft_table import CraftTable, inner
from ironforge_cli.market.crafting import saved_share
from ironforge_cli.market.filled_slots import filled_slots
from ironforge_cli.market.least_costs import Makers, least_costs
from ironforge_cli.market.loops import loops_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ironforge_cli.market.books import Books, Purchase
    from ironforge_cli.market.crafting import Craft, Crafter, Slot
    from ironforge_cli.market.least_costs import LeastCosts

Places: TypeAlias = "Sequence[tuple[int, Sequence[int]]]"
"""Units and options of each slot that a recipe fills."""
_DEEPEST: Final = 40
"""Crafts within crafts: deeper ones are bought."""
_SMALL_LOOP: Final = 8
_LARGE_LOOP_DEPTH: Final = 2
"""Of loops of more items than a small one's only so many crafts in a row are tried: their paths are too many."""


@dataclass(frozen=True, slots=True)
class Line:
    """Units of an item that a craft takes, and how they are had."""

    item_id: int
    units: int
    required: bool
    bought: Purchase
    """What buying them by themselves costs."""
    maker: Craft | None = None
    """The recipe that makes them, where that is cheaper."""
    crafts: int = 0
    parts: tuple[Line, ...] = ()
    """What these crafts take."""


@dataclass(frozen=True, slots=True)
class CraftingPlan:
    """How a batch is crafted, and what that costs; copper."""

    lines: tuple[Line, ...]
    purchases: tuple[Purchase, ...]
    """What is bought, an item once, by rising id."""
    cost: float | None
    """None where anything of it is not known."""
    cost_floor: float | None
    """What is known of the cost: all of it where the cost is known, None where nothing is."""
    saved: float
    """What resourcefulness saves of it on the average."""
    reasons: tuple[str, ...]


class Filled(NamedTuple):
    """The slots of a recipe that a crafter fills."""

    craft: Craft
    places: Sequence[tuple[int, Sequence[int], bool]]
    """Units of one craft, the options, and whether it is required; of those of which that is known."""
    reasons: Sequence[str]
    """Why others are not known."""


class Workshop:
    """Everything that one faction can make, with the books that reagents are bought from."""

    def __init__(self, crafts: Iterable[Craft], books: Books, crafter: Crafter) -> None:
        self.crafts = crafts if isinstance(crafts, CraftTable) else CraftTable.of(crafts)
        """Each known by its place here."""
        self.books = books
        self.crafter = crafter
        self.filled_slots = filled_slots(self.crafts, crafter)
        self._makers = _makers(self.crafts)
        self._filled: dict[int, Filled] = {}
        self._places: dict[int, Places] = {}
        self._makers_of: dict[int, Sequence[tuple[int, float]]] = {}
        self._made: dict[tuple[int, int, frozenset[int] | int], tuple[float, int, int] | None] = {}

    def plan(self, craft: Craft, batch: int) -> CraftingPlan:
        """How a batch of a recipe is made at the least, and what is not known of it."""
        reasons = self.reasons_against(craft)
        path = frozenset(one.item_id for one in craft.outputs)
        lines = self._settled(craft, batch, path)
        bought = purchases(lines, self.books)
        for one in bought:
            if not one.is_whole:
                reasons.append(f"{'short_book' if one.units else 'reagent_unpriced'}:{one.item_id}")
        known = [one for one in bought if one.units]
        floor = sum(one.cost for one in known) if known else None
        saved = 0.0
        if floor is not None and self.crafter.resourcefulness:
            required = purchases([line for line in lines if line.required], self.books)
            saved = saved_share(self.crafter.resourcefulness) * sum(one.cost for one in required)
            floor -= saved
        return CraftingPlan(
            lines=tuple(lines),
            purchases=tuple(bought),
            cost=None if reasons else floor,
            cost_floor=floor,
            saved=saved,
            reasons=tuple(dict.fromkeys(reasons)),
        )

    def reasons_against(self, craft: Craft) -> list[str]:
        """Why it is not known what a recipe takes, whatever is for sale."""
        return [*([] if craft.are_slots_known else ["slots_unknown"]), *self.filled(craft).reasons]

    def filled(self, craft: Craft) -> Filled:
        """Which slots of a recipe are filled, as far as that is known; `filled_slots` says it of all at once."""
        found = self._filled.get(id(craft))
        if found is None:
            places: list[tuple[int, Sequence[int], bool]] = []
            reasons: list[str] = []
            for slot in craft.slots:
                if not slot.required and not self.crafter.fills_optional:
                    continue
                options = self._options(slot)
                if not slot.quantity or not slot.options:
                    reasons.append("slots_unknown")
                elif not options:
                    reasons.append("rank_unknown")
                else:
                    places.append((slot.quantity, options, slot.required))
            # The recipe is kept as well: nothing else can have its `id()`.
            found = self._filled[id(craft)] = Filled(craft, places, reasons)
        return found

    def _options(self, slot: Slot) -> Sequence[int]:
        """The items that are looked at for a slot."""
        rank = self.crafter.rank
        if rank is None:
            return slot.item_ids
        return [one.item_id for one in slot.options if not slot.is_ranked or one.rank == rank]

    def _settled(self, craft: Craft, batch: int, path: frozenset[int]) -> list[Line]:
        """What a batch takes, each decided upon by itself; made things are bought where that costs less in all."""
        bought: frozenset[int] = frozenset()
        lines = self._lines(craft, batch, path, bought)
        if not _is_shared(lines):
            return lines
        least = self._total(lines)
        while True:
            tries = [
                (self._total(other), item, other)
                for item in sorted(_made_in(lines))
                if (other := self._lines(craft, batch, path, bought | {item}))
            ]
            best = min(tries, key=lambda one: one[:2], default=None)
            if best is None or best[0] >= least:
                return lines
            least, item, lines = best
            bought |= {item}

    def _total(self, lines: Sequence[Line]) -> float:
        every = purchases(lines, self.books)
        return sum(one.cost for one in every) if all(one.is_whole for one in every) else math.inf

    def _lines(self, craft: Craft, crafts: int, path: frozenset[int], bought: frozenset[int]) -> list[Line]:
        lines: list[Line] = []
        for (item, required), units in self._taken(craft, crafts, path).items():
            buying = self.books.buy(item, units)
            making = None if item in bought else self._making(item, units, path)
            if making is None or (buying.is_whole and buying.cost <= making[0]):
                lines.append(Line(item, units, required, buying))
                continue
            _, place, times = making
            maker = self.crafts[place]
            parts = self._lines(maker, times, path | {item}, bought)
            lines.append(Line(item, units, required, buying, maker, times, tuple(parts)))
        return lines

    def _taken(self, craft: Craft, crafts: int, path: frozenset[int]) -> dict[tuple[int, bool], int]:
        """Units of each item that so many crafts take, and whether they are required: of each slot the best option."""
        taken: dict[tuple[int, bool], int] = {}
        for quantity, options, required in self.filled(craft).places:
            units, item = quantity * crafts, options[0]
            if len(options) > 1:
                item = min(options, key=lambda item: self._rating(item, units, path))
            taken[item, required] = taken.get((item, required), 0) + units
        return taken

    def _rating(self, item: int, units: int, path: frozenset[int]) -> tuple[bool, float, int]:
        """An option's place: what can be had whole first, then the cheapest."""
        cost = self._least(item, units, path)
        if cost is not None:
            return False, cost, item
        there = self.books.buy(item, units)
        return True, there.cost if there.units else math.inf, item

    def _least(self, item: int, units: int, path: frozenset[int]) -> float | None:
        """What units of an item cost by themselves, bought or made; None where neither is known."""
        making = self._making(item, units, path)
        if making is not None:
            return making[0]
        buying = self.books.buy(item, units)
        return buying.cost if buying.units >= units else None

    def _making(self, item: int, units: int, path: frozenset[int]) -> tuple[float, int, int] | None:
        """What making units of an item costs, by which craft's place, and how often; where buying costs more."""
        makers = self._made_by(item)
        if not makers or item in path or len(path) > _DEEPEST:
            return None
        bounds = self.bounds
        buying = self.books.buy(item, units)
        least = buying.cost if buying.is_whole else math.inf
        if least <= bounds.units.get(item, 0) * units or all(
            bounds.crafts.get(craft, math.inf) * math.ceil(units / quantity) >= least for craft, quantity in makers
        ):
            return None
        loop = self._loop_of.get(item, frozenset())
        entered = path & loop
        if len(loop) > _SMALL_LOOP and len(entered) >= _LARGE_LOOP_DEPTH:
            return None
        # On the last crafts of a large loop all else is bought: then it is all one what was on the way.
        key = item, units, len(entered) if len(loop) > _SMALL_LOOP else entered
        if key not in self._made:
            found: tuple[float, int, int] | None = None
            for craft, quantity in makers:
                times = math.ceil(units / quantity)
                if bounds.crafts.get(craft, math.inf) * times >= least:
                    continue
                cost = self._cost(craft, times, path | {item}, least)
                if cost is not None:
                    found, least = (cost, craft, times), cost
            self._made[key] = found
        return self._made[key]

    def _made_by(self, item: int) -> Sequence[tuple[int, float]]:
        """The crafts that make an item and of which all is known, by their places, with their yield."""
        found = self._makers_of.get(item)
        if found is None:
            makers = self._makers
            first, end = np.searchsorted(makers.item_id, [item, item + 1]).tolist()
            pairs = zip(makers.craft[first:end].tolist(), makers.quantity[first:end].tolist(), strict=True)
            found = self._makers_of[item] = list(pairs)
        return found

    def _cost(self, craft: int, crafts: int, path: frozenset[int], most: float) -> float | None:
        """What so many crafts cost, each reagent by itself; None where that is not known, or not below `most`."""
        known = self._places.get(craft)
        if known is None:
            known = self._places[craft] = self.filled_slots.places(craft) if craft in self.bounds.crafts else []
        total = 0.0
        taken: dict[int, int] = {}
        # Slots each by itself first: together they cost no less, since one book serves all of an item.
        for quantity, options in known:
            units = quantity * crafts
            item, cost = options[0], self._least(options[0], units, path)
            for other in options[1:]:
                another = self._least(other, units, path)
                if another is not None and (cost is None or (another, other) < (cost, item)):
                    item, cost = other, another
            if cost is None:
                return None
            total += cost
            if total >= most:
                return None
            taken[item] = taken.get(item, 0) + units
        if len(taken) < len(known):
            costs = [self._least(item, units, path) for item, units in taken.items()]
            total = math.inf if None in costs else sum(cost for cost in costs if cost is not None)
        return total if known and total < most else None

    @cached_property
    def bounds(self) -> LeastCosts:
        """What things cost at the very least."""
        return least_costs(self._makers, self.filled_slots, self.books)

    @cached_property
    def _loop_of(self) -> Mapping[int, frozenset[int]]:
        slots, makers = self.crafts.slots, self._makers
        option, starts = inner(slots.option_starts[slots.starts], makers.craft)
        items, first = np.unique(makers.item_id, return_index=True)
        options, begin = slots.item_id[option].tolist(), [*starts[first].tolist(), len(option)]
        return loops_of({item: options[begin[place] : begin[place + 1]] for place, item in enumerate(items.tolist())})


def purchases(lines: Iterable[Line], books: Books) -> list[Purchase]:
    """What is bought for some lines, and for what they are made of: each item once, by rising id."""
    units: dict[int, int] = {}
    left = list(lines)
    while left:
        line = left.pop()
        if line.maker is None:
            units[line.item_id] = units.get(line.item_id, 0) + line.units
        left += line.parts
    return [books.buy(item, units[item]) for item in sorted(units)]


def _is_shared(lines: Iterable[Line]) -> bool:
    """Whether anything is made, and of some item more than one craft takes units."""
    seen: set[int] = set()
    is_made = is_twice = False
    left = list(lines)
    while left:
        line = left.pop()
        is_made |= line.maker is not None
        if line.maker is None:
            is_twice |= line.item_id in seen
            seen.add(line.item_id)
        left += line.parts
    return is_made and is_twice


def _made_in(lines: Iterable[Line]) -> set[int]:
    found: set[int] = set()
    left = list(lines)
    while left:
        line = left.pop()
        if line.maker is not None:
            found.add(line.item_id)
        left += line.parts
    return found


def _makers(crafts: CraftTable) -> Makers:
    """What makes which item, of crafts of which all is known."""
    slots, made = crafts.slots, crafts.made
    needs_any = np.bincount(slots.craft[slots.required], minlength=len(crafts)) > 0
    craft = made.craft
    is_maker = (crafts.are_slots_known & needs_any)[craft] & (made.quantity > 0) & ~made.is_rank_unknown
    order = np.flatnonzero(is_maker)
    order = order[np.argsort(made.item_id[order], kind="stable")]
    return Makers(made.item_id[order], craft[order], made.quantity[order])
