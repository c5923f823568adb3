from __future__ import annotations

import pytest

from ironforge_cli.market.crafting_files import CraftingFileError, read_file
from ironforge_cli.market.game_tables import COLUMNS, recipes_of
from ironforge_cli.market.given_recipes import GivenOutput, GivenSlot

SPELLS = {9: 1, 10: 2, 11: 3, 12: 4}
REAGENTS = ",".join(f"{name}_{place}" for name in ("Reagent", "ReagentCount") for place in range(8))
TABLES = {
    "SpellEffect": (
        "ID,EffectAura,Effect,EffectItemType,EffectBasePointsF,EffectMiscValue_0,EffectMiscValue_1,SpellID\n"
        "1,0,24,500,2,0,0,9\n2,0,288,0,1.5,77,0,10\n3,0,301,0,0,78,0,11\n4,0,288,0,1,77,0,999\n5,6,6,0,-4,-1,0,9\n"
        "6,0,157,501,0,0,0,12\n"
    ),
    "CraftingData": "ID,Type,CraftingDifficultyID,CraftedItemID\n77,1,5,0\n78,1,5,0\n",
    "CraftingDataItemQuality": "ID,ItemID,CraftingDataID\n1,601,77\n2,600,77\n",
    "CraftingDataEnchantQuality": "ID,Rank,SpellItemEnchantmentID,ItemID,CraftingDataID\n1,2,0,701,78\n2,1,0,700,78\n",
    "ModifiedCraftingSpellSlot": (
        "ID,SpellID,Slot,ModifiedCraftingReagentSlotID,ReagentCount,ReagentReCraftCount\n"
        "1,10,1,40,3,0\n2,10,2,41,1,0\n3,10,3,42,1,0\n4,10,4,44,1,0\n5,12,1,43,2,0\n6,999,1,40,3,0\n"
    ),
    "ModifiedCraftingReagentSlot": (
        "ID,Name_lang,Flags,ReagentType\n40,Ore,0,1\n41,Polish,0,0\n42,Nobody's,0,3\n43,Coin,0,1\n44,Spark,4,0\n"
    ),
    "MCRSlotXMCRCategory": (
        "ID,ModifiedCraftingCategoryID,Order,ModifiedCraftingReagentSlotID\n"
        "1,60,0,40\n2,61,0,41\n3,61,0,42\n4,62,0,44\n"
    ),
    "ModifiedCraftingReagentItem": "ID,Description_lang,ModifiedCraftingCategoryID,Flags\n5,,60,0\n6,x,61,0\n",
    "ModifiedCraftingItem": "ID,ModifiedCraftingReagentItemID,CraftingQualityID\n801,5,4\n802,5,5\n810,6,0\n",
    "CraftingQuality": "ID,QualityTier\n4,1\n5,2\n",
    "CraftingReagentQuality": "ID,OrderIndex,ItemID,ModifiedCraftingCategoryID\n1,0,801,60\n2,0,820,62\n",
    "SpellReagents": (
        f"ID,SpellID,{REAGENTS}\n1,10,830,0,0,0,0,0,0,0,4,0,0,0,0,0,0,0\n2,999,1,0,0,0,0,0,0,0,4,0,0,0,0,0,0,0\n"
    ),
}


def read(*names: str, **changes: str) -> list[object]:
    bodies = {**TABLES, **changes}
    found = [read_file(f"{name}.csv", bodies[name].encode()).table for name in names]
    assert [one.name for one in found if one is not None] == list(names)
    return list(found)


def test_every_table_is_known_by_its_columns_alone() -> None:
    assert set(TABLES) == set(COLUMNS)
    read(*TABLES)


