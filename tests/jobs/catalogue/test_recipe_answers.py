"""What is made of answers about recipes, by values alone: whose each is, what is believed, and what is counted."""

from __future__ import annotations

import logging

import pytest

from ironforge_cli.errors import ExitStatus, IronforgeError, RefusedAnswerError, UnavailableError
from ironforge_cli.jobs.catalogue import recipe_answers
from ironforge_cli.jobs.catalogue.recipe_answers import AskedRecipe, ListedProfession, ListedRecipe, RecipeTallies
from ironforge_cli.jobs.catalogue.work import SeedOutcome
from ironforge_cli.market.catalogue import Faction, Named, Reagent, Recipe, SkillTier

OLD, NEW = "12.0.1_65617", "12.0.5_66000"
SHOWN, GONE, FORBIDDEN = AskedRecipe(), AskedRecipe(status=404), AskedRecipe(status=403)
SENSELESS = AskedRecipe(refused="of its shape.")


def recipe(
    number: int,
    *,
    faction: Faction = Faction.NEUTRAL,
    makes: int | None = 1,
    takes: tuple[int, ...] = (),
    slots: int = 0,
    surprises: tuple[str, ...] = (),
) -> Recipe:
    reagents = tuple(Reagent(item, 1, optional=False) for item in takes)
    return Recipe(number, faction, f"R{number}", makes, reagents, {}, slots, surprises)


def profession(number: int, *listed: int) -> ListedProfession:
    return ListedProfession(Named(number, f"P{number}"), [ListedRecipe(one, f"L{one}", "Tier", 10) for one in listed])


@pytest.mark.parametrize(("own", "called"), [("Midnight", "Midnight"), (None, "of the index"), ("", "of the index")])
def test_a_tier_is_called_as_it_calls_itself_else_as_the_index_does(own: str | None, called: str) -> None:
    found = SkillTier(9, own, (Named(7, "Soup"), Named(8, None)))
    assert recipe_answers.listed_in(Named(10, "of the index"), found) == [
        ListedRecipe(7, "Soup", called, 10),
        ListedRecipe(8, None, called, 10),
    ]


@pytest.mark.parametrize(
    ("limit", "lists"),
    [
        (None, [[2, 4], [1, 3], []]),
        (4, [[2, 4], [1, 3], []]),
        (3, [[2, 4], [1], []]),
        (2, [[2, 4], [], []]),
        (0, [list[int](), [], []]),
    ],
)
def test_a_recipe_is_the_first_ones_that_lists_it_and_once(limit: int | None, lists: list[list[int]]) -> None:
    listings = [profession(1, 2, 4, 2), profession(3, 1, 2, 3), profession(5, 4)]
    found = recipe_answers.owned(listings, limit=limit)
    assert [[entry.id for entry in listing.entries] for listing in listings] == lists
    assert found == {number for numbers in lists for number in numbers}


def test_a_profession_is_called_by_its_name_or_its_number() -> None:
    assert ListedProfession(Named(7, "Smith")).name == "Smith"
    assert ListedProfession(Named(7, None)).name == "7"


@pytest.mark.parametrize(
    ("taken", "is_less"),
    [
        (set[int](), False),
        ({7}, False),
        ({7, 8}, False),
        ({7, 9}, True),
    ],
)
def test_an_answer_lacks_what_none_of_its_rows_takes_any_more(taken: set[int], *, is_less: bool) -> None:
    recipes = [recipe(1, takes=(7,)), recipe(1, takes=(8, 6))]
    pairs = {(Faction.NEUTRAL.value, item) for item in taken}
    assert recipe_answers.lacks_what_it_took(pairs, recipes) is is_less
    # What a faction took, the other doesn't take for it.
    assert recipe_answers.lacks_what_it_took({("nobody", item) for item in taken}, recipes) is bool(taken)


@pytest.mark.parametrize(("unavailable", "is_tried"), [(0, True), (2, True), (3, False), (4, False)])
def test_after_three_in_a_row_that_were_unavailable_no_other_is_tried(unavailable: int, *, is_tried: bool) -> None:
    if is_tried:
        recipe_answers.require_reachable(profession(1), unavailable=unavailable)
        return
    with pytest.raises(UnavailableError, match="was not tried"):
        recipe_answers.require_reachable(profession(1), unavailable=unavailable)


def test_why_a_list_is_not_known_comes_before_why_it_was_not_tried() -> None:
    failure = RefusedAnswerError("a list of its own shape.")
    for unavailable in (0, 3):
        with pytest.raises(RefusedAnswerError) as raised:
            recipe_answers.require_reachable(ListedProfession(Named(1, None), failure=failure), unavailable=unavailable)
        assert raised.value is failure


