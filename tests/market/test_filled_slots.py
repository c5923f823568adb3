"""Which slots are filled is said alike of one craft and of all at once, and of what is not known with its reason."""

from __future__ import annotations

import pytest

from ironforge_cli.market.craft_table import CraftTable
from ironforge_cli.market.crafting import Craft, Crafter, Option, Slot
from ironforge_cli.market.crafting_costs import Workshop
from ironforge_cli.market.filled_slots import filled_slots
from tests.market.test_crafting_costs import books, slot


def ranked(*pairs: tuple[int, int | None], quantity: int | None = 2, required: bool = True) -> Slot:
    return Slot(tuple(Option(*pair) for pair in pairs), quantity, required, is_ranked=True)


CRAFTS = [
    Craft(number, "Neutral", slots, (), are_slots_known=True)
    for number, slots in enumerate(
        [
            (slot(20, 21, quantity=3), slot(30)),
            (),
            (slot(20, quantity=None), slot(31)),
            (Slot((), 1, required=True), slot(32)),
            (ranked((40, 1), (41, 2), (42, 2), (43, None)), slot(33, 34)),
            (ranked((40, 1)),),
            (slot(35), slot(36, quantity=4, required=False), slot(37, quantity=None, required=False)),
            (ranked((44, 1), required=False), slot(38)),
            # Nobody says how much: then it is all one that no rank fits.
            (ranked((44, 1), quantity=None), slot(39)),
        ]
    )
]
LEFT_OUT = {2: "slots_unknown", 3: "slots_unknown", 8: "slots_unknown"}
OF_RANK = {4: [(2, [41, 42]), (1, [33, 34])], 5: []}


@pytest.mark.parametrize("rank", [None, 2])
@pytest.mark.parametrize("fills_optional", [False, True])
def test_slots_are_filled_by_what_a_crafter_wants(rank: int | None, *, fills_optional: bool) -> None:
    crafter = Crafter(rank=rank, fills_optional=fills_optional)
    found = filled_slots(CraftTable.of(CRAFTS), crafter)
    expected = {
        0: [(3, [20, 21]), (1, [30])],
        1: [],
        2: [(1, [31])],
        3: [(1, [32])],
        4: [(2, [40, 41, 42, 43]), (1, [33, 34])],
        5: [(2, [40])],
        6: [(1, [35]), *([(4, [36])] if fills_optional else [])],
        7: [*([(2, [44])] if fills_optional and rank is None else []), (1, [38])],
        8: [(1, [39])],
    } | (OF_RANK if rank else {})
    assert {place: found.places(place) for place in range(len(CRAFTS))} == expected
    unknown = {*LEFT_OUT, *([6] if fills_optional else [])}
    rankless = {5, *([7] if fills_optional else [])} if rank else set[int]()
    assert {place for place, is_so in enumerate(found.is_slot_unknown.tolist()) if is_so} == unknown
    assert {place for place, is_so in enumerate(found.is_rank_unknown.tolist()) if is_so} == rankless
    # What takes nothing is not known to take that.
    assert {place for place, is_so in enumerate(found.is_known.tolist()) if not is_so} == unknown | rankless | {1}
    # Of each by itself the same is said, and whether a slot is required.
    workshop = Workshop(CRAFTS, books({}), crafter)
    required: list[bool] = []
    for place, one in enumerate(CRAFTS):
        alone = workshop.filled(one)
        assert [(units, list(options)) for units, options, _ in alone.places] == expected[place]
        assert set(alone.reasons) == {
            *(["slots_unknown"] if place in unknown else []),
            *(["rank_unknown"] if place in rankless else []),
        }
        required += [is_required for *_, is_required in alone.places]
    assert found.required.tolist() == required
