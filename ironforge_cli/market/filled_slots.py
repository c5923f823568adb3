"""Which slots of crafts a crafter fills, and with what: over all crafts at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ironforge_cli.market.craft_table import inner, starts_of

if TYPE_CHECKING:
    from ironforge_cli.market.auctions import Bool, Int64
    from ironforge_cli.market.craft_table import CraftTable
    from ironforge_cli.market.crafting import Crafter


@dataclass(frozen=True, slots=True, eq=False)
class FilledSlots:
    """The slots of n crafts that are filled, as far as that is known; each has an option at least."""

    starts: Int64
    """Of each craft's slots, shape (n + 1)."""
    quantity: Int64
    """Units of one craft."""
    required: Bool
    option_starts: Int64
    """Of each slot's options."""
    item_id: Int64
    """Of each option."""
    is_slot_unknown: Bool
    """Of each craft: whether of a slot that is filled nobody says what or how much, shape (n)."""
    is_rank_unknown: Bool
    """Of each craft: whether a slot has no option of the rank, shape (n)."""

    @property
    def is_known(self) -> Bool:
        """Whether all is known that a craft takes, and that is something; shape (n)."""
        return ~self.is_slot_unknown & ~self.is_rank_unknown & (np.diff(self.starts) > 0)

    def places(self, craft: int) -> list[tuple[int, list[int]]]:
        """Units and options of each slot of a craft."""
        first, end = self.starts[craft : craft + 2].tolist()
        begin = self.option_starts[first : end + 1].tolist()
        options = self.item_id[begin[0] : begin[-1]].tolist()
        return [
            (units, options[begin[place] - begin[0] : begin[place + 1] - begin[0]])
            for place, units in enumerate(self.quantity[first:end].tolist())
        ]


def filled_slots(crafts: CraftTable, crafter: Crafter) -> FilledSlots:
    """Find the slots: `Workshop.filled` says the same of one craft."""
    slots = crafts.slots
    is_filled = slots.required | crafter.fills_optional
    option_slot = slots.option_slot
    fits = np.ones(len(option_slot), np.bool_)
    if crafter.rank is not None:
        fits = ~slots.is_ranked[option_slot] | (slots.rank == crafter.rank)
    fitting = np.bincount(option_slot[fits], minlength=len(slots.quantity))
    is_unknown = is_filled & ((slots.quantity == 0) | (np.diff(slots.option_starts) == 0))
    is_rankless = is_filled & ~is_unknown & (fitting == 0)
    known = np.flatnonzero(is_filled & ~is_unknown & ~is_rankless)
    craft = slots.craft
    option, _ = inner(slots.option_starts, known)
    return FilledSlots(
        starts=starts_of(np.bincount(craft[known], minlength=len(crafts))),
        quantity=slots.quantity[known],
        required=slots.required[known],
        option_starts=starts_of(fitting[known]),
        item_id=slots.item_id[option[fits[option]]],
        is_slot_unknown=np.bincount(craft[is_unknown], minlength=len(crafts)) > 0,
        is_rank_unknown=np.bincount(craft[is_rankless], minlength=len(crafts)) > 0,
    )
