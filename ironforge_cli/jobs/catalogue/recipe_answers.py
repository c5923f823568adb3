"""What is made of Blizzard's answers about recipes: whose each is, what is believed, and what a run came to.

Values in, values out: who asks, and who stores, is `recipes.py`.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ironforge_cli.db.repositories.catalogue import Changes, PlacedRecipe
from ironforge_cli.errors import ExitStatus, IronforgeError, RefusedAnswerError, UnavailableError
from ironforge_cli.jobs.catalogue.work import Counts, SeedOutcome
from ironforge_cli.market.builds import is_newer_build
from ironforge_cli.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ironforge_cli.market.catalogue import Named, Recipe, SkillTier

log = logging.getLogger(__name__)

_MALFORMED: Final = "malformed"
_GIVE_UP_AFTER: Final = 3
"""Professions in a row for which Blizzard was unavailable: the others would be no better off."""
_FEW_MALFORMED: Final = 5
_FEW_NOT_SHOWN: Final = 20
_FEW_UNLISTED: Final = 10


@dataclass(frozen=True, slots=True)
class ListedRecipe:
    """A recipe, or what only looks like one, and where it stands first."""

    id: int
    name: str | None
    skill_tier: str | None
    skill_tier_id: int


@dataclass(slots=True)
class ListedProfession:
    """What a profession lists, or why that is not known."""

    profession: Named
    entries: list[ListedRecipe] = field(default_factory=list["ListedRecipe"])
    failure: IronforgeError | None = None
    is_whole: bool = True
    """False where a tier that it names is not shown."""

    @property
    def name(self) -> str:
        """What to call it, where it has no name its number."""
        return self.profession.name or str(self.profession.id)


@dataclass(frozen=True, slots=True)
class AskedRecipe:
    """What became of asking for one recipe: its rows, or why there are none."""

    recipes: tuple[Recipe, ...] = ()
    build: str | None = None
    status: int | None = None
    """403 or 404."""
    refused: str | None = None


@dataclass(slots=True)
class RecipeTallies:
    """What a run has come to so far."""

    changes: Changes = field(default_factory=Changes)
    skipped: Counts = field(default_factory=Counts)
    counted: Counts = field(default_factory=Counts)
    failures: list[tuple[str, IronforgeError]] = field(default_factory=list[tuple[str, IronforgeError]])
    statuses: list[ExitStatus] = field(default_factory=list[ExitStatus])
    told: set[str] = field(default_factory=set[str])
    """Surprises that were warned of."""
    newest: str | None = None
    """The newest build among the answers."""

    def fail(self, name: str, error: IronforgeError) -> None:
        """Note that nothing came of a part of the work."""
        self.failures.append((name, error))
        self.statuses.append(error.status)

    def outcome(self, *, is_partial: bool) -> SeedOutcome:
        """How a run ends of which only a part was asked for, or all."""
        if self.failures:
            return SeedOutcome.INCOMPLETE if ExitStatus.DONE in self.statuses else SeedOutcome.FAILED
        return SeedOutcome.LIMITED if is_partial else SeedOutcome.COMPLETED

    def count(self, answer: AskedRecipe) -> None:
        """Count what a recipe showed; what nobody has seen before is warned of once."""
        if is_newer_build(answer.build, self.newest):
            self.newest = answer.build
        if not answer.recipes:
            return
        recipe = answer.recipes[0]
        self.counted.add("with slots", int(bool(recipe.slots)))
        self.counted.add("slots", recipe.slots)
        self.counted.add("split by faction", int(len(answer.recipes) > 1))
        self.counted.add("without crafted item", int(recipe.crafted_item_id is None))
        self.counted.add("with surprises", int(bool(recipe.surprises)))
        for surprise in recipe.surprises:
            # The shape's own words differ from recipe to recipe.
            kind = surprise.partition(" (")[0]
            if kind not in self.told:
                self.told.add(kind)
                log.warning("The recipe %d has something new: %s. It is kept in recipes.data.", recipe.id, surprise)


def listed_in(tier: Named, found: SkillTier) -> list[ListedRecipe]:
    """What a tier lists, that a profession's index calls by a name of its own."""
    return [ListedRecipe(entry.id, entry.name, found.name or tier.name, tier.id) for entry in found.recipes]


