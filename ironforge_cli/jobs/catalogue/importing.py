"""Files about crafting into the database: a plan of what joins, and the plan applied, each source in place of itself.

A file's recipes are found by Blizzard's number, by their spell where the game's own table of spells is among the files,
by skill tier and name, or by profession and the name of what they make; what fits none is unknown, what fits several
is ambiguous, and neither is taken. All files of one call are one transaction.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ironforge_cli.db import locks, revisions
from ironforge_cli.db.repositories import imports, outputs
from ironforge_cli.db.repositories.imports import ImportRow
from ironforge_cli.db.repositories.outputs import Output, SlotOption
from ironforge_cli.errors import ExitStatus, UsageError
from ironforge_cli.jobs.evidence.outcomes import Outcome
from ironforge_cli.jobs.evidence.runs import Evidence, Silent
from ironforge_cli.market.crafting_files import GivenFile, read_file
from ironforge_cli.market.game_tables import recipes_of
from ironforge_cli.market.given_recipes import CraftingFileError
from ironforge_cli.market.outputs import key_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Connection

    from ironforge_cli.db.engine import Database
    from ironforge_cli.db.repositories.imports import RecipeToJoin
    from ironforge_cli.jobs.evidence.pending import PendingRows
    from ironforge_cli.jobs.evidence.runs import Clock
    from ironforge_cli.market.given_recipes import GivenRecipe

_SPELLS = "skill-line-ability"
_TABLES = "game-tables"


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """What of some files of one source fits what is stored."""

    source: str
    kind: str
    files: tuple[str, ...]
    joined: int
    """Recipes of the files that are found."""
    unknown: tuple[str, ...]
    ambiguous: tuple[str, ...]
    outputs: tuple[Output, ...]
    slots: tuple[SlotOption, ...]
    ranks: Mapping[int, int]
    prices: Mapping[int, int]


@dataclass(slots=True)
class Names:
    """Stored recipes by all that files call them."""

    factions: dict[int, list[str]] = field(default_factory=dict[int, list[str]])
    by_tier: dict[tuple[str, str], set[int]] = field(default_factory=dict[tuple[str, str], set[int]])
    by_profession: dict[tuple[str, str], set[int]] = field(default_factory=dict[tuple[str, str], set[int]])
    spells: dict[int, int] = field(default_factory=dict[int, int])
    items: Mapping[int, str] = field(default_factory=dict[int, str])

    def add(self, recipe: RecipeToJoin) -> None:
        """Note what a recipe is called."""
        self.factions.setdefault(recipe.id, []).append(recipe.faction)
        name = key_of(recipe.name or "")
        self.by_tier.setdefault((key_of(recipe.skill_tier or ""), name), set()).add(recipe.id)
        self.by_profession.setdefault((key_of(recipe.profession or ""), name), set()).add(recipe.id)

    def meant(self, given: GivenRecipe) -> set[int]:
        """The recipes that one of a file can be."""
        number = given.recipe_id if given.recipe_id is not None else self.spells.get(given.spell or 0)
        if number is not None:
            return {number} & self.factions.keys()
        if given.tier and given.name:
            return self.by_tier.get((key_of(given.tier), key_of(given.name)), set())
        called = self.items.get(given.named_by or 0)
        if given.profession and called:
            return self.by_profession.get((key_of(given.profession), key_of(called)), set())
        return set()


def read_files(bodies: Iterable[tuple[str, bytes]]) -> list[tuple[str, GivenFile]]:
    """What files say, with their names. Raises `UsageError` where one can't be read, before anything is written."""
    found: list[tuple[str, GivenFile]] = []
    for name, body in bodies:
        try:
            found.append((name, read_file(name, body)))
        except CraftingFileError as error:
            raise UsageError(f"{name} is not imported, nor is any other file: {error}.") from error
    return found


def import_files(
    given: Sequence[tuple[str, GivenFile]],
    *,
    source: str | None,
    dry_run: bool,
    database: Database,
    pending: PendingRows | None,
    clock: Clock,
) -> list[ImportPlan]:
    """Join files with what is stored and, unless it is a dry run, put what they say in place of what they said before.

    A source is called as the kind of its files, unless `source` says otherwise. Raises `UsageError` where files of
    several kinds are to be one source, and errors of the database.
    """
    spells = {spell: number for _, file in given for spell, number in file.spells.items()}
    kinds: dict[str, list[tuple[str, GivenFile]]] = {}
    for name, file in given:
        if file.kind != _SPELLS:
            kinds.setdefault(file.kind, []).append((name, file))
    if _TABLES in kinds:
        kinds[_TABLES] = _joined(kinds[_TABLES], spells)
    if not kinds:
        raise UsageError("A table of spells says nothing by itself: import it together with files of recipes by spell.")
    if source is not None and len(kinds) > 1:
        raise UsageError(
            f"--source names one kind of files, and these are of {len(kinds)}: {', '.join(sorted(kinds))}."
        )
    if dry_run:
        with database.connect() as connection:
            revisions.require_current(connection)
            names = names_of(imports.recipes_to_join(connection), imports.names_of_items(connection), spells)
        return [planned(source or kind, kind, files, names) for kind, files in kinds.items()]
    evidence = Evidence(database, pending=pending, command="seed import", clock=clock)
    with evidence.run() as run:
        with evidence.attempt(None, progress=Silent()) as attempt:
            with database.connect() as connection:
                revisions.require_current(connection)
            evidence.settle()
            with locks.seeding(database), database.transaction() as connection:
                names = names_of(imports.recipes_to_join(connection), imports.names_of_items(connection), spells)
                plans = [planned(source or kind, kind, files, names) for kind, files in kinds.items()]
                for plan in plans:
                    _apply(connection, plan)
            attempt.ends(Outcome.DONE, None)
        run.status = ExitStatus.DONE
        run.record_count = sum(len(one.outputs) + len(one.slots) + len(one.ranks) + len(one.prices) for one in plans)
    return plans


