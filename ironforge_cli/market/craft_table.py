"""Crafts as arrays: thousands of recipes with tens of thousands of slots are too many for an object each.

What belongs to a craft, or to a slot, stands together; `starts` hold where each one's begin, and the end of the last.
A craft as an object is made when somebody looks at it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self, overload

import numpy as np

from ironforge_cli.market.crafting import SOURCES, Craft, Made, Option, Slot

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from ironforge_cli.market.auctions import Bool, Float64, Int64

_MOST_STEPS: Final = 64
"""Crafts within crafts that are followed: more than a plan ever makes."""


@dataclass(frozen=True, slots=True, eq=False)
class SlotColumns:
    """Slots of n crafts, and the options of each."""

    starts: Int64
    """Of each craft's slots, shape (n + 1)."""
    quantity: Int64
    """Units of one craft; 0 where it is not known."""
    required: Bool
    is_ranked: Bool
    option_starts: Int64
    """Of each slot's options."""
    item_id: Int64
    """Of each option, as `rank`."""
    rank: Int64
    """0 where it is not known."""

    @property
    def craft(self) -> Int64:
        """The craft of each slot, by its place."""
        return owners(self.starts)

    @property
    def option_slot(self) -> Int64:
        """The slot of each option, by its place."""
        return owners(self.option_starts)


@dataclass(frozen=True, slots=True, eq=False)
class MadeColumns:
    """What n crafts make."""

    starts: Int64
    """Of what each craft makes, shape (n + 1)."""
    item_id: Int64
    rank: Int64
    """0 where it is not known."""
    source: Int64
    """Its place in `SOURCES`."""
    quantity: Float64
    """NaN where it is not known."""
    is_rank_unknown: Bool

    @property
    def craft(self) -> Int64:
        """The craft of each, by its place."""
        return owners(self.starts)


