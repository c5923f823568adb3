"""What no list names: how many are asked for, what is taken for gone, and when the lists are wrong."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from ironforge_cli.blizzard.transport import NotThereError
from ironforge_cli.db.repositories.catalogue import UnlistedRecipe
from ironforge_cli.errors import InterruptedRunError, RefusedAnswerError, UnavailableError
from ironforge_cli.jobs.catalogue.unlisted import Verdict, judged
from ironforge_cli.regions import Region

if TYPE_CHECKING:
    from collections.abc import Collection


class Asked:
    """A run whose source shows some recipes, and no sense of others; it notes what is asked and told."""

    region, build = Region.EU, "12.0.1_65617"

    def __init__(self, *, shown: Collection[int] = (), senseless: Collection[int] = (), checks: int = 1_000) -> None:
        self.shown, self.senseless, self.checks = shown, senseless, checks
        self.recipes: list[int] = []
        self.begun: list[tuple[str, int]] = []
        self.steps = 0
        self.source = self.clock = self.progress = self

    def asking(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(1)

    def check(self) -> None:
        self.checks -= 1
        if self.checks < 0:
            raise InterruptedRunError("SIGTERM")

    def begin(self, name: str, *, total: int) -> None:
        self.begun.append((name, total))

    def advance(self) -> None:
        self.steps += 1

    def recipe(self, region: Region, recipe_id: int, **options: Any) -> None:
        assert (region, options) == (Region.EU, {"build": self.build, "anew": True})
        self.recipes.append(recipe_id)
        if recipe_id in self.senseless:
            raise RefusedAnswerError("No recipe.")
        if recipe_id not in self.shown:
            raise NotThereError("Not there.", is_forbidden=False)


def unlisted(*ids: int) -> list[UnlistedRecipe]:
    return [UnlistedRecipe(number, f"Recipe {number}", "Alchemy", "Midnight Alchemy") for number in ids]


def judge(asked: Asked, *ids: int, every: bool = True, control: int | None = 99) -> Verdict:
    work: Any = asked
    return judged(work, unlisted(*ids), every=every, control=control)


def test_each_is_asked_for_and_what_is_shown_or_makes_no_sense_is_there() -> None:
    asked = Asked(shown=[2, 99], senseless=[3])
    assert judge(asked, 1, 2, 3, 4) == Verdict(frozenset({1, 4}), tuple(unlisted(2, 3)), 4)
    # What the lists name is asked for last, to see whether Blizzard shows recipes at all.
    assert asked.recipes == [1, 2, 3, 4, 99]
    assert (asked.begun, asked.steps) == ([("recipes that no list names", 4)], 4)


def test_what_is_shown_needs_no_control_and_without_one_none_is_asked() -> None:
    asked = Asked(shown=[1])
    assert judge(asked, 1).shown == tuple(unlisted(1))
    assert asked.recipes == [1]
    asked = Asked()
    assert judge(asked, 1, control=None) == Verdict(frozenset({1}), (), 1)
    assert asked.recipes == [1]


@pytest.mark.parametrize("gone", [[1], [1, 2]])
def test_where_a_listed_recipe_is_not_shown_either_none_is_taken_for_gone(gone: list[int]) -> None:
    asked = Asked(shown={1, 2} - {*gone})
    with pytest.raises(UnavailableError, match=r"neither the recipe 99, which is listed: none is taken for gone\. Run"):
        judge(asked, 1, 2)


@pytest.mark.parametrize(("count", "step"), [(1, 1), (50, 1), (99, 1), (100, 2), (149, 2), (150, 3)])
def test_where_nothing_will_be_deleted_some_fifty_are_asked_for(count: int, step: int) -> None:
    asked = Asked(shown=range(count))
    ids = range(count)
    assert judge(asked, *ids, every=False).asked == len(ids[::step])
    assert asked.recipes == list(ids[::step])
    assert judge(Asked(shown=ids), *ids).asked == count


def test_whoever_asks_for_the_end_gets_it_before_the_next_question() -> None:
    asked = Asked(shown=[1, 2], checks=1)
    with pytest.raises(InterruptedRunError):
        judge(asked, 1, 2, 3)
    assert asked.recipes == [1]


def test_lists_that_lack_what_is_shown_are_wrong_and_the_first_of_it_is_named() -> None:
    Verdict(frozenset({1}), (), 1).require_lists_whole(unlisted=1)
    nameless = UnlistedRecipe(5, None, None, "Midnight Alchemy")
    for shown, named in (
        (
            unlisted(2, 3),
            r"2 of the 7 that were asked for, such as 2 Recipe 2 \(Alchemy, Midnight Alchemy\): the lists",
        ),
        (
            [nameless],
            r"1 of the 7 that were asked for, such as 5  \(Midnight Alchemy\): the lists are wrong, and nothing",
        ),
    ):
        with pytest.raises(RefusedAnswerError, match=rf"lack 40 stored recipes, but by itself it still shows {named}"):
            Verdict(frozenset(), tuple(shown), 7).require_lists_whole(unlisted=40)
