"""`ironforge seed`: recipes, reagents, items, and what recipes make."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ironforge_cli.cli.frame.command import command
from ironforge_cli.cli.frame.options import Format, FormatOption
from ironforge_cli.cli.frame.wiring import Invocation
from ironforge_cli.cli.show.render import Report, count
from ironforge_cli.cli.show.tables import by_region
from ironforge_cli.errors import ExitStatus
from ironforge_cli.jobs.catalogue import seed as job
from ironforge_cli.jobs.catalogue.seed import SEEDERS
from ironforge_cli.jobs.catalogue.work import Trial, at_once
from ironforge_cli.jobs.evidence.pending import PendingRows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.console import Console

    from ironforge_cli.jobs.catalogue.work import Seeded

Force = Annotated[
    bool,
    typer.Option(
        "--force", help="Do again what is complete, asking anew also for what Blizzard didn't show the last time."
    ),
]
Limit = Annotated[
    int | None,
    typer.Option("--limit", min=1, max=1_000_000, metavar="N", help="For trying: no more than N recipes, or items."),
]
Profession = Annotated[
    str | None,
    typer.Option("--profession", metavar="NAME", help="For trying: one profession alone, by its name or number."),
]


def _seeder(wanted: Sequence[str], says: str) -> Callable[..., None]:
    """The command that runs some seeders; all take the same options, and differ in their help."""

    def seed(
        run: Invocation,
        *,
        force: Force = False,
        limit: Limit = None,
        profession: Profession = None,
        format_: FormatOption = Format.TABLE,
    ) -> Report:
        return _seeded(run, wanted, trial=Trial(force=force, limit=limit, profession=profession), format_=format_)

    seed.__doc__ = says
    return command(seed)


recipes = _seeder(
    ["recipes"],
    """Store every recipe of every profession and skill tier, profession by profession.

    What is complete is skipped until the game has a new build; a run that was ended anyhow is continued by the next.

    Example: ironforge seed recipes
    Example: ironforge seed recipes --profession Alchemy
    """,
)
reagents = _seeder(
    ["reagents"],
    """Store what every stored recipe takes, without asking for anything.

    Run `ironforge seed recipes` before it.

    Example: ironforge seed reagents
    """,
)
items = _seeder(
    ["items"],
    """Store the name and kind of every item that a recipe takes or makes, or that was ever in a snapshot.

    Run it again for items that are new in later snapshots: it asks for these alone.

    Example: ironforge seed items
    """,
)
outputs = _seeder(
    ["outputs"],
    """Store what every stored recipe makes, by Blizzard's word or by its name, without asking for anything.

    Run `ironforge seed items` before it, and it again when there are new items: names tell by items that are traded.

    Example: ironforge seed outputs
    """,
)
all_ = _seeder(
    SEEDERS,
    """Seed recipes, reagents, items and outputs, in this order: what is not complete.

    When all is complete it asks for one thing, which tells whether the game has a new build.

    Example: ironforge seed all
    Example: ironforge seed all --format json
    """,
)


def _seeded(run: Invocation, wanted: Sequence[str], *, trial: Trial, format_: Format) -> Report:
    # Settings that are missing are told before a server is started.
    if list(wanted) not in (["reagents"], ["outputs"]):
        run.settings.credentials()
    home = run.home
    seeded = job.seed(
        wanted,
        source=run.client,
        database=run.database,
        pending=PendingRows(home / "spool" / "log-rows.jsonl"),
        region=run.regions(None)[0],
        clock=run.clock,
        at_once=at_once(run.settings.requests_per_second),
        progress=run.seed_progress(),
        trial=trial,
    )
    return report(seeded, format_)


def report(seeded: Seeded, format_: Format) -> Report:
    """What a seeding has to say."""
    return Report(
        records=records(seeded),
        show=lambda console: show(seeded, console),
        format=format_,
        status=seeded.status,
        failures=tuple(
            f"Seeding {part.seeder}: {part.message}" for part in seeded.parts if part.status is not ExitStatus.DONE
        ),
    )


def records(seeded: Seeded) -> list[dict[str, Any]]:
    """One record a seeder, for programs."""
    return [
        {
            "seeder": part.seeder,
            "outcome": part.outcome,
            "build": part.build,
            "rows": part.rows,
            "inserted": part.changes.inserted,
            "updated": part.changes.updated,
            "deleted": part.changes.deleted,
            "skipped": dict(part.skipped),
            "counted": dict(part.counted),
            "requests": part.traffic.requests,
            "cache_hits": part.traffic.cache_hits,
            "seconds": round(part.seconds, 3),
            "message": part.message,
        }
        for part in seeded.parts
    ]


def show(seeded: Seeded, console: Console) -> None:
    """A table with a column a seeder, for people."""
    rows: dict[str, list[str]] = {}

    def row(name: str, cells: list[str]) -> None:
        if any(cells):
            rows[name] = cells

    parts = seeded.parts
    row("", [part.outcome for part in parts])
    row("build", [part.build or "" for part in parts])
    row("stored", ["" if part.rows is None else count(part.rows) for part in parts])
    row("new", [count(part.changes.inserted) for part in parts])
    row("changed", [count(part.changes.updated) for part in parts])
    row("deleted", [count(part.changes.deleted) if part.changes.deleted else "" for part in parts])
    for reason in dict.fromkeys(reason for part in parts for reason in part.skipped):
        row(f"skipped: {reason}", [count(part.skipped[reason]) if reason in part.skipped else "" for part in parts])
    for name in dict.fromkeys(name for part in parts for name in part.counted):
        row(name, [count(part.counted[name]) if name in part.counted else "" for part in parts])
    row("requests", [count(part.traffic.requests) for part in parts])
    row("from the cache", [count(part.traffic.cache_hits) if part.traffic.cache_hits else "" for part in parts])
    row("seconds", [f"{part.seconds:.1f}" for part in parts])
    by_region([part.seeder for part in parts], rows, console)
    for part in parts:
        if part.message and part.status is ExitStatus.DONE:
            console.print(f"{part.seeder}: {part.message}", soft_wrap=True, markup=False)
