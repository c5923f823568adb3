"""Numbers of the game's tables at their edges, and what each kind of slot and of reagent comes to."""

from __future__ import annotations

import pytest

from ironforge_cli.market.game_tables import COLUMNS, GameTable, name_of, recipes_of, row_of
from ironforge_cli.market.given_recipes import GivenOutput, GivenRecipe, GivenSlot

MOST = 2**31 - 1
SPELLS = {9: 1, 10: 2}


def slots_of(
    *reagents: tuple[float, ...], uses: list[tuple[float, ...]], kinds: list[tuple[float, ...]], spell: int = 9
) -> tuple[GivenSlot, ...]:
    """What a spell takes: category 60 holds item 801, and fits into slot 40; of slot 43 nothing does."""
    tables = [
        GameTable("ModifiedCraftingSpellSlot", uses),
        GameTable("ModifiedCraftingReagentSlot", kinds),
        GameTable("MCRSlotXMCRCategory", [(60, 40), (60, 41), (99, 43)]),
        GameTable("CraftingReagentQuality", [(801, 60), (0, 60), (-1, 60)]),
        GameTable("SpellReagents", reagents),
    ]
    found, _ = recipes_of(tables, SPELLS)
    return next((one.slots for one in found if one.spell == spell), ())


@pytest.mark.parametrize(
    ("kind", "flags", "required"),
    [
        (1, 0, True),
        (0, 0, False),
        (2, 0, False),
        (0, 4, True),
        (2, 7, True),
        (0, 3, False),
        (0, 8, False),
        (3, 4, None),
        (3, 0, None),
    ],
)
def test_a_slot_is_required_by_its_kind_or_its_flag_and_none_where_nobody_fills_it(
    kind: int, flags: int, *, required: bool | None
) -> None:
    expected = () if required is None else (GivenSlot(1, 801, None, 3, required=required),)
    assert slots_of(uses=[(9, 1, 40, 3)], kinds=[(40, kind, flags)]) == expected
    # Of the kind of one that nothing fits into all is unknown where it has to be filled.
    both = slots_of(uses=[(9, 1, 40, 3), (9, 2, 43, 1)], kinds=[(40, 1, 0), (43, kind, flags)])
    assert both == (() if required else (GivenSlot(1, 801, None, 3, required=True),))


def test_a_slot_of_no_known_kind_is_required_and_a_count_of_0_is_not_known() -> None:
    assert slots_of(uses=[(9, 0, 40, 0), (9, 2, 41, MOST)], kinds=[]) == (
        GivenSlot(0, 801, None, None, required=True),
        GivenSlot(2, 801, None, MOST, required=True),
    )
    assert slots_of(uses=[(11, 1, 40, 3)], kinds=[], spell=11) == ()


def test_each_of_eight_reagents_stands_behind_the_slots_with_its_own_count() -> None:
    items, counts = (830, 0, -1, 833, 834, 835, 836, 837), (1, 2, 3, 0, 5, 6, 7, 8)
    assert slots_of((9, *items, *counts), (11, *items, *counts), uses=[(9, 1, 40, 3)], kinds=[]) == (
        GivenSlot(1, 801, None, 3, required=True),
        *(
            GivenSlot(1_000 + place, item, None, count or None, required=True)
            for place, (item, count) in enumerate(zip(items, counts, strict=True))
            if item > 0
        ),
    )


def test_ranks_are_those_of_known_qualities_from_one_to_five() -> None:
    qualities = [(quality, tier) for quality, tier in enumerate((0, 1, 5, 6), start=4)]
    items = [(800 + quality, 5, quality) for quality in (4, 5, 6, 7, 8)]
    tables = [
        GameTable("CraftingQuality", qualities),
        GameTable("ModifiedCraftingItem", [*items, (0, 5, 5), (-1, 5, 5)]),
    ]
    assert recipes_of(tables, SPELLS) == ((), {805: 1, 806: 5})
    assert recipes_of(tables[1:], SPELLS) == ((), {})


def test_what_effects_make_comes_by_rising_spell_once_each_with_the_ranks_that_are_known() -> None:
    tables = [
        GameTable("CraftingQuality", [(4, 3)]),
        GameTable("ModifiedCraftingItem", [(600, 5, 4), (700, 5, 4)]),
        GameTable("CraftingData", [(77, 600), (78, 0), (79, -1)]),
        GameTable("CraftingDataEnchantQuality", [(700, 77, 1), (701, 77, 0)]),
        GameTable(
            "SpellEffect",
            [
                (10, 24, 500, 0, 2.5),
                (10, 157, 500, 0, 9.0),
                (9, 301, 500, 77, 0.0),
                (9, 288, 1, 78, 1.0),
                (11, 24, 5, 0, 1),
            ],
        ),
    ]
    found, _ = recipes_of(tables, SPELLS)
    assert found == (
        GivenRecipe(
            "spell 9",
            spell=9,
            outputs=(GivenOutput(600, 3, None), GivenOutput(700, 1, None), GivenOutput(701, None, None)),
        ),
        GivenRecipe("spell 10", spell=10, outputs=(GivenOutput(500, None, 2.5),)),
    )


@pytest.mark.parametrize("value", ["0", "-1", str(MOST), str(-MOST), "007"])
def test_whole_numbers_reach_to_the_end_of_32_bits_on_both_sides(value: str) -> None:
    assert row_of("CraftingData", {"ID": value, "CraftedItemID": "1"}) == (int(value), 1)


@pytest.mark.parametrize("value", [str(MOST + 1), str(-MOST - 1), "", "-", "--1", "1.0", " 1", "\u00b2", "0" * 11])
def test_other_numbers_are_refused_with_their_column(value: str) -> None:
    with pytest.raises(ValueError, match=r"CraftedItemID is .*, and no whole number up to 2147483647"):
        row_of("CraftingData", {"ID": "1", "CraftedItemID": value})


@pytest.mark.parametrize(
    ("value", "units"), [("0", 0.0), ("-4.5", 0.0), ("0.5", 0.5), (str(MOST), MOST), (str(-MOST), 0.0)]
)
def test_units_are_none_below_nothing(value: str, units: float) -> None:
    row = {"SpellID": "9", "Effect": "24", "EffectItemType": "5", "EffectMiscValue_0": "0", "EffectBasePointsF": value}
    assert row_of("SpellEffect", row) == (9, 24, 5, 0, units)
    for other in (str(MOST + 1), str(-MOST - 1), "inf", "nan"):
        with pytest.raises(ValueError, match="EffectBasePointsF"):
            row_of("SpellEffect", {**row, "EffectBasePointsF": other})


@pytest.mark.parametrize("effect", [24, 157, 288, 301, 25, 0])
def test_effects_that_make_nothing_are_left_out_unread(effect: int) -> None:
    row = dict.fromkeys(COLUMNS["SpellEffect"], "1") | {"Effect": str(effect)}
    assert (row_of("SpellEffect", row) is None) is (effect in {25, 0})
    assert row_of("SpellEffect", {**row, "EffectItemType": "x", "Effect": "25"}) is None


def test_a_table_is_known_with_more_columns_than_are_needed_and_not_with_fewer() -> None:
    for name, columns in COLUMNS.items():
        assert name_of(["More", *columns]) == name
        assert name_of(columns[1:]) != name
