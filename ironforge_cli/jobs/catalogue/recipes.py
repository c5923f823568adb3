"""Recipes: professions, their skill tiers, what those list, and each recipe; committed profession by profession.

A recipe that is listed in several places is one row, of the profession with the lowest number and there of the first
tier in Blizzard's order. One that Blizzard doesn't show (403, 404), or that makes no sense however often it is asked
for, is skipped and counted; what was stored of it stays.

Missing is not gone: a tier that lists nothing, and a recipe that lacks what it took before, are asked for once more,
and what no list names is deleted only where Blizzard doesn't show it by itself either (`unlisted.py`).
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, TypeVar

from ironforge_cli.blizzard.transport import NotThereError
from ironforge_cli.db.repositories import catalogue, seeders
from ironforge_cli.errors import (
    ExitStatus,
    RefusedAnswerError,
    UnavailableError,
    combined_status,
)
from ironforge_cli.jobs.catalogue.recipe_answers import (
    AskedRecipe,
    ListedProfession,
    ListedRecipe,
    RecipeTallies,
    lacks_what_it_took,
    listed_in,
    may_delete,
    not_shown_of,
    owned,
    require_plausible,
    require_reachable,
    rows_of,
    skipped_of,
    stored_in_words,
)
from ironforge_cli.jobs.catalogue.unlisted import judged
from ironforge_cli.jobs.catalogue.work import SeededPart, SeedOutcome

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Future, ThreadPoolExecutor

    from ironforge_cli.jobs.catalogue.work import Counts, Work
    from ironforge_cli.market.catalogue import Named

log = logging.getLogger(__name__)

_Entry = TypeVar("_Entry")

_NOT_FOUND: Final = 404
_FORBIDDEN: Final = 403


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
    tallies = RecipeTallies(newest=build)
    with work.asking() as pool:
        listings = _listings(work, professions, pool=pool, counts=tallies.skipped)
        listed = owned(listings, limit=trial.limit)
        work.progress.begin("recipes", total=sum(len(listing.entries) for listing in listings))
        asked = [
            [_ask(work, entry, known=not_shown, taken=taken, pool=pool) for entry in listing.entries]
            for listing in listings
        ]
        _store_each(work, listings, asked, tallies=tallies)
    work.see(tallies.newest)
    return _finished(work, tallies, listed=listed, is_whole=all(listing.is_whole for listing in listings))


def _listings(
    work: Work, professions: Sequence[Named], *, pool: ThreadPoolExecutor, counts: Counts
) -> list[ListedProfession]:
    """What every profession lists: all professions are asked for at once, then all their tiers."""
    listings = [ListedProfession(profession) for profession in professions]
    work.progress.begin("professions", total=len(listings))

    def tiers_of(profession: Named) -> list[Named]:
        work.clock.check()
        found = work.source.skill_tiers(work.region, profession.id, build=work.build).value
        if found or work.trial.is_partial:
            return found
        # Some have none; of others that was an answer that lacked a part.
        return work.source.skill_tiers(work.region, profession.id, build=work.build, anew=True).value

    def entries_of(profession: Named, tier: Named) -> list[ListedRecipe]:
        work.clock.check()
        found = work.source.skill_tier(work.region, profession.id, tier.id, build=work.build).value
        if not found.recipes and not work.trial.is_partial:
            found = work.source.skill_tier(work.region, profession.id, tier.id, build=work.build, anew=True).value
        return listed_in(tier, found)

    asked = [pool.submit(tiers_of, listing.profession) for listing in listings]
    tiers: list[tuple[ListedProfession, Future[list[ListedRecipe]]]] = []
    for listing, answer in zip(listings, asked, strict=True):
        found = _listed(listing, answer, what="profession", counts=counts)
        tiers += [(listing, pool.submit(entries_of, listing.profession, tier)) for tier in found]
        work.progress.advance()
    work.progress.begin("skill tiers", total=len(tiers))
    for listing, entries in tiers:
        listing.entries += _listed(listing, entries, what="skill tier", counts=counts)
        work.progress.advance()
    return listings


def _listed(listing: ListedProfession, answer: Future[list[_Entry]], *, what: str, counts: Counts) -> list[_Entry]:
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


def _ask(
    work: Work,
    entry: ListedRecipe,
    *,
    known: dict[int, int],
    taken: dict[int, set[tuple[str, int]]],
    pool: ThreadPoolExecutor,
) -> Future[AskedRecipe]:
    """Ask for a recipe in a thread, unless it is known not to be shown; twice, where it lacks what it took before."""

    def ask() -> AskedRecipe:
        work.clock.check()
        if entry.id in known:
            return AskedRecipe(status=known[entry.id])
        try:
            read = work.source.recipe(work.region, entry.id, build=work.build)
            if lacks_what_it_took(taken.get(entry.id, set()), read.value):
                read = work.source.recipe(work.region, entry.id, build=work.build, anew=True)
        except NotThereError as error:
            return AskedRecipe(status=_FORBIDDEN if error.is_forbidden else _NOT_FOUND)
        except RefusedAnswerError as error:
            return AskedRecipe(refused=str(error))
        return AskedRecipe(recipes=tuple(read.value), build=read.build)

    return pool.submit(ask)


def _store_each(
    work: Work,
    listings: Sequence[ListedProfession],
    asked: Sequence[Sequence[Future[AskedRecipe]]],
    *,
    tallies: RecipeTallies,
) -> None:
    """Store each profession as soon as all of it was answered, while the next ones are asked for."""
    unavailable = 0
    for listing, futures in zip(listings, asked, strict=True):
        try:
            require_reachable(listing, unavailable=unavailable)
            answers = [_answered(work, future) for future in futures]
            require_plausible(answers)
            line = _store(work, listing, answers, tallies=tallies)
        except (UnavailableError, RefusedAnswerError) as error:
            for future in futures:
                future.cancel()
            unavailable += isinstance(error, UnavailableError)
            tallies.fail(listing.name, error)
            work.progress.tell(f"{listing.name}: failed, nothing of it was stored: {error}")
        else:
            unavailable = 0
            tallies.statuses.append(ExitStatus.DONE)
            if line:
                work.progress.tell(f"{listing.name}: {line}")


def _answered(work: Work, future: Future[AskedRecipe]) -> AskedRecipe:
    answer = future.result()
    work.progress.advance()
    return answer


def _store(work: Work, listing: ListedProfession, answers: Sequence[AskedRecipe], *, tallies: RecipeTallies) -> str:
    """Store what was answered for one profession, in one transaction; returns a line about it."""
    placed = rows_of(listing, answers)
    with work.database.transaction() as connection:
        changes = catalogue.store_recipes(connection, placed)
        catalogue.forget_not_shown(connection, "recipe", {one.recipe.id for one in placed})
        if placed:
            # Where nothing of a profession is shown, something else may be wrong, and is asked about again.
            catalogue.remember_not_shown(connection, "recipe", not_shown_of(listing, answers), build=work.build)
        if changes.any:
            # What they take, and which items there are, may have changed with them.
            seeders.reopen(connection, "reagent")
            seeders.reopen(connection, "output")
    tallies.changes += changes
    for answer in answers:
        tallies.count(answer)
    skipped = skipped_of(listing, answers)
    for reason, number in skipped.by_name.items():
        tallies.skipped.add(reason, number)
    return stored_in_words(rows=len(placed), listed=len(listing.entries), skipped=skipped)


def _gone(work: Work, tallies: RecipeTallies, *, listed: set[int], is_whole: bool) -> tuple[frozenset[int], list[str]]:
    """The stored recipes that neither a list names nor Blizzard shows by itself, and a word on those that stay.

    Lists that lack what Blizzard still shows are a failure of the run, and are forgotten, so that the next asks anew.
    """
    with work.database.connect() as connection:
        unlisted = catalogue.unlisted_recipes(connection, listed)
        stored = catalogue.count_recipes(connection)
        control = catalogue.shown_recipe(connection, listed)
    if not unlisted:
        return frozenset(), []
    is_deleted = is_whole and may_delete(len(unlisted), stored=stored, is_forced=work.trial.force)
    try:
        verdict = judged(work, unlisted, every=is_deleted, control=control)
        verdict.require_lists_whole(unlisted=len(unlisted))
    except (UnavailableError, RefusedAnswerError) as error:
        log.error("%s", error)  # noqa: TRY400 - it says what to do; a traceback would bury it
        tallies.fail("lists", error)
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


def _finished(work: Work, tallies: RecipeTallies, *, listed: set[int], is_whole: bool) -> SeededPart:
    """Delete what is gone, and note what is complete, where everything was read."""
    build, locale = work.build, work.source.locale
    is_partial = work.trial.is_partial
    notes: list[str] = []
    gone: frozenset[int] = frozenset()
    if tallies.outcome(is_partial=is_partial) is SeedOutcome.COMPLETED:
        gone, notes = _gone(work, tallies, listed=listed, is_whole=is_whole)
    # What no list names can be a failure, too.
    outcome = tallies.outcome(is_partial=is_partial)
    with work.database.transaction() as connection:
        deleted = catalogue.delete_recipes(connection, gone)
        tallies.changes += deleted
        if deleted.any:
            seeders.reopen(connection, "reagent")
        if outcome is SeedOutcome.COMPLETED:
            seeders.complete(connection, "recipe", build=build, locale=locale)
        seeders.see_build(connection, tallies.newest)
        rows = catalogue.count_recipes(connection)
    notes += [f"{name}: {error}" for name, error in tallies.failures]
    return SeededPart(
        "recipes",
        outcome,
        combined_status(tallies.statuses),
        build=build,
        rows=rows,
        changes=tallies.changes,
        skipped=tallies.skipped.by_name,
        counted=tallies.counted.by_name,
        message=" ".join(notes) or None,
    )