def _joined(files: Sequence[tuple[str, GivenFile]], spells: Mapping[int, int]) -> list[tuple[str, GivenFile]]:
    """Tables of the game, whose first file says what all of them say together."""
    try:
        recipes, ranks = recipes_of([file.table for _, file in files if file.table is not None], spells)
    except CraftingFileError as error:
        raise UsageError(f"No file is imported: {error}.") from error
    names = [name for name, _ in files]
    together = GivenFile(_TABLES, recipes, ranks=ranks)
    return list(zip(names, [together, *[GivenFile(_TABLES)] * (len(names) - 1)], strict=True))


def remove_import(source: str, *, database: Database) -> None:
    """Take out all that an import said. Raises `UsageError` where there is none of that name."""
    with locks.seeding(database), database.transaction() as connection:
        revisions.require_current(connection)
        known = imports.sources(connection)
        if source not in known:
            there = f"there are {', '.join(known)}" if known else "nothing was imported"
            raise UsageError(f"--remove: no import is called {source!r}: {there}.")
        imports.forget(connection, source)


def names_of(recipes: Iterable[RecipeToJoin], items: Mapping[int, str], spells: Mapping[int, int]) -> Names:
    """What stored recipes are called, with the names of items and the recipes of spells."""
    names = Names(spells=dict(spells), items=items)
    for recipe in recipes:
        names.add(recipe)
    return names


def planned(source: str, kind: str, files: Sequence[tuple[str, GivenFile]], names: Names) -> ImportPlan:
    """What files of one kind come to: of each stored recipe that they mean for certain, what it makes and takes."""
    unknown: list[str] = []
    ambiguous: list[str] = []
    joined: dict[int, GivenRecipe] = {}
    twice: set[int] = set()
    for given in (one for _, file in files for one in file.recipes):
        meant = names.meant(given)
        if not meant:
            unknown.append(given.label)
        elif len(meant) > 1:
            ambiguous.append(given.label)
        else:
            (number,) = meant
            if number in joined:
                twice.add(number)
                ambiguous.append(given.label)
            joined.setdefault(number, given)
    # Two of the files are one that is stored: neither is certainly it.
    ambiguous += [joined.pop(number).label for number in sorted(twice)]
    found = [(number, faction, given) for number, given in joined.items() for faction in names.factions[number]]
    made = {
        (number, faction, one.item_id): Output(number, faction, one.item_id, "file", source, one.rank, one.quantity)
        for number, faction, given in found
        for one in given.outputs
    }
    taken = {
        (number, faction, one.slot, one.item_id): SlotOption(
            number, faction, one.slot, one.item_id, "file", source, one.rank, one.quantity, one.required
        )
        for number, faction, given in found
        for one in given.slots
    }
    return ImportPlan(
        source=source,
        kind=kind,
        files=tuple(name for name, _ in files),
        joined=len(joined),
        unknown=tuple(unknown),
        ambiguous=tuple(ambiguous),
        outputs=tuple(made.values()),
        slots=tuple(taken.values()),
        ranks={item: rank for _, file in files for item, rank in file.ranks.items()},
        prices={item: price for _, file in files for item, price in file.prices.items()},
    )


def _apply(connection: Connection, plan: ImportPlan) -> None:
    outputs.replace_outputs(connection, plan.outputs, of=["file"], detail=plan.source)
    outputs.replace_slots(connection, plan.slots, source="file", detail=plan.source)
    imports.replace_ranks(connection, plan.ranks, source=plan.source)
    imports.replace_prices(connection, plan.prices, source=plan.source)
    imports.note(
        connection,
        ImportRow(
            source=plan.source,
            kind=plan.kind,
            files=", ".join(plan.files),
            outputs=len(plan.outputs),
            slots=len(plan.slots),
            ranks=len(plan.ranks),
            prices=len(plan.prices),
            unknown=len(plan.unknown),
            ambiguous=len(plan.ambiguous),
        ),
    )
