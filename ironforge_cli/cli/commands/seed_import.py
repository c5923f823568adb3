"""`ironforge seed import`: what recipes make and take, from files that you fetched."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ironforge_cli.cli.frame.command import command
from ironforge_cli.cli.frame.options import Format, FormatOption
from ironforge_cli.cli.frame.wiring import Invocation
from ironforge_cli.cli.show.render import Report, count
from ironforge_cli.cli.show.tables import Column, listed
from ironforge_cli.errors import UsageError
from ironforge_cli.jobs.catalogue.importing import ImportPlan, import_files, read_files, remove_import
from ironforge_cli.jobs.evidence.pending import PendingRows
from ironforge_cli.market.crafting_files import LARGEST_BYTES
from ironforge_cli.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console

_MOST_SHOWN = 5

Files = Annotated[
    list[Path] | None, typer.Argument(metavar="FILE...", help="Files of the kinds that docs/crafting.md lists.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be imported; write nothing.")]
Source = Annotated[
    str | None, typer.Option("--source", metavar="NAME", help="What the import is called; else as its kind of files.")
]
Remove = Annotated[
    str | None, typer.Option("--remove", metavar="SOURCE", help="Take out all that an import said, instead.")
]


@command
def import_(
    run: Invocation,
    *,
    files: Files = None,
    dry_run: DryRun = False,
    source: Source = None,
    remove: Remove = None,
    format_: FormatOption = Format.TABLE,
) -> Report:
    """Import what recipes make and take, ranks and vendors' prices from files: each source replaces itself.

    Nothing of a file is run, and a file that can't be read whole keeps all of them out.

    Example: ironforge seed import midnight_recipes_simplified.json midnight_reagents_used.json --dry-run
    Example: ironforge seed import catalog.lua SkillLineAbility.csv
    Example: ironforge seed import --remove koodattu-recipes
    """
    if remove is not None:
        if files or dry_run or source is not None:
            raise UsageError("--remove takes an import out, and goes with no file and no other option.")
        remove_import(remove, database=run.database)
        return Report(
            records=[{"source": remove, "removed": True}],
            show=lambda console: console.print(f"{remove}: taken out.", markup=False),
            format=format_,
        )
    if not files:
        raise UsageError("Name the files to import, or --remove an import.")
    if source is not None and not source.strip():
        raise UsageError("--source is empty: give the import a name.")
    given = read_files(_bodies(files))
    plans = import_files(
        given,
        source=source,
        dry_run=dry_run,
        database=run.database,
        pending=PendingRows(run.home / "spool" / "log-rows.jsonl"),
        clock=run.clock,
    )
    return Report(
        records=[_record(plan, dry_run=dry_run) for plan in plans],
        show=lambda console: _show(plans, console, dry_run=dry_run),
        format=format_,
    )


def _bodies(files: Sequence[Path]) -> Iterator[tuple[str, bytes]]:
    for file in files:
        try:
            with file.open("rb") as stream:
                # One byte more than may be: larger files are refused without being read whole.
                yield file.name, stream.read(LARGEST_BYTES + 1)
        except OSError as error:
            raise UsageError(f"{file} can't be read ({error.strerror or error}): nothing was imported.") from error


def _record(plan: ImportPlan, *, dry_run: bool) -> dict[str, Any]:
    return {
        "source": plan.source,
        "kind": plan.kind,
        "files": list(plan.files),
        "joined": plan.joined,
        "unknown": list(plan.unknown),
        "ambiguous": list(plan.ambiguous),
        "outputs": len(plan.outputs),
        "slots": len(plan.slots),
        "ranks": len(plan.ranks),
        "prices": len(plan.prices),
        "dry_run": dry_run,
    }


def _show(plans: Sequence[ImportPlan], console: Console, *, dry_run: bool) -> None:
    numbers = ("joined", "unknown", "ambiguous", "outputs", "slots", "ranks", "prices")
    rows = (
        (
            plan.source,
            count(plan.joined),
            *(count(len(getattr(plan, name))) for name in numbers[1:]),
        )
        for plan in plans
    )
    listed(console, [Column("source"), *(Column(name, right=True) for name in numbers)], rows, empty="Nothing.")
    for plan in plans:
        for what, labels in (("unknown", plan.unknown), ("ambiguous", plan.ambiguous)):
            if labels:
                more = f" and {len(labels) - _MOST_SHOWN} more" if len(labels) > _MOST_SHOWN else ""
                shown = ", ".join(labels[:_MOST_SHOWN])
                said = counted(len(labels), "recipe")
                console.print(f"{plan.source}: {said} {what}: {shown}{more}", soft_wrap=True, markup=False)
    if dry_run:
        console.print("Nothing was written: this was a dry run.")
