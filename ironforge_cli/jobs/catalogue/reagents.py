"""Reagents: what each stored recipe takes, read from Blizzard's answer that is stored with it. Nothing is asked for.

For each recipe and faction: reagents and optional ones. An item that is listed twice takes both quantities; one that is
required and optional is required; a quantity of 0 is kept, since so Blizzard says. Slots of modified crafting name
kinds of items and stay in `recipes.data`.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ironforge_cli.blizzard import payloads
from ironforge_cli.db.repositories import catalogue, seeders
from ironforge_cli.db.repositories.catalogue import Changes, StoredRecipe
from ironforge_cli.errors import ExitStatus, RefusedAnswerError
from ironforge_cli.jobs.catalogue.work import Counts, SeededPart, SeedOutcome
from ironforge_cli.wording import counted as numbered

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ironforge_cli.jobs.catalogue.work import Work
    from ironforge_cli.market.catalogue import Faction, Reagent

log = logging.getLogger(__name__)


def seed_reagents(work: Work) -> SeededPart:
    """Store what every stored recipe takes, committed profession by profession, unless all of it is there.

    It is complete where the recipes are. Raises errors of the database, and `InterruptedRunError`.
    """
    trial = work.trial
    only = None if trial.profession is None else work.professions()[0].name
    with work.database.transaction() as connection:
        states = seeders.seeder_states(connection)
        recipes, state = states["recipe"], states["reagent"]
        rows = catalogue.count_reagents(connection)
        is_ready = recipes.completed and recipes.locale is not None
        if is_ready and state.completed and state.build == recipes.build and not trial.force:
            return SeededPart("reagents", SeedOutcome.CURRENT, ExitStatus.DONE, build=state.build, rows=rows)
        seeders.reopen(connection, "reagent")
        names = catalogue.recipe_professions(connection)
    if trial.profession is not None:
        names = [name for name in names if name == only]
    changes, counted, skipped = Changes(), Counts(), Counts()
    left = trial.limit
    work.progress.begin("reagents", total=len(names))
    for name in names:
        work.clock.check()
        with work.database.transaction() as connection:
            stored = catalogue.stored_recipes(connection, name)[:left]
            reagents = _reagents_of(stored, counted=counted, skipped=skipped)
            changed = catalogue.store_reagents(connection, reagents)
        changes += changed
        if left is not None:
            left -= len(stored)
        work.progress.advance()
        taken = sum(len(some) for some in reagents.values())
        work.progress.tell(
            f"{name}: {numbered(taken - changed.filtered, 'reagent')} of {numbered(len(reagents), 'recipe')}"
        )
    skipped.add("of no stored recipe", changes.filtered)
    with work.database.transaction() as connection:
        if is_ready and not trial.is_partial:
            seeders.complete(connection, "reagent", build=recipes.build, locale=recipes.locale or "")
        rows = catalogue.count_reagents(connection)
    message = None if is_ready else "The recipes are not complete: run `ironforge seed recipes`, then this again."
    if message:
        log.warning("Reagents: %s", message)
    return SeededPart(
        "reagents",
        SeedOutcome.COMPLETED if is_ready and not trial.is_partial else SeedOutcome.LIMITED,
        ExitStatus.DONE,
        build=recipes.build,
        rows=rows,
        changes=changes,
        skipped=skipped.by_name,
        counted=counted.by_name,
        message=message,
    )


def _reagents_of(
    stored: Iterable[StoredRecipe], *, counted: Counts, skipped: Counts
) -> dict[tuple[int, Faction], tuple[Reagent, ...]]:
    """What stored recipes take, by id and faction; a recipe whose answer can't be read is skipped."""
    found: dict[tuple[int, Faction], tuple[Reagent, ...]] = {}
    for row in stored:
        try:
            recipe = payloads.recipes(row.answer, locale="")[0]
        except RefusedAnswerError as error:
            skipped.add("malformed")
            log.debug("Skipped the reagents of the stored recipe %d: %s", row.id, error)
            continue
        found[row.id, row.faction] = recipe.reagents
        counted.add("optional", sum(one.optional for one in recipe.reagents))
        counted.add("quantity 0", sum(one.quantity == 0 for one in recipe.reagents))
        counted.add("slots", recipe.slots)
    return found
