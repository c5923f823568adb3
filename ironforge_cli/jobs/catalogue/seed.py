"""The crafting tables from Blizzard's static data: recipes, reagents, items and outputs, complete and resumable.

Each seeder leaves rows of evidence of its own, and holds one lock that all share. What was stored is committed piece by
piece, and what was answered is in the HTTP cache, so that a run that was ended anyhow is continued by the next.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from ironforge_cli.db import locks, revisions
from ironforge_cli.errors import ExitStatus, InterruptedRunError, IronforgeError, LockedError, UsageError
from ironforge_cli.jobs.catalogue.items import seed_items
from ironforge_cli.jobs.catalogue.outputs import seed_outputs
from ironforge_cli.jobs.catalogue.reagents import seed_reagents
from ironforge_cli.jobs.catalogue.recipes import seed_recipes
from ironforge_cli.jobs.catalogue.work import Seeded, SeededPart, SeedOutcome, Trial, Unseen, Work, extra_data
from ironforge_cli.jobs.evidence.outcomes import Outcome
from ironforge_cli.jobs.evidence.runs import Evidence, Silent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ironforge_cli.db.engine import Database
    from ironforge_cli.jobs.catalogue.work import CatalogueSource, SeedProgress
    from ironforge_cli.jobs.evidence.pending import PendingRows
    from ironforge_cli.jobs.evidence.runs import Clock
    from ironforge_cli.regions import Region

SEEDERS: Final = ("recipes", "reagents", "items", "outputs")
"""In the order in which each needs the ones before it."""

_RUNS: Final[Mapping[str, Callable[[Work], SeededPart]]] = {
    "recipes": seed_recipes,
    "reagents": seed_reagents,
    "items": seed_items,
    "outputs": seed_outputs,
}
# What ends one seeder would end the next as well.
_ENDS: Final = {
    ExitStatus.DATABASE,
    ExitStatus.CREDENTIALS,
    ExitStatus.CONFIGURATION,
    ExitStatus.LOCKED,
    ExitStatus.UNAVAILABLE,
}


def seed(
    wanted: Sequence[str],
    *,
    source: CatalogueSource,
    database: Database,
    pending: PendingRows | None,
    region: Region,
    clock: Clock,
    at_once: int,
    progress: SeedProgress | None = None,
    trial: Trial | None = None,
) -> Seeded:
    """Run some of `SEEDERS`, and return how each ended; one that is complete does nothing.

    `at_once` requests may be under way; the source's limits hold for all of them. What goes wrong is in the result, but
    for `InterruptedRunError`, and `UsageError` where there is no such profession.
    """
    work = Work(
        source=source,
        database=database,
        region=region,
        clock=clock,
        progress=progress or Unseen(),
        at_once=at_once,
        trial=trial or Trial(),
    )
    if work.trial.force:
        # Whoever continues this run without --force finds only what it has asked for anew.
        source.forget_static()
    parts: list[SeededPart] = []
    for seeder in wanted:
        parts.append(_attempted(seeder, work, pending=pending))
        if parts[-1].status in _ENDS:
            break
    return Seeded(parts=tuple(parts))


def _attempted(seeder: str, work: Work, *, pending: PendingRows | None) -> SeededPart:
    """Run one seeder with its evidence; its failure is a result."""
    evidence = Evidence(work.database, pending=pending, command=f"seed {seeder}", clock=work.clock)
    before, began = work.source.traffic, work.clock.monotonic()

    def measured(part: SeededPart) -> SeededPart:
        traffic, seconds = work.source.traffic.since(before), work.clock.monotonic() - began
        return replace(part, traffic=traffic, seconds=seconds)

    with evidence.run() as run:
        try:
            with evidence.attempt(None, progress=Silent()) as attempt:
                with work.database.connect() as connection:
                    revisions.require_current(connection)
                evidence.settle()
                with locks.seeding(work.database):
                    part = measured(_RUNS[seeder](work))
                attempt.ends(_ended(part), part.message)
        except (InterruptedRunError, UsageError):
            raise
        except IronforgeError as error:
            outcome = SeedOutcome.LOCKED if isinstance(error, LockedError) else SeedOutcome.FAILED
            part = measured(SeededPart(seeder, outcome, error.status, message=str(error)))
        run.status, run.message = part.status, part.message
        run.record_count = part.changes.inserted + part.changes.updated + part.changes.deleted
        run.extra = extra_data(part)
    return part


def _ended(part: SeededPart) -> Outcome:
    """What the row of a seeder's attempt says."""
    if part.outcome is SeedOutcome.CURRENT:
        return Outcome.NO_CHANGE
    return Outcome.DONE if part.status is ExitStatus.DONE else Outcome.FAILED