def owned(listings: Sequence[ListedProfession], *, limit: int | None) -> set[int]:
    """Leave each recipe to the first that lists it, `limit` at most; returns the ids of all that are listed."""
    found: set[int] = set()
    for listing in listings:
        mine: list[ListedRecipe] = []
        for entry in listing.entries:
            if entry.id not in found and (limit is None or len(found) < limit):
                found.add(entry.id)
                mine.append(entry)
        listing.entries = mine
    return found


def lacks_what_it_took(taken: set[tuple[str, int]], recipes: Sequence[Recipe]) -> bool:
    """Whether an answer lacks factions and items of what a recipe took before."""
    return bool(taken - {(recipe.faction.value, reagent.item_id) for recipe in recipes for reagent in recipe.reagents})


def require_reachable(listing: ListedProfession, *, unavailable: int) -> None:
    """Raise why a profession's list is not known; or `UnavailableError`, where too many before it were in a row."""
    if listing.failure is not None:
        raise listing.failure
    if unavailable >= _GIVE_UP_AFTER:
        raise UnavailableError("Blizzard was unavailable for others, so that this was not tried.")


def require_plausible(answers: Sequence[AskedRecipe]) -> None:
    """A few recipes that are not shown or make no sense are usual; many are a failure of something else."""
    refused = [answer.refused for answer in answers if answer.refused is not None]
    if len(refused) > max(_FEW_MALFORMED, len(answers) // 10):
        raise RefusedAnswerError(
            f"{len(refused)} of {counted(len(answers), 'recipe')} make no sense, the first since: {refused[0]} "
            f"Run it again later."
        )
    not_shown = sum(answer.status is not None for answer in answers)
    if not_shown > max(_FEW_NOT_SHOWN, len(answers) // 2):
        raise UnavailableError(
            f"Blizzard doesn't show {not_shown} of {counted(len(answers), 'recipe')} that it lists (403, 404), "
            f"which is more than "
            "is usual. Run it again later."
        )


def rows_of(listing: ListedProfession, answers: Sequence[AskedRecipe]) -> list[PlacedRecipe]:
    """The rows of what a profession's recipes showed, in its order."""
    return [
        PlacedRecipe(
            recipe=recipe,
            profession=listing.profession.name,
            skill_tier=entry.skill_tier,
            listed_name=entry.name,
            skill_tier_id=entry.skill_tier_id,
        )
        for entry, answer in zip(listing.entries, answers, strict=True)
        for recipe in answer.recipes
    ]


def not_shown_of(listing: ListedProfession, answers: Sequence[AskedRecipe]) -> dict[int, int]:
    """With which status Blizzard doesn't show recipes, by their ids."""
    return {
        entry.id: answer.status
        for entry, answer in zip(listing.entries, answers, strict=True)
        if answer.status is not None
    }


def skipped_of(listing: ListedProfession, answers: Sequence[AskedRecipe]) -> Counts:
    """How many of a profession's recipes were skipped, by reason."""
    skipped = Counts()
    for entry, answer in zip(listing.entries, answers, strict=True):
        if answer.status is not None:
            skipped.add(str(answer.status))
            log.debug("Skipped the recipe %d (%s): Blizzard answers %d", entry.id, entry.name, answer.status)
        if answer.refused is not None:
            skipped.add(_MALFORMED)
            log.debug("Skipped the recipe %d (%s): %s", entry.id, entry.name, answer.refused)
    return skipped


def stored_in_words(*, rows: int, listed: int, skipped: Counts) -> str:
    """What was stored of a profession; nothing of one that lists nothing.

    >>> skipped = Counts()
    >>> skipped.add("404", 2)
    >>> stored_in_words(rows=1_200, listed=1, skipped=skipped)
    '1,200 rows of 1 recipe, 2 404'
    >>> stored_in_words(rows=0, listed=0, skipped=Counts())
    ''
    """
    without = "".join(f", {number} {reason}" for reason, number in skipped.by_name.items())
    return f"{counted(rows, 'row')} of {counted(listed, 'recipe')}{without}" if listed else ""


def may_delete(unlisted: int, *, stored: int, is_forced: bool) -> bool:
    """Whether so many recipes that no list names may be deleted unasked: a few, or a tenth of those that are stored.

    >>> [may_delete(unlisted, stored=99, is_forced=False) for unlisted in (10, 11)]
    [True, False]
    >>> [may_delete(unlisted, stored=120, is_forced=False) for unlisted in (12, 13)]
    [True, False]
    >>> may_delete(13, stored=120, is_forced=True)
    True
    """
    return is_forced or unlisted <= max(_FEW_UNLISTED, stored // 10)