@pytest.mark.parametrize(("asked", "most"), [(6, 5), (59, 5), (60, 6), (119, 11)])
def test_five_recipes_may_make_no_sense_or_a_tenth(asked: int, most: int) -> None:
    for number in (0, most):
        recipe_answers.require_plausible([SENSELESS] * number + [SHOWN] * (asked - number))
    with pytest.raises(RefusedAnswerError, match=f"^{most + 1} of {asked} recipes make .* since: of its shape. Run"):
        recipe_answers.require_plausible([SENSELESS] * (most + 1) + [SHOWN] * (asked - most - 1))


@pytest.mark.parametrize(("asked", "most"), [(21, 20), (41, 20), (42, 21), (51, 25)])
def test_twenty_recipes_may_not_be_shown_or_half(asked: int, most: int) -> None:
    gone = [GONE] * (most - 1)
    recipe_answers.require_plausible([*gone, FORBIDDEN, *[SHOWN] * (asked - most)])
    with pytest.raises(UnavailableError, match=f"doesn't show {most + 1} of {asked} recipes that it lists"):
        recipe_answers.require_plausible([*gone, FORBIDDEN, FORBIDDEN, *[SHOWN] * (asked - most - 1)])


def test_rows_stand_where_their_recipe_is_listed_and_what_is_skipped_has_none() -> None:
    listing = profession(1, 5, 6, 7, 8, 9)
    split = (recipe(9, faction=Faction.NEUTRAL), recipe(9, faction=list(Faction)[-1]))
    answers = [GONE, AskedRecipe(recipes=(recipe(6),)), SENSELESS, FORBIDDEN, AskedRecipe(recipes=split)]
    rows = recipe_answers.rows_of(listing, answers)
    assert [row.recipe for row in rows] == [recipe(6), *split]
    assert [(row.profession, row.skill_tier, row.skill_tier_id, row.listed_name) for row in rows] == [
        ("P1", "Tier", 10, f"L{number}") for number in (6, 9, 9)
    ]
    assert recipe_answers.not_shown_of(listing, answers) == {5: 404, 8: 403}
    skipped = recipe_answers.skipped_of(listing, [*answers[:4], GONE])
    assert list(skipped.by_name.items()) == [("404", 2), ("malformed", 1), ("403", 1)]


def test_each_recipe_counts_once_for_all_that_is_peculiar_about_it() -> None:
    tallies = RecipeTallies(newest=OLD)
    for answer in (
        AskedRecipe(recipes=(recipe(1),)),
        AskedRecipe(recipes=(recipe(2, slots=2, makes=None, surprises=("one", "two")),) * 2),
        AskedRecipe(recipes=(recipe(3, slots=3, makes=None),)),
        AskedRecipe(recipes=(recipe(4, slots=4),)),
        AskedRecipe(recipes=(recipe(5),)),
        GONE,
    ):
        tallies.count(answer)
    # In this order they are shown.
    assert list(tallies.counted.by_name.items()) == [
        ("with slots", 3),
        ("slots", 9),
        ("split by faction", 1),
        ("without crafted item", 2),
        ("with surprises", 1),
    ]


def test_the_newest_build_is_noted_also_of_what_shows_no_recipe() -> None:
    tallies = RecipeTallies(newest=OLD)
    for build, newest in ((None, OLD), (NEW, NEW), (OLD, NEW)):
        tallies.count(AskedRecipe(build=build))
        assert tallies.newest == newest


def test_a_surprise_is_warned_of_once_whatever_its_shape(caplog: pytest.LogCaptureFixture) -> None:
    tallies = RecipeTallies()
    with caplog.at_level(logging.WARNING):
        for number, surprises in ((1, ("a key (int)", "a list (long)")), (2, ("a key (str)",)), (3, ("a word",))):
            tallies.count(AskedRecipe(recipes=(recipe(number, surprises=surprises),)))
    said = [record.getMessage().partition(". It")[0] for record in caplog.records]
    assert said == [
        "The recipe 1 has something new: a key (int)",
        "The recipe 1 has something new: a list (long)",
        "The recipe 3 has something new: a word",
    ]


@pytest.mark.parametrize(
    ("statuses", "failures", "whole", "partial"),
    [
        ([], [], SeedOutcome.COMPLETED, SeedOutcome.LIMITED),
        ([ExitStatus.DONE], [], SeedOutcome.COMPLETED, SeedOutcome.LIMITED),
        ([ExitStatus.DONE], [UnavailableError("503.")], SeedOutcome.INCOMPLETE, SeedOutcome.INCOMPLETE),
        ([], [UnavailableError("503.")], SeedOutcome.FAILED, SeedOutcome.FAILED),
    ],
)
def test_a_run_that_failed_is_never_complete_and_one_of_a_part_neither(
    statuses: list[ExitStatus], failures: list[IronforgeError], whole: SeedOutcome, partial: SeedOutcome
) -> None:
    tallies = RecipeTallies(statuses=list(statuses))
    for failure in failures:
        tallies.fail("P1", failure)
    assert tallies.failures == [("P1", failure) for failure in failures]
    assert tallies.statuses == [*statuses, *(failure.status for failure in failures)]
    assert tallies.outcome(is_partial=False) is whole
    assert tallies.outcome(is_partial=True) is partial