def test_recipes_make_what_effects_and_crafting_data_say_and_take_what_fits_their_slots() -> None:
    found, ranks = recipes_of(read(*TABLES), SPELLS)  # pyright: ignore[reportArgumentType] - none of them is None
    by_spell = {one.spell: one for one in found}
    assert ranks == {801: 1, 802: 2}
    assert by_spell[9].outputs == (GivenOutput(500, None, 2.0),)
    assert set(by_spell[10].outputs) == {GivenOutput(600, None, 1.5), GivenOutput(601, None, 1.5)}, "no rank is guessed"
    assert set(by_spell[11].outputs) == {GivenOutput(700, 1, None), GivenOutput(701, 2, None)}
    assert by_spell[10].slots == (
        GivenSlot(1, 801, 1, 3, required=True),
        GivenSlot(1, 802, 2, 3, required=True),
        GivenSlot(2, 810, None, 1, required=False),
        GivenSlot(4, 820, None, 1, required=True),
        GivenSlot(1_000, 830, None, 4, required=True),
    )
    assert by_spell[12].slots == (), "it requires what no item is"
    assert by_spell[12].outputs == (GivenOutput(501, None, None),)
    assert 999 not in by_spell, "a spell that is no recipe"


def test_what_is_made_by_the_number_0_is_nothing_and_a_rank_is_one_of_those_there_are() -> None:
    effect = "ID,EffectAura,Effect,EffectItemType,EffectBasePointsF,EffectMiscValue_0,EffectMiscValue_1,SpellID\n"
    tables = {
        "SpellEffect": f"{effect}1,0,24,0,1,0,0,9\n2,0,288,0,1,77,0,10\n3,0,301,0,1,78,0,11\n",
        "CraftingData": "ID,Type,CraftingDifficultyID,CraftedItemID\n77,1,5,0\n78,1,5,610\n",
        "CraftingDataItemQuality": "ID,ItemID,CraftingDataID\n1,0,77\n2,600,77\n",
        "CraftingDataEnchantQuality": (
            "ID,Rank,SpellItemEnchantmentID,ItemID,CraftingDataID\n1,5,0,705,78\n2,6,0,706,78\n3,0,0,707,78\n4,1,0,0,78\n"
        ),
    }
    found, _ = recipes_of(read(*tables, **tables), SPELLS)  # pyright: ignore[reportArgumentType] - none of them is None
    made = {one.spell: {(output.item_id, output.rank) for output in one.outputs} for one in found if one.outputs}
    assert made == {10: {(600, None)}, 11: {(610, None), (705, 5), (706, None), (707, None)}}


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (["CraftingData"], "without SpellEffect"),
        (["SpellReagents"], "without ModifiedCraftingSpellSlot"),
        (["ModifiedCraftingSpellSlot", "MCRSlotXMCRCategory"], "without ModifiedCraftingReagentSlot"),
        (
            ["ModifiedCraftingSpellSlot", "MCRSlotXMCRCategory", "ModifiedCraftingReagentSlot"],
            "without ModifiedCraftingItem",
        ),
        (["SpellEffect", "SpellEffect"], "twice"),
    ],
)
def test_tables_that_say_nothing_whole_are_refused_with_what_is_missing(names: list[str], says: str) -> None:
    with pytest.raises(CraftingFileError, match=says):
        recipes_of(read(*names), SPELLS)  # pyright: ignore[reportArgumentType] - none of them is None


def test_tables_without_that_of_spells_are_refused() -> None:
    with pytest.raises(CraftingFileError, match="need SkillLineAbility"):
        recipes_of(read("SpellEffect"), {})  # pyright: ignore[reportArgumentType] - none of them is None


@pytest.mark.parametrize(
    ("name", "old", "new", "says"),
    [
        ("SpellEffect", "1.5", "nan", "line 3: EffectBasePointsF"),
        ("SpellEffect", "500", "x", "line 2: EffectItemType"),
        ("SpellEffect", ",77,", ",99999999999,", "line 3: EffectMiscValue_0"),
        ("CraftingDataItemQuality", "601", "", "line 2: ItemID"),
        ("ModifiedCraftingSpellSlot", "1,10,1,40,3,0", "1,10,1,40", "line 2 has not as many"),
    ],
)
def test_a_broken_table_is_refused_with_the_line(name: str, old: str, new: str, says: str) -> None:
    with pytest.raises(CraftingFileError, match=says):
        read(name, **{name: TABLES[name].replace(old, new, 1)})
