"""Outputs: what each recipe makes, by Blizzard's word or, where there is none, by its name.

Blizzard's word is the crafted item, or one of each faction. For a recipe without it the tradable items that are called
like it tell (`market/outputs.py`). Both are computed whole each time, since it takes a second: a new item in a
snapshot, a new name or another recipe can each change what names say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ironforge_cli.db.repositories import outputs, seeders, slots
from ironforge_cli.db.repositories.outputs import Output
from ironforge_cli.errors import ExitStatus
from ironforge_cli.jobs.catalogue.work import Counts, SeededPart, SeedOutcome
from ironforge_cli.market.outputs import NamedRecipe, key_of, outputs_by_name
from ironforge_cli.wording import counted as numbered

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ironforge_cli.db.repositories.outputs import RecipeToMatch
    from ironforge_cli.jobs.catalogue.work import Work


def seed_outputs(work: Work) -> SeededPart:
    """Store what every stored recipe makes, as far as Blizzard or names say it; in one transaction.

    It is complete where recipes and items are. Raises errors of the database, and `InterruptedRunError`.
    """
    work.progress.begin("outputs", total=1)
    work.clock.check()
    with work.database.transaction() as connection:
        states = seeders.seeder_states(connection)
        recipes, items, state = states["recipe"], states["item"], states["output"]
        is_ready = recipes.completed and items.completed and recipes.locale is not None
        stored = outputs.recipes_to_match(connection)
        found = outputs_of(stored, outputs.tradable_names(connection))
        changes = outputs.replace_outputs(connection, found, of=["api", "name"]) + slots.refit_slots(connection)
        is_current = is_ready and state.completed and state.build == recipes.build and not changes.any
        if is_ready and not is_current:
            seeders.complete(connection, "output", build=recipes.build, locale=recipes.locale or "")
        rows = outputs.count_outputs(connection)
    work.progress.advance()
    counted = counts_of(stored, found)
    work.progress.tell(f"{numbered(len(found), 'output')} of {numbered(len({one.id for one in stored}), 'recipe')}")
    message = None
    if not is_ready:
        message = "Recipes or items are not complete: run `ironforge seed all`, which ends with this."
    outcome = SeedOutcome.CURRENT if is_current else SeedOutcome.COMPLETED if is_ready else SeedOutcome.LIMITED
    return SeededPart(
        "outputs",
        outcome,
        ExitStatus.DONE,
        build=recipes.build,
        rows=rows,
        changes=changes,
        counted=counted.by_name,
        message=message,
    )


def outputs_of(stored: Sequence[RecipeToMatch], named: Iterable[tuple[int, str, bool]]) -> list[Output]:
    """What recipes make, by Blizzard's word, else by name."""
    by_name = outputs_by_name(
        [
            NamedRecipe(one.id, one.name, one.skill_tier_id)
            for one in {one.id: one for one in stored if one.takes_anything}.values()
            if one.name
        ],
        _candidates(named),
    )
    found: list[Output] = []
    for one in stored:
        quantity = one.quantity if one.quantity is not None and one.quantity > 0 else None
        if one.crafted_item_id is not None:
            found.append(Output(one.id, one.faction, one.crafted_item_id, "api", quantity=quantity))
            continue
        found += [Output(one.id, one.faction, item, "name", quantity=quantity) for item in by_name.get(one.id, ())]
    return found


def _candidates(named: Iterable[tuple[int, str, bool]]) -> dict[str, list[int]]:
    """Items by the key of their name; where any of a name was for sale, those that were never are left out."""
    sold: dict[str, list[int]] = {}
    others: dict[str, list[int]] = {}
    for item, name, was_for_sale in named:
        (sold if was_for_sale else others).setdefault(key_of(name), []).append(item)
    return {**others, **sold}


def counts_of(stored: Sequence[RecipeToMatch], found: Sequence[Output]) -> Counts:
    """How many recipes have outputs, by who says so."""
    counts = Counts()
    by_source: dict[str, set[tuple[int, str]]] = {}
    for one in found:
        by_source.setdefault(one.source, set()).add((one.recipe_id, one.faction))
    counts.add("recipes whose output Blizzard names", len(by_source.get("api", ())))
    counts.add("recipes whose output their name tells", len(by_source.get("name", ())))
    counts.add("recipes without a known output", len(stored) - sum(len(keys) for keys in by_source.values()))
    return counts
