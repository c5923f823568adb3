"""Recipes: professions, their skill tiers, what those list, and each recipe; committed profession by profession.

A recipe that is listed in several places is one row, of the profession with the lowest number and there of the first
tier in Blizzard's order. One that Blizzard doesn't show (403, 404), or that makes no sense however often it is asked
for, is skipped and counted; what was stored of it stays.

Missing is not gone: a tier that lists nothing, and a recipe that lacks what it took before, are asked for once more,
and what no list names is deleted only where Blizzard doesn't show it by itself either (`unlisted.py`).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar

from ironforge_cli.blizzard.transport import NotThereError
from ironforge_cli.db.repositories import catalogue, seeders
from ironforge_cli.db.repositories.catalogue import Changes, PlacedRecipe
from ironforge_cli.errors import (
    ConfigurationError,
    CredentialsError,
    ExitStatus,
    IronforgeError,
    RefusedAnswerError,
    UnavailableError,
    combined_status,
)
from ironforge_cli.jobs.catalogue.unlisted import judged
from ironforge_cli.jobs.catalogue.work import Counts, SeededPart, SeedOutcome
from ironforge_cli.market.builds import is_newer_build
from ironforge_cli.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Future, ThreadPoolExecutor

    from ironforge_cli.jobs.catalogue.work import Work
    from ironforge_cli.market.catalogue import Named, Recipe

log = logging.getLogger(__name__)

_Entry = TypeVar("_Entry")

MALFORMED: Final = "malformed"
_NOT_FOUND: Final = 404
_FORBIDDEN: Final = 403
_GIVE_UP_AFTER: Final = 3
"""Professions in a row for which Blizzard was unavailable: the others would be no better off."""
_FEW_MALFORMED: Final = 5
_FEW_NOT_SHOWN: Final = 20
_FEW_UNLISTED: Final = 10


@dataclass(frozen=True, slots=True)
class _Listed:
    """A recipe, or what only looks like one, and where it stands first."""

    id: int
    name: str | None
    skill_tier: str | None
    skill_tier_id: int


@dataclass(slots=True)
class _Listing:
    """What a profession lists, or why that is not known."""

    profession: Named
    entries: list[_Listed] = field(default_factory=list["_Listed"])
    failure: IronforgeError | None = None
    is_whole: bool = True
    """False where a tier that it names is not shown."""


@dataclass(frozen=True, slots=True)
class _AskedRecipe:
    """What became of asking for one recipe: its rows, or why there are none."""

    recipes: tuple[Recipe, ...] = ()
    build: str | None = None
    status: int | None = None
    """403 or 404."""
    refused: str | None = None


@dataclass(slots=True)
class _RecipeTallies:
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


def seed_recipes(work: Work) -> SeededPart:
    """Store every recipe, unless all are there of this build and locale.

    Raises what ends the whole run: errors of the database, the credentials or the settings, an index of professions
    that can't be had, and `InterruptedRunError`.
    """
    trial, locale = work.trial, work.source.locale
    build, professions = work.build, work.professions()
    with work.database.transaction() as connection:
        state = seeders.seeder_states(connection)["recipe"]
        if state.is_current(build=build, locale=locale) and not trial.force:
            rows = catalogue.count_recipes(connection)
            return SeededPart("recipes", SeedOutcome.CURRENT, ExitStatus.DONE, build=build, rows=rows)
        seeders.reopen(connection, "recipe")
        if trial.force:
            catalogue.forget_not_shown(connection, "recipe")
        taken = catalogue.reagents_by_recipe(connection)
        not_shown = catalogue.not_shown(connection, "recipe", build=build)
    tallies = _RecipeTallies(newest=build)
    with work.asking() as pool:
        listings = _listings(work, professions, pool=pool, counts=tallies.skipped)
        listed = _owned(listings, limit=trial.limit)
        work.progress.begin("recipes", total=sum(len(listing.entries) for listing in listings))
        asked = [
            [_ask(work, entry, known=not_shown, taken=taken, pool=pool) for entry in listing.entries]
            for listing in listings
        ]
        _store_each(work, listings, asked, tallies=tallies)
    work.see(tallies.newest)
    return _finished(work, tallies, listed=listed, is_whole=all(listing.is_whole for listing in listings))


def _listings(work: Work, professions: Sequence[Named], *, pool: ThreadPoolExecutor, counts: Counts) -> list[_Listing]:
    """What every profession lists: all professions are asked for at once, then all their tiers."""
    listings = [_Listing(profession) for profession in professions]
    work.progress.begin("professions", total=len(listings))

    def tiers_of(profession: Named) -> list[Named]:
        work.clock.check()
        found = work.source.skill_tiers(work.region, profession.id, build=work.build).value
        if found or work.trial.is_partial:
            return found
        # Some have none; of others that was an answer that lacked a part.
        return work.source.skill_tiers(work.region, profession.id, build=work.build, anew=True).value

    def entries_of(profession: Named, tier: Named) -> list[_Listed]:
        work.clock.check()
        found = work.source.skill_tier(work.region, profession.id, tier.id, build=work.build).value
        if not found.recipes and not work.trial.is_partial:
            found = work.source.skill_tier(work.region, profession.id, tier.id, build=work.build, anew=True).value
        return [_Listed(entry.id, entry.name, found.name or tier.name, tier.id) for entry in found.recipes]

    asked = [pool.submit(tiers_of, listing.profession) for listing in listings]
    tiers: list[tuple[_Listing, Future[list[_Listed]]]] = []
    for listing, answer in zip(listings, asked, strict=True):
        found = _listed(listing, answer, what="profession", counts=counts)
        tiers += [(listing, pool.submit(entries_of, listing.profession, tier)) for tier in found]
        work.progress.advance()
    work.progress.begin("skill tiers", total=len(tiers))
    for listing, entries in tiers:
        listing.entries += _listed(listing, entries, what="skill tier", counts=counts)
        work.progress.advance()
    return listings


def _listed(listing: _Listing, answer: Future[list[_Entry]], *, what: str, counts: Counts) -> list[_Entry]:
    """The answer of an index, or nothing and a word on why; what ends the run is raised."""
    try:
        return answer.result()
    except NotThereError as error:
        log.debug("A %s of %s is listed, but not shown: %s", what, listing.profession.name, error)
        counts.add(f"{what} not shown")
        listing.is_whole = False
    except (UnavailableError, RefusedAnswerError) as error:
        listing.failure = listing.failure or error
    return []


def _owned(listings: Sequence[_Listing], *, limit: int | None) -> set[int]:
    """Leave each recipe to the first that lists it, `limit` at most; returns the ids of all that are listed."""
    owned: set[int] = set()
    for listing in listings:
        mine: list[_Listed] = []
        for entry in listing.entries:
            if entry.id not in owned and (limit is None or len(owned) < limit):
                owned.add(entry.id)
                mine.append(entry)
        listing.entries = mine
    return owned


def _ask(
    work: Work,
    entry: _Listed,
    *,
    known: dict[int, int],
    taken: dict[int, set[tuple[str, int]]],
    pool: ThreadPoolExecutor,
) -> Future[_AskedRecipe]:
    """Ask for a recipe in a thread, unless it is known not to be shown; twice, where it lacks what it took before."""

    def ask() -> _AskedRecipe:
        work.clock.check()
        if entry.id in known:
            return _AskedRecipe(status=known[entry.id])
        try:
            read = work.source.recipe(work.region, entry.id, build=work.build)
            if taken.get(entry.id, set()) - _taken_by(read.value):
                read = work.source.recipe(work.region, entry.id, build=work.build, anew=True)
        except NotThereError as error:
            return _AskedRecipe(status=_FORBIDDEN if error.is_forbidden else _NOT_FOUND)
        except RefusedAnswerError as error:
            return _AskedRecipe(refused=str(error))
        return _AskedRecipe(recipes=tuple(read.value), build=read.build)

    return pool.submit(ask)


def _taken_by(recipes: Sequence[Recipe]) -> set[tuple[str, int]]:
    """Factions and items of what a recipe takes."""
    return {(recipe.faction.value, reagent.item_id) for recipe in recipes for reagent in recipe.reagents}


def _store_each(
    work: Work,
    listings: Sequence[_Listing],
    asked: Sequence[Sequence[Future[_AskedRecipe]]],
    *,
    tallies: _RecipeTallies,
) -> None:
    """Store each profession as soon as all of it was answered, while the next ones are asked for."""
    unavailable = 0
    for listing, futures in zip(listings, asked, strict=True):
        name = listing.profession.name or str(listing.profession.id)
        try:
            _require_reachable(listing, unavailable=unavailable)
            answers = [_answered(work, future) for future in futures]
            _require_plausible(answers)
            line = _store(work, listing, answers, tallies=tallies)
        except (CredentialsError, ConfigurationError):
            raise
        except (UnavailableError, RefusedAnswerError) as error:
            for future in futures:
                future.cancel()
            unavailable += isinstance(error, UnavailableError)
            tallies.failures.append((name, error))
            tallies.statuses.append(error.status)
            work.progress.tell(f"{name}: failed, nothing of it was stored: {error}")
        else:
            unavailable = 0
            tallies.statuses.append(ExitStatus.DONE)
            if line:
                work.progress.tell(f"{name}: {line}")


def _require_reachable(listing: _Listing, *, unavailable: int) -> None:
    if listing.failure is not None:
        raise listing.failure
    if unavailable >= _GIVE_UP_AFTER:
        raise UnavailableError("Blizzard was unavailable for others, so that this was not tried.")


def _answered(work: Work, future: Future[_AskedRecipe]) -> _AskedRecipe:
    answer = future.result()
    work.progress.advance()
    return answer


def _require_plausible(answers: Sequence[_AskedRecipe]) -> None:
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


def _store(work: Work, listing: _Listing, answers: Sequence[_AskedRecipe], *, tallies: _RecipeTallies) -> str:
    """Store what was answered for one profession, in one transaction; returns a line about it."""
    build = work.build
    placed = [
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
    statuses = {
        entry.id: answer.status
        for entry, answer in zip(listing.entries, answers, strict=True)
        if answer.status is not None
    }
    with work.database.transaction() as connection:
        changes = catalogue.store_recipes(connection, placed)
        catalogue.forget_not_shown(connection, "recipe", {one.recipe.id for one in placed})
        if placed:
            # Where nothing of a profession is shown, something else may be wrong, and is asked about again.
            catalogue.remember_not_shown(connection, "recipe", statuses, build=build)
        if changes.any:
            # What they take, and which items there are, may have changed with them.
            seeders.reopen(connection, "reagent")
            seeders.reopen(connection, "output")
    tallies.changes += changes
    skipped = Counts()
    for entry, answer in zip(listing.entries, answers, strict=True):
        _tally(entry, answer, skipped=skipped, tallies=tallies)
    for reason, number in skipped.by_name.items():
        tallies.skipped.add(reason, number)
    without = "".join(f", {number} {reason}" for reason, number in skipped.by_name.items())
    return (
        f"{counted(len(placed), 'row')} of {counted(len(listing.entries), 'recipe')}{without}"
        if listing.entries
        else ""
    )


def _tally(entry: _Listed, answer: _AskedRecipe, *, skipped: Counts, tallies: _RecipeTallies) -> None:
    """Count what a recipe showed; what nobody has seen before is warned of once."""
    if answer.status is not None:
        skipped.add(str(answer.status))
        log.debug("Skipped the recipe %d (%s): Blizzard answers %d", entry.id, entry.name, answer.status)
    if answer.refused is not None:
        skipped.add(MALFORMED)
        log.debug("Skipped the recipe %d (%s): %s", entry.id, entry.name, answer.refused)
    if is_newer_build(answer.build, tallies.newest):
        tallies.newest = answer.build
    if not answer.recipes:
        return
    recipe = answer.recipes[0]
    tallies.counted.add("with slots", int(bool(recipe.slots)))
    tallies.counted.add("slots", recipe.slots)
    tallies.counted.add("split by faction", int(len(answer.recipes) > 1))
    tallies.counted.add("without crafted item", int(recipe.crafted_item_id is None))
    tallies.counted.add("with surprises", int(bool(recipe.surprises)))
    for surprise in recipe.surprises:
        # The shape's own words differ from recipe to recipe.
        kind = surprise.partition(" (")[0]
        if kind not in tallies.told:
            tallies.told.add(kind)
            log.warning("The recipe %d has something new: %s. It is kept in recipes.data.", recipe.id, surprise)


def _gone(work: Work, tallies: _RecipeTallies, *, listed: set[int], is_whole: bool) -> tuple[frozenset[int], list[str]]:
    """The stored recipes that neither a list names nor Blizzard shows by itself, and a word on those that stay.

    Lists that lack what Blizzard still shows are a failure of the run, and are forgotten, so that the next asks anew.
    """
    with work.database.connect() as connection:
        unlisted = catalogue.unlisted_recipes(connection, listed)
        few = max(_FEW_UNLISTED, catalogue.count_recipes(connection) // 10)
        control = catalogue.shown_recipe(connection, listed)
    if not unlisted:
        return frozenset(), []
    is_deleted = is_whole and (len(unlisted) <= few or work.trial.force)
    try:
        verdict = judged(work, unlisted, every=is_deleted, control=control)
        verdict.require_lists_whole(unlisted=len(unlisted))
    except (UnavailableError, RefusedAnswerError) as error:
        log.error("%s", error)  # noqa: TRY400 - it says what to do; a traceback would bury it
        tallies.failures.append(("lists", error))
        tallies.statuses.append(error.status)
        if isinstance(error, RefusedAnswerError):
            work.source.forget_static()
        return frozenset(), []
    if is_deleted:
        return verdict.gone, []
    too_many = (
        f"{len(unlisted)} stored recipes are not listed any more, too many to delete unasked: "
        "if that is right, run it with --force."
    )
    return frozenset(), [too_many] if is_whole else []


def _finished(work: Work, tallies: _RecipeTallies, *, listed: set[int], is_whole: bool) -> SeededPart:
    """Delete what is gone, and note what is complete, where everything was read."""
    build, locale = work.build, work.source.locale
    notes: list[str] = []
    gone: frozenset[int] = frozenset()
    if not tallies.failures and not work.trial.is_partial:
        gone, notes = _gone(work, tallies, listed=listed, is_whole=is_whole)
    is_complete = not tallies.failures and not work.trial.is_partial
    with work.database.transaction() as connection:
        deleted = catalogue.delete_recipes(connection, gone)
        tallies.changes += deleted
        if deleted.any:
            seeders.reopen(connection, "reagent")
        if is_complete:
            seeders.complete(connection, "recipe", build=build, locale=locale)
        seeders.see_build(connection, tallies.newest)
        rows = catalogue.count_recipes(connection)
    notes += [f"{name}: {error}" for name, error in tallies.failures]
    status = combined_status(tallies.statuses)
    outcome = SeedOutcome.COMPLETED
    if tallies.failures:
        outcome = SeedOutcome.INCOMPLETE if ExitStatus.DONE in tallies.statuses else SeedOutcome.FAILED
    elif work.trial.is_partial:
        outcome = SeedOutcome.LIMITED
    return SeededPart(
        "recipes",
        outcome,
        status,
        build=build,
        rows=rows,
        changes=tallies.changes,
        skipped=tallies.skipped.by_name,
        counted=tallies.counted.by_name,
        message=" ".join(notes) or None,
    )