class CraftTable(Sequence[Craft]):
    """n crafts, each made an object when it is looked at, and then the same one."""

    def __init__(
        self,
        *,
        recipe_id: Int64,
        faction: NDArray[np.str_],
        are_slots_known: Bool,
        slots: SlotColumns,
        made: MadeColumns,
    ) -> None:
        self.recipe_id = recipe_id
        self.faction = faction
        self.are_slots_known = are_slots_known
        self.slots = slots
        self.made = made
        self._crafts: dict[int, Craft] = {}

    @classmethod
    def of(cls, crafts: Iterable[Craft]) -> Self:
        """The table of crafts that are there."""
        known = list(crafts)
        slots = [slot for one in known for slot in one.slots]
        options = [option for slot in slots for option in slot.options]
        made = [some for one in known for some in one.outputs]
        table = cls(
            recipe_id=np.array([one.recipe_id for one in known], np.int64),
            faction=np.array([one.faction for one in known], np.str_),
            are_slots_known=np.array([one.are_slots_known for one in known], np.bool_),
            slots=SlotColumns(
                starts=starts_of([len(one.slots) for one in known]),
                quantity=np.array([slot.quantity or 0 for slot in slots], np.int64),
                required=np.array([slot.required for slot in slots], np.bool_),
                is_ranked=np.array([slot.is_ranked for slot in slots], np.bool_),
                option_starts=starts_of([len(slot.options) for slot in slots]),
                item_id=np.array([option.item_id for option in options], np.int64),
                rank=np.array([option.rank or 0 for option in options], np.int64),
            ),
            made=MadeColumns(
                starts=starts_of([len(one.outputs) for one in known]),
                item_id=np.array([one.item_id for one in made], np.int64),
                rank=np.array([one.rank or 0 for one in made], np.int64),
                source=np.array([SOURCES.index(one.source) for one in made], np.int64),
                quantity=np.array([one.quantity or np.nan for one in made], np.float64),
                is_rank_unknown=np.array([one.is_rank_unknown for one in made], np.bool_),
            ),
        )
        table._crafts.update(enumerate(known))
        return table

    def __len__(self) -> int:
        """How many there are."""
        return len(self.recipe_id)

    @overload
    def __getitem__(self, place: int) -> Craft: ...
    @overload
    def __getitem__(self, place: slice) -> list[Craft]: ...
    def __getitem__(self, place: int | slice) -> Craft | list[Craft]:
        """A craft, or several, as objects."""
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        if place < 0:
            place += len(self)
        if not 0 <= place < len(self):
            raise IndexError(place)
        found = self._crafts.get(place)
        if found is None:
            found = self._crafts[place] = self._craft(place)
        return found

    def _craft(self, place: int) -> Craft:
        return Craft(
            int(self.recipe_id[place]),
            str(self.faction[place]),
            tuple(self._slot(one) for one in range(*self.slots.starts[place : place + 2].tolist())),
            tuple(self._made(one) for one in range(*self.made.starts[place : place + 2].tolist())),
            are_slots_known=bool(self.are_slots_known[place]),
        )

    def _slot(self, slot: int) -> Slot:
        slots = self.slots
        first, end = slots.option_starts[slot : slot + 2].tolist()
        options = zip(slots.item_id[first:end].tolist(), slots.rank[first:end].tolist(), strict=True)
        return Slot(
            tuple(Option(item, rank or None) for item, rank in options),
            int(slots.quantity[slot]) or None,
            bool(slots.required[slot]),
            bool(slots.is_ranked[slot]),
        )

    def _made(self, one: int) -> Made:
        made, quantity = self.made, float(self.made.quantity[one])
        return Made(
            int(made.item_id[one]),
            int(made.rank[one]) or None,
            SOURCES[int(made.source[one])],
            None if np.isnan(quantity) else quantity,
            bool(made.is_rank_unknown[one]),
        )

    def chosen(self, places: Int64) -> CraftTable:
        """Some of the crafts, by their places."""
        slots, made = self.slots, self.made
        slot, slot_starts = inner(slots.starts, places)
        option, option_starts = inner(slots.option_starts, slot)
        one, made_starts = inner(made.starts, places)
        return CraftTable(
            recipe_id=self.recipe_id[places],
            faction=self.faction[places],
            are_slots_known=self.are_slots_known[places],
            slots=SlotColumns(
                starts=slot_starts,
                quantity=slots.quantity[slot],
                required=slots.required[slot],
                is_ranked=slots.is_ranked[slot],
                option_starts=option_starts,
                item_id=slots.item_id[option],
                rank=slots.rank[option],
            ),
            made=MadeColumns(
                starts=made_starts,
                item_id=made.item_id[one],
                rank=made.rank[one],
                source=made.source[one],
                quantity=made.quantity[one],
                is_rank_unknown=made.is_rank_unknown[one],
            ),
        )

    def taking(self, items: Sequence[int] | Int64) -> Bool:
        """Which crafts have an option of some items in a slot, shape (n)."""
        found = np.zeros(len(self), np.bool_)
        slots = self.slots
        found[slots.craft[slots.option_slot[np.isin(slots.item_id, items)]]] = True
        return found

    def making(self, items: Sequence[int] | Int64) -> Bool:
        """Which crafts make one of some items, shape (n)."""
        found = np.zeros(len(self), np.bool_)
        found[self.made.craft[np.isin(self.made.item_id, items)]] = True
        return found

    def with_makers(self, wanted: Bool) -> Bool:
        """Which crafts a plan of the wanted ones may look at: they, what makes what they take, and so on; shape (n)."""
        slots, found, new = self.slots, wanted.copy(), wanted
        option_craft = slots.craft[slots.option_slot]
        for _ in range(_MOST_STEPS):
            new = self.making(np.unique(slots.item_id[new[option_craft]])) & ~found
            if not new.any():
                break
            found |= new
        return found


def starts_of(lengths: Sequence[int] | Int64) -> Int64:
    """Where groups of so many begin, and the end of the last.

    >>> starts_of([2, 0, 3]).tolist()
    [0, 2, 2, 5]
    """
    return np.concatenate((np.zeros(1, np.int64), np.cumsum(np.asarray(lengths, np.int64))))


def owners(starts: Int64) -> Int64:
    """The group of each member.

    >>> owners(np.array([0, 2, 2, 5])).tolist()
    [0, 0, 2, 2, 2]
    """
    return np.repeat(np.arange(len(starts) - 1), np.diff(starts))


def inner(starts: Int64, chosen: Int64) -> tuple[Int64, Int64]:
    """The members of chosen groups, one group after the other, and where each group's begin then.

    >>> members, begin = inner(np.array([0, 2, 2, 5]), np.array([2, 0]))
    >>> members.tolist(), begin.tolist()
    ([2, 3, 4, 0, 1], [0, 3, 5])
    """
    lengths = starts[chosen + 1] - starts[chosen]
    begin = starts_of(lengths)
    return np.arange(int(begin[-1])) + np.repeat(starts[chosen] - begin[:-1], lengths), begin
