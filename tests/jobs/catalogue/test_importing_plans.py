"""What files of recipes come to, joined with what is stored: values alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ironforge_cli.db.repositories.imports import RecipeToJoin
from ironforge_cli.db.repositories.outputs import Output, SlotOption
from ironforge_cli.jobs.catalogue.importing import names_of, planned
from ironforge_cli.market.crafting_files import GivenFile
from ironforge_cli.market.given_recipes import GivenOutput, GivenRecipe, GivenSlot

if TYPE_CHECKING:
    from ironforge_cli.jobs.catalogue.importing import ImportPlan

STORED = [
    RecipeToJoin(1, "Neutral", "Soup", "Cooking", "New Cooking"),
    RecipeToJoin(2, "Neutral", "Soup", "Cooking", "Old Cooking"),
    RecipeToJoin(3, "Alliance", "Banner", "Tailoring", "Old Tailoring"),
    RecipeToJoin(3, "Horde", "Banner", "Tailoring", "Old Tailoring"),
    RecipeToJoin(4, "Neutral", None, None, None),
]
NOBODY: set[int] = set()
NAMES = names_of(STORED, {70: "Soup", 71: "Banner", 72: ""}, {900: 1, 901: 99})


def plan(*given: GivenRecipe) -> ImportPlan:
    """Of two files: the last recipe is in the second."""
    files = [("a.csv", GivenFile("x", given[:-1], ranks={7: 1, 8: 1})), ("b.csv", GivenFile("x", given[-1:]))]
    return planned("mine", "x", files, NAMES)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (GivenRecipe("it", recipe_id=3), {3}),
        (GivenRecipe("it", recipe_id=99), NOBODY),
        (GivenRecipe("it", recipe_id=0), NOBODY),
        # Its number counts before its spell, and that before names.
        (GivenRecipe("it", recipe_id=3, spell=900), {3}),
        (GivenRecipe("it", spell=900, tier="Old Cooking", name="Soup"), {1}),
        (GivenRecipe("it", spell=901, tier="Old Cooking", name="Soup"), NOBODY),
        (GivenRecipe("it", spell=999, tier="Old Cooking", name="Soup"), {2}),
        (GivenRecipe("it", tier="old  cooking", name="soup"), {2}),
        (GivenRecipe("it", tier="Old Cooking", name="Banner"), NOBODY),
        (GivenRecipe("it", name="Soup"), NOBODY),
        (GivenRecipe("it", tier="Old Cooking"), NOBODY),
        (GivenRecipe("it", profession="cooking", named_by=70), {1, 2}),
        (GivenRecipe("it", profession="Tailoring", named_by=71), {3}),
        (GivenRecipe("it", profession="Tailoring", named_by=70), NOBODY),
        (GivenRecipe("it", profession="Tailoring", named_by=72), NOBODY),
        (GivenRecipe("it", named_by=71), NOBODY),
        (GivenRecipe("it"), NOBODY),
    ],
)
def test_a_recipe_is_found_by_number_spell_tier_and_name_or_what_it_makes(given: GivenRecipe, found: set[int]) -> None:
    assert NAMES.meant(given) == found


def test_what_is_unknown_or_ambiguous_is_told_and_not_taken() -> None:
    outputs = (GivenOutput(50, 2, 1.5),)
    found = plan(
        GivenRecipe("first", recipe_id=1, outputs=outputs),
        GivenRecipe("nobody's", recipe_id=99, outputs=outputs),
        GivenRecipe("either", profession="Cooking", named_by=70, outputs=outputs),
    )
    assert (found.joined, found.unknown, found.ambiguous) == (1, ("nobody's",), ("either",))
    assert found.outputs == (Output(1, "Neutral", 50, "file", "mine", 2, 1.5),)
    assert (found.source, found.kind, found.files, found.ranks) == ("mine", "x", ("a.csv", "b.csv"), {7: 1, 8: 1})


def test_two_that_mean_the_same_are_both_ambiguous_and_neither_is_taken() -> None:
    outputs = (GivenOutput(50, None, None),)
    same = [GivenRecipe(label, recipe_id=1, outputs=outputs) for label in ("a", "b", "c")]
    found = plan(*same, GivenRecipe("other", recipe_id=2, outputs=outputs))
    assert (found.joined, sorted(found.ambiguous)) == (1, ["a", "b", "c"])
    assert [one.recipe_id for one in found.outputs] == [2]


def test_what_is_said_of_a_recipe_is_said_of_each_faction_and_of_an_item_once() -> None:
    found = plan(
        GivenRecipe(
            "banner",
            recipe_id=3,
            outputs=(GivenOutput(50, None, 1.0), GivenOutput(50, None, 2.0)),
            slots=(GivenSlot(1, 60, None, 3, True), GivenSlot(2, 60, 1, None, None), GivenSlot(2, 60, 2, 4, False)),  # noqa: FBT003 - as a file has them
        )
    )
    both = ("Alliance", "Horde")
    assert found.outputs == tuple(Output(3, faction, 50, "file", "mine", None, 2.0) for faction in both)
    assert found.slots == tuple(
        SlotOption(3, faction, slot, 60, "file", "mine", rank, quantity, required)
        for faction in both
        for slot, rank, quantity, required in ((1, None, 3, True), (2, 2, 4, False))
    )
